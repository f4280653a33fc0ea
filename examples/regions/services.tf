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

  lifecycle {
    ignore_changes = [task_definition]
  }
}

resource "aws_ecs_task_definition" "this" {
  family                = var.name
  container_definitions = local.containers
}

resource "aws_ecs_task_definition" "second" {
  provider = aws.second

  family                = var.name
  container_definitions = local.containers
}

locals {
  containers = jsonencode([{ name = "app", image = "${aws_ecr_repository.this.repository_url}:none-yet", memory = 128 }])
}
