# The same service in each region; its tasks pull across regions. It starts none, so that it costs nothing.

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecs_cluster" "second" {
  provider = aws.second

  name = var.name
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = 0

  network_configuration {
    subnets = [aws_subnet.this.id]
  }

  # Terraform makes the first revision, ecr-deploy every one after.
  lifecycle {
    ignore_changes = [task_definition]
  }
}

resource "aws_ecs_service" "second" {
  provider = aws.second

  name            = var.name
  cluster         = aws_ecs_cluster.second.arn
  task_definition = aws_ecs_task_definition.second.arn
  desired_count   = 0

  network_configuration {
    subnets = [aws_subnet.second.id]
  }

  lifecycle {
    ignore_changes = [task_definition]
  }
}

resource "aws_ecs_task_definition" "this" {
  family                = var.name
  network_mode          = "awsvpc"
  container_definitions = local.containers
}

resource "aws_ecs_task_definition" "second" {
  provider = aws.second

  family                = var.name
  network_mode          = "awsvpc"
  container_definitions = local.containers
}

locals {
  containers = jsonencode([{ name = "app", image = "${aws_ecr_repository.this.repository_url}:none-yet", memory = 128 }])
}

# Where tasks would run; they also need a way to ECR.

resource "aws_vpc" "this" {
  cidr_block = "10.0.0.0/24"
}

resource "aws_subnet" "this" {
  vpc_id     = aws_vpc.this.id
  cidr_block = aws_vpc.this.cidr_block
}

resource "aws_vpc" "second" {
  provider = aws.second

  cidr_block = "10.0.1.0/24"
}

resource "aws_subnet" "second" {
  provider = aws.second

  vpc_id     = aws_vpc.second.id
  cidr_block = aws_vpc.second.cidr_block
}
