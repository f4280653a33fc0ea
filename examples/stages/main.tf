terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

# One function sees both clusters, so that production can wait for staging.
module "ecr_deploy" {
  source = "../.."

  name               = "${var.name}-deploy"
  clusters           = [for cluster in aws_ecs_cluster.this : cluster.name]
  reconcile_schedule = "rate(5 minutes)"

  rules = [
    {
      repositories = [aws_ecr_repository.this.name]
      clusters     = [aws_ecs_cluster.this["staging"].name]
      run_before   = [{ family = aws_ecs_task_definition.migrate["staging"].family, container = "migrate" }]
    },
    {
      repositories = [aws_ecr_repository.this.name]
      clusters     = [aws_ecs_cluster.this["production"].name]
      after        = { clusters = [aws_ecs_cluster.this["staging"].name], live_minutes = var.soak_minutes }
      approval     = { expires_hours = 72 }
      run_before   = [{ family = aws_ecs_task_definition.migrate["production"].family, container = "migrate" }]
    },
  ]
}

resource "aws_ecr_repository" "this" {
  name         = var.name
  force_delete = true
}
