terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

# What an infrastructure repository has of ecr-deploy: its tests and its plan are checked before this is applied.
module "ecr_deploy" {
  source = "../.."

  name           = var.name
  clusters       = var.clusters
  rules          = var.rules
  pass_role_arns = var.task_role_arns
  alarms         = { topic_arns = [aws_sns_topic.pager.arn] }
}

resource "aws_sns_topic" "pager" {
  name = "${var.name}-pager"
}
