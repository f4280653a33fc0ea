# Disabled, the module is not there.

mock_provider "aws" {}

run "creates_nothing" {
  variables {
    enabled     = false
    clusters    = ["prod-[ab]"]
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1"
    alarms      = {}
    dashboard   = true

    reconcile_schedule = "rate(1 hour)"
  }

  assert {
    condition = length(concat(
      aws_cloudwatch_event_rule.this,
      values(aws_cloudwatch_event_rule.other),
      values(aws_cloudwatch_event_target.queue),
      aws_sqs_queue.this,
      aws_sqs_queue.dead_letter,
      aws_sqs_queue.undelivered,
      aws_cloudwatch_log_group.this,
      aws_dynamodb_table.this,
      aws_lambda_function.this,
      aws_lambda_event_source_mapping.queue,
      aws_iam_role.this,
      aws_iam_role_policy.queue,
      aws_iam_role_policy.lambda,
      aws_iam_role_policy.read,
      aws_iam_role_policy.deploy,
      values(aws_cloudwatch_metric_alarm.this),
      aws_cloudwatch_dashboard.this,
    )) == 0
    error_message = "enabled = false must create nothing."
  }

  assert {
    condition = length(concat(
      data.aws_caller_identity.this, data.aws_partition.this, data.aws_service.ecs,
    )) == 0
    error_message = "enabled = false must ask AWS for nothing."
  }

  assert {
    condition = alltrue([
      for value in [
        output.function_name, output.function_arn, output.role_arn, output.queue_url, output.queue_arn,
        output.dead_letter_queue_url, output.dead_letter_queue_arn, output.table_name, output.table_arn, output.event_rule_arn, output.log_group_name,
      ] : value == null
    ])
    error_message = "Without resources, every output must be null."
  }
}
