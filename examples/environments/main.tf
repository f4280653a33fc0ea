terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

# Staging takes every build of main.
module "staging" {
  source = "../.."

  name     = "${var.name}-staging-deploy"
  clusters = [aws_ecs_cluster.this["staging"].name]
  rules    = [{ repositories = [aws_ecr_repository.this.name], tags = ["main-*"] }]
}

# Production takes releases: a patch to an old line, pushed later, does not take over.
module "production" {
  source = "../.."

  name            = "${var.name}-production-deploy"
  clusters        = [aws_ecs_cluster.this["production"].name]
  rules           = [{ repositories = [aws_ecr_repository.this.name], semver = ">=1.0.0" }]
  image_reference = "tag+digest"
}

# One registry for both.
resource "aws_ecr_repository" "this" {
  name         = var.name
  force_delete = true
}
