# The account of the clusters: it takes the pushes of the registry, and deploys them.

data "aws_cloudwatch_event_bus" "clusters" {
  name = "default"
}

resource "aws_cloudwatch_event_permission" "registry" {
  principal    = data.aws_caller_identity.registry.account_id
  statement_id = "${var.name}-pushes"
}

module "ecr_deploy" {
  source = "../.."

  name     = "${var.name}-deploy"
  clusters = [aws_ecs_cluster.this.name]

  # Without registries, only this account's own registry counts.
  rules = [{
    registries   = [data.aws_caller_identity.registry.account_id]
    repositories = [var.name]
  }]
}

resource "aws_ecs_cluster" "this" {
  name = var.name
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

  # Terraform makes the first revision, ecr-deploy every one after.
  lifecycle {
    ignore_changes = [task_definition]
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  container_definitions    = jsonencode([{ name = "app", image = "${aws_ecr_repository.this.repository_url}:v1" }])
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
}

# With this role Fargate pulls the images. Across accounts both sides have to allow it: this role and the repository.

resource "aws_iam_role" "execution" {
  name = "${var.name}-execution"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "execution" {
  name = "pull"
  role = aws_iam_role.execution.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"]
      },
      {
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = [aws_ecr_repository.this.arn]
      },
    ]
  })
}

# Where tasks would run; they also need a way to ECR.

resource "aws_vpc" "this" {
  cidr_block = "10.0.0.0/24"
}

resource "aws_subnet" "this" {
  vpc_id     = aws_vpc.this.id
  cidr_block = aws_vpc.this.cidr_block
}
