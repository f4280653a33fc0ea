# The road of a push, in its order: rule, queue, function, event source mapping.

# The rule. An account with a trail sends both events for one push; one without sends the first alone.

module "event_pattern" {
  source = "./modules/event-pattern"

  rules = [for index, rule in local.rules : merge(rule, { registries = local.registries_of[index] })]
}

resource "aws_cloudwatch_event_rule" "this" {
  count = var.enabled ? 1 : 0

  name        = var.name
  description = "Image pushes to ECR, for ${var.name}."
  tags        = var.tags

  event_pattern = module.event_pattern.pattern
}

# Keyed by name: a rule that comes or goes moves no other's target.
resource "aws_cloudwatch_event_target" "queue" {
  for_each = merge(
    { for rule in aws_cloudwatch_event_rule.this : "pushes" => rule.name },
    { for name, rule in aws_cloudwatch_event_rule.other : name => rule.name },
  )

  rule = each.value
  arn  = aws_sqs_queue.this[0].arn

  # One group for all pushes: ECS has no compare-and-swap, so that two handled at once could undo one another.
  sqs_target {
    message_group_id = "pushes"
  }

  dead_letter_config {
    arn = aws_sqs_queue.undelivered[0].arn
  }
}

# The queue. Policies are inline: each as a resource of its own would cost another half minute of the provider's waiting.

resource "aws_sqs_queue" "this" {
  count = var.enabled ? 1 : 0

  name                        = local.queue_name
  fifo_queue                  = true
  content_based_deduplication = true
  # No longer than the function needs: a crash holds up the pushes behind it for this long.
  visibility_timeout_seconds = var.timeout + 30
  message_retention_seconds  = local.queue_retention_seconds
  policy                     = local.queue_policies[local.queue_name]
  sqs_managed_sse_enabled    = local.sqs_managed_encryption
  kms_master_key_id          = var.kms_key_arn
  tags                       = var.tags

  # The function itself gives up earlier. This is the net below it, for invocations that die.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter[0].arn
    maxReceiveCount     = 10
  })
}

resource "aws_sqs_queue" "dead_letter" {
  count = var.enabled ? 1 : 0

  name                      = "${var.name}-dead-letter.fifo"
  fifo_queue                = true
  message_retention_seconds = local.queue_retention_seconds
  sqs_managed_sse_enabled   = local.sqs_managed_encryption
  kms_master_key_id         = var.kms_key_arn
  tags                      = var.tags
}

# What EventBridge could not deliver within 24 hours. It sends such events to standard queues only.
resource "aws_sqs_queue" "undelivered" {
  count = var.enabled ? 1 : 0

  name                      = local.undelivered_queue_name
  message_retention_seconds = local.queue_retention_seconds
  policy                    = local.queue_policies[local.undelivered_queue_name]
  sqs_managed_sse_enabled   = local.sqs_managed_encryption
  kms_master_key_id         = var.kms_key_arn
  tags                      = var.tags
}

locals {
  queue_name              = "${var.name}.fifo"
  undelivered_queue_name  = "${var.name}-undelivered"
  queue_retention_seconds = 14 * 24 * 60 * 60 # the longest that SQS offers
  sqs_managed_encryption  = var.kms_key_arn == null ? true : null
}

# The function.

locals {
  log_group_name = "/aws/lambda/${var.name}"
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338: how long to keep the log is the user's choice (log_retention_days)
  count = var.enabled ? 1 : 0

  name              = local.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50: X-Ray needs permissions on "*", and the log has all of a push in one line
  #checkov:skip=CKV_AWS_115: the queue's one message group lets one invocation run at a time; reserved ones would be taken from the account
  #checkov:skip=CKV_AWS_116: that is for asynchronous invocations; what a queue's batches could not do lies in the queue's own dead-letter queue
  #checkov:skip=CKV_AWS_117: it calls AWS's APIs and nothing in a VPC
  #checkov:skip=CKV_AWS_272: the zip comes with the module and is held byte for byte against its source; to sign it, users would have to host it
  count = var.enabled ? 1 : 0

  function_name    = var.name
  description      = "Rolls images pushed to ECR out to the ECS services that run them."
  role             = aws_iam_role.this[0].arn
  filename         = "${path.module}/lambda/ecr_deploy.zip"
  source_code_hash = filebase64sha256("${path.module}/lambda/ecr_deploy.zip")
  handler          = "ecr_deploy.handler.handler"
  runtime          = var.runtime
  architectures    = [var.architecture]
  memory_size      = var.memory_size
  timeout          = var.timeout
  kms_key_arn      = var.kms_key_arn
  tags             = var.tags

  environment {
    variables = {
      ECR_DEPLOY_SETTINGS = jsonencode(merge(local.settings, {
        table_name            = aws_dynamodb_table.this[0].name
        queue_url             = aws_sqs_queue.this[0].url
        dead_letter_queue_url = aws_sqs_queue.dead_letter[0].url
      }))
    }
  }

  dynamic "vpc_config" {
    for_each = length(var.subnet_ids) > 0 ? ["this"] : []

    content {
      subnet_ids         = var.subnet_ids
      security_group_ids = var.security_group_ids
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this[0].name
  }

  # An early invocation would otherwise lose its log, and Lambda would make a log group that Terraform does not own.
  # One in a VPC needs its interfaces as soon as it is made.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.lambda]

  lifecycle {
    precondition {
      condition     = local.settings_length <= local.settings_limit
      error_message = "The settings are too long: Lambda takes 4 KiB in all, which leaves ${local.settings_limit} bytes, but clusters and rules make them ${local.settings_length} long. Write wildcards instead of lists of names, or use the module twice, with other names and rules."
    }

    precondition {
      condition     = local.policies_length <= local.policies_limit
      error_message = "The role's policies are too long: IAM takes 10,240 characters in all, which leaves ${local.policies_limit}, but clusters and the rules' registries and repositories make them ${local.policies_length} long. Write wildcards instead of lists of names, or use the module twice, with other names and rules."
    }

    precondition {
      condition     = !contains(local.awaited_regions, local.region)
      error_message = "rules[*].after.region is ${local.region}, the module's own region: leave it out to wait for services there."
    }

    precondition {
      condition     = length(local.circular_rules) == 0
      error_message = "A stage waits for itself: rules[${join("] and rules[", local.circular_rules)}] have after, and reach what they wait for. Let a rule without after reach the first stage."
    }
  }
}

resource "aws_lambda_event_source_mapping" "queue" {
  count = var.enabled ? 1 : 0

  event_source_arn        = aws_sqs_queue.this[0].arn
  function_name           = aws_lambda_function.this[0].arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  # Lambda refuses a mapping for a role that may not read the queue.
  depends_on = [aws_iam_role_policy.queue]
}
