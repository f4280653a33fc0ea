# The memory: what each target is to run, what waits, and how its rollouts went. What a service runs is always asked of ECS:
# without the items of the table nothing goes backwards.

resource "aws_dynamodb_table" "this" {
  count = var.enabled ? 1 : 0

  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "target"
  range_key                   = "item"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "target"
    type = "S"
  }

  attribute {
    name = "item"
    type = "S"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}
