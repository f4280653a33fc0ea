# Everything that comes after the update, in one account. Its services are on a double of ECS, not in here: moto's own has
# neither service deployments nor task sets.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

module "ecr_deploy" {
  source = "../.."

  name                       = "features"
  clusters                   = ["prod"]
  rules                      = [{ repositories = ["live"], promote_tag = "production" }, { repositories = ["back-*", "blue-green", "job", "agent", "express"] }]
  notifications              = { topic_arns = [aws_sns_topic.people.arn], chat_topic_arns = [aws_sns_topic.chat.arn] }
  rollback_on_failure        = true
  deployment_timeout_minutes = 5
  scheduled_tasks            = true
  codedeploy                 = true
  daemons                    = true
  express_mode               = true
  keep_revisions             = 2
  image_parameter_prefix     = "/features/images"
  alarms                     = { topic_arns = [aws_sns_topic.people.arn] }
  dashboard                  = true
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_service" "ecs" {
  service_id = "ecs"
}

locals {
  ecs_arn = "arn:${data.aws_partition.this.partition}:ecs:${data.aws_service.ecs.region}:${data.aws_caller_identity.this.account_id}"
  cluster = "${local.ecs_arn}:cluster/prod"
}

resource "aws_ecr_repository" "this" {
  for_each = toset(["live", "back-in-time", "back-by-hand", "blue-green", "job", "agent", "express"])

  name         = each.key
  force_delete = true
}

# People.

resource "aws_sns_topic" "people" {
  name = "people"
}

resource "aws_sqs_queue" "people" {
  name = "people"
}

resource "aws_sns_topic_subscription" "people" {
  topic_arn = aws_sns_topic.people.arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.people.arn
}

resource "aws_sns_topic" "chat" {
  name = "chat"
}

resource "aws_sqs_queue" "chat" {
  name = "chat"
}

resource "aws_sns_topic_subscription" "chat" {
  topic_arn = aws_sns_topic.chat.arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.chat.arn
}

# Scheduled tasks.

resource "aws_iam_role" "this" {
  name = "features"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = ["events.amazonaws.com", "scheduler.amazonaws.com"] }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_cloudwatch_event_rule" "nightly" {
  name                = "nightly"
  schedule_expression = "cron(0 3 * * ? *)"
}

resource "aws_cloudwatch_event_target" "nightly" {
  for_each = { import = "job:1", export = "job:1" }

  rule      = aws_cloudwatch_event_rule.nightly.name
  target_id = each.key
  arn       = local.cluster
  role_arn  = aws_iam_role.this.arn
  input     = jsonencode({ containerOverrides = [{ name = "main", command = [each.key] }] })

  ecs_target {
    task_definition_arn = "${local.ecs_arn}:task-definition/${each.value}"
    launch_type         = "FARGATE"
    task_count          = 2

    network_configuration {
      subnets = ["subnet-1"]
    }
  }

  lifecycle {
    ignore_changes = [ecs_target[0].task_definition_arn]
  }
}

resource "aws_scheduler_schedule" "weekly" {
  name                         = "weekly"
  schedule_expression          = "cron(0 4 ? * MON *)"
  schedule_expression_timezone = "Europe/Berlin"
  description                  = "Monday's report."

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }

  target {
    arn      = local.cluster
    role_arn = aws_iam_role.this.arn
    input    = jsonencode({ containerOverrides = [{ name = "main", command = ["report"] }] })

    ecs_parameters {
      task_definition_arn = "${local.ecs_arn}:task-definition/job:1"
      launch_type         = "FARGATE"

      network_configuration {
        subnets = ["subnet-1"]
      }
    }

    retry_policy {
      maximum_retry_attempts = 3
    }
  }

  lifecycle {
    ignore_changes = [target[0].ecs_parameters[0].task_definition_arn]
  }
}

output "function_name" {
  value = module.ecr_deploy.function_name
}

output "queue_url" {
  value = module.ecr_deploy.queue_url
}

output "people" {
  value = aws_sqs_queue.people.url
}

output "chat" {
  value = aws_sqs_queue.chat.url
}

output "table_name" {
  value = module.ecr_deploy.table_name
}
