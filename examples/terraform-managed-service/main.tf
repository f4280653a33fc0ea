terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

# Terraform owns the settings of the service, ecr-deploy owns its image.
module "ecr_deploy" {
  source = "../.."

  name     = "${var.name}-deploy"
  clusters = [aws_ecs_cluster.this.name]
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecr_repository" "this" {
  name         = var.name
  force_delete = true
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.this.arn
  launch_type     = "FARGATE"
  desired_count   = 0

  network_configuration {
    subnets = [aws_subnet.this.id]
  }

  # Without this, each apply would take the service back to the revision that Terraform made.
  lifecycle {
    ignore_changes = [task_definition]
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512

  container_definitions = jsonencode([{
    name = "app"
    # Of the first revision. Every revision that Terraform makes later takes its image from what the service runs.
    image       = "${aws_ecr_repository.this.repository_url}:v1"
    essential   = true
    environment = [{ name = "LOG_LEVEL", value = var.log_level }]
  }])
}

# Where tasks would run; they also need a way to ECR, and an execution role to pull images.

resource "aws_vpc" "this" {
  cidr_block = "10.0.0.0/24"
}

resource "aws_subnet" "this" {
  vpc_id     = aws_vpc.this.id
  cidr_block = aws_vpc.this.cidr_block
}
