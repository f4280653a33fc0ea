output "function_name" {
  description = "Name of the function, to invoke it by hand."
  value       = one(aws_lambda_function.this[*].function_name)
}

output "function_arn" {
  description = "ARN of the function."
  value       = one(aws_lambda_function.this[*].arn)
}

output "role_arn" {
  description = "ARN of the function's role, to allow it more, or less."
  value       = one(aws_iam_role.this[*].arn)
}

output "queue_url" {
  description = "URL of the queue in which pushes wait for the function."
  value       = one(aws_sqs_queue.this[*].url)
}

output "queue_arn" {
  description = "ARN of the queue in which pushes wait for the function."
  value       = one(aws_sqs_queue.this[*].arn)
}

output "dead_letter_queue_url" {
  description = "URL of the queue in which pushes end that could not be deployed."
  value       = one(aws_sqs_queue.dead_letter[*].url)
}

output "dead_letter_queue_arn" {
  description = "ARN of the queue in which pushes end that could not be deployed, to be alarmed by what lies in it."
  value       = one(aws_sqs_queue.dead_letter[*].arn)
}

output "table_name" {
  description = "Name of the table that remembers what each service is to run."
  value       = one(aws_dynamodb_table.this[*].name)
}

output "table_arn" {
  description = "ARN of the table that remembers what each service is to run."
  value       = one(aws_dynamodb_table.this[*].arn)
}

output "event_rule_arn" {
  description = "ARN of the EventBridge rule that picks the pushes."
  value       = one(aws_cloudwatch_event_rule.this[*].arn)
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = one(aws_cloudwatch_log_group.this[*].name)
}
