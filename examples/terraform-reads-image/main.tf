terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

# Terraform owns the service wholly. ecr-deploy writes which image runs.
module "ecr_deploy" {
  source = "../.."

  name                   = "${var.name}-deploy"
  clusters               = [aws_ecs_cluster.this.name]
  image_parameter_prefix = local.prefix
}

locals {
  prefix = "/${var.name}/images"
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecr_repository" "this" {
  name         = var.name
  force_delete = true
}

# Terraform writes the first image, ecr-deploy those after it. Each plan reads the one that is there.
resource "aws_ssm_parameter" "image" {
  name           = "${local.prefix}/${aws_ecs_cluster.this.name}/${var.name}/app"
  description    = "Image that the container app of the service ${var.name} runs."
  type           = "String"
  insecure_value = "${aws_ecr_repository.this.repository_url}:v1"

  lifecycle {
    ignore_changes = [insecure_value]
  }
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
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512

  # The family's newest revision is Terraform's own state of it, whoever registered that.
  track_latest = true
  # A revision that is replaced stays: a rollback needs it.
  skip_destroy = true

  container_definitions = jsonencode([{
    name        = "app"
    image       = aws_ssm_parameter.image.insecure_value
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
