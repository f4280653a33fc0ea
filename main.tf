# The road of a push, in its order: rule, queue, function. What the function may do is in iam.tf.

data "aws_caller_identity" "this" {
  count = var.enabled ? 1 : 0
}

data "aws_partition" "this" {
  count = var.enabled ? 1 : 0
}

# Asked for the region alone: aws_region has no attribute for it that neither provider v5 lacks nor v6 calls deprecated.
data "aws_service" "ecs" {
  count = var.enabled ? 1 : 0

  service_id = "ecs"
}

locals {
  # Empty where nothing is enabled.
  account_id = join("", data.aws_caller_identity.this[*].account_id)
  partition  = join("", data.aws_partition.this[*].partition)
  region     = join("", data.aws_service.ecs[*].region)

  # What the function needs to know, apart from its queues.
  settings = {
    account_id      = local.account_id
    clusters        = var.clusters
    rules           = var.rules
    image_reference = var.image_reference
    base_revision   = var.base_revision
    dry_run         = var.dry_run
  }
}

# The rule. An account with a trail sends both events for one push; an account without sends the first alone.

resource "aws_cloudwatch_event_rule" "this" {
  count = var.enabled ? 1 : 0

  name        = var.name
  description = "Image pushes to ECR, for ${var.name}."
  tags        = var.tags

  # No eventSource: the oldest events of CloudTrail have it empty.
  event_pattern = jsonencode({
    source      = ["aws.ecr"]
    detail-type = ["ECR Image Action", "AWS API Call via CloudTrail"]
    detail = {
      "$or" = [
        { action-type = ["PUSH"], result = ["SUCCESS"] },
        { eventName = ["PutImage"] },
      ]
    }
  })
}

resource "aws_cloudwatch_event_target" "queue" {
  count = var.enabled ? 1 : 0

  rule = aws_cloudwatch_event_rule.this[0].name
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
  policy                     = local.policy_to_take_events[local.queue_name]
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
  policy                    = local.policy_to_take_events[local.undelivered_queue_name]
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

resource "aws_cloudwatch_log_group" "this" {
  count = var.enabled ? 1 : 0

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
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
        queue_url             = aws_sqs_queue.this[0].url
        dead_letter_queue_url = aws_sqs_queue.dead_letter[0].url
      }))
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this[0].name
  }

  # An early invocation would otherwise lose its log, and Lambda would make a log group that Terraform does not own.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.log]

  lifecycle {
    precondition {
      condition     = length(jsonencode(local.settings)) <= local.longest_settings
      error_message = "The settings are too long: Lambda takes 4 KiB in all, which leaves ${local.longest_settings} characters, but clusters and rules make them ${length(jsonencode(local.settings))} long. Write wildcards instead of lists of names, or use the module twice, with other names and rules."
    }
  }
}

locals {
  # Kept back from Lambda's 4 KiB: the variable's name and the two queues' URLs, which are unknown at plan.
  longest_settings = 4096 - 400
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
