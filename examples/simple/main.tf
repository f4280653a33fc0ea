terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

# All that this example is about: every push to ECR reaches the services that run its image.
module "ecr_deploy" {
  source = "../.."

  name     = "${var.name}-deploy"
  clusters = [aws_ecs_cluster.this.name]
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecr_repository" "app" {
  name         = var.name
  force_delete = true
}

# A push to the one repository is none to the other, however alike their names.
resource "aws_ecr_repository" "worker" {
  name         = "${var.name}-worker"
  force_delete = true
}
