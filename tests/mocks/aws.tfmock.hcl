# What AWS would answer in account 123456789012, region eu-west-1. Its ARNs tell the queues apart.

override_data {
  target = data.aws_caller_identity.this[0]
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_partition.this[0]
  values = { partition = "aws" }
}

override_data {
  target = data.aws_service.ecs[0]
  values = { region = "eu-west-1" }
}

override_resource {
  target = aws_cloudwatch_event_rule.this[0]
  values = { arn = "arn:aws:events:eu-west-1:123456789012:rule/ecr-deploy" }
}

override_resource {
  target = aws_cloudwatch_event_rule.other["deployments"]
  values = { arn = "arn:aws:events:eu-west-1:123456789012:rule/ecr-deploy-deployments" }
}

override_resource {
  target = aws_cloudwatch_event_rule.other["codedeploy"]
  values = { arn = "arn:aws:events:eu-west-1:123456789012:rule/ecr-deploy-codedeploy" }
}

override_resource {
  target = aws_cloudwatch_event_rule.other["schedule"]
  values = { arn = "arn:aws:events:eu-west-1:123456789012:rule/ecr-deploy-schedule" }
}

override_resource {
  target = aws_cloudwatch_event_rule.notifications["live"]
  values = { arn = "arn:aws:events:eu-west-1:123456789012:rule/ecr-deploy-live" }
}

override_resource {
  target = aws_cloudwatch_event_rule.notifications["trouble"]
  values = { arn = "arn:aws:events:eu-west-1:123456789012:rule/ecr-deploy-trouble" }
}

override_resource {
  target = aws_sqs_queue.this[0]
  values = {
    arn = "arn:aws:sqs:eu-west-1:123456789012:ecr-deploy.fifo"
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/ecr-deploy.fifo"
  }
}

override_resource {
  target = aws_sqs_queue.dead_letter[0]
  values = {
    arn = "arn:aws:sqs:eu-west-1:123456789012:ecr-deploy-dead-letter.fifo"
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/ecr-deploy-dead-letter.fifo"
  }
}

override_resource {
  target = aws_sqs_queue.undelivered[0]
  values = { arn = "arn:aws:sqs:eu-west-1:123456789012:ecr-deploy-undelivered" }
}

override_resource {
  target = aws_cloudwatch_log_group.this[0]
  values = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/ecr-deploy" }
}

override_resource {
  target = aws_lambda_function.this[0]
  values = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:ecr-deploy" }
}

override_resource {
  target = aws_iam_role.this[0]
  values = { arn = "arn:aws:iam::123456789012:role/ecr-deploy-eu-west-1" }
}
