# The same service in a cluster of each environment. It starts no tasks, so that it costs nothing.

locals {
  environments = toset(["staging", "production"])
}

resource "aws_ecs_cluster" "this" {
  for_each = local.environments

  name = "${var.name}-${each.key}"
}

resource "aws_ecs_service" "this" {
  for_each = local.environments

  name            = var.name
  cluster         = aws_ecs_cluster.this[each.key].arn
  task_definition = aws_ecs_task_definition.this[each.key].arn
  launch_type     = "FARGATE"
  desired_count   = 0

  network_configuration {
    subnets          = [aws_subnet.this.id]
    security_groups  = [aws_vpc.this.default_security_group_id]
    assign_public_ip = true
  }

  # Terraform makes the first revision, ecr-deploy every one after.
  lifecycle {
    ignore_changes = [task_definition]
  }
}

resource "aws_ecs_task_definition" "this" {
  for_each = local.environments

  family                   = "${var.name}-${each.key}"
  container_definitions    = jsonencode([{ name = var.name, image = "${aws_ecr_repository.this.repository_url}:none-yet" }])
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
}

# The migration, which has to end well with an image before a service gets it.
resource "aws_ecs_task_definition" "migrate" {
  for_each = local.environments

  family                   = "${var.name}-${each.key}-migrate"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn

  container_definitions = jsonencode([{
    name        = "migrate"
    image       = "${aws_ecr_repository.this.repository_url}:none-yet"
    command     = ["rake", "db:migrate"]
    memory      = 512
    environment = [{ name = "DATABASE_HOST", value = "db.${each.key}.internal" }]
  }])
}

# With this role Fargate pulls the images.

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

# The smallest network from which tasks reach ECR.

resource "aws_vpc" "this" {
  cidr_block = "10.0.0.0/24"
}

resource "aws_subnet" "this" {
  vpc_id     = aws_vpc.this.id
  cidr_block = aws_vpc.this.cidr_block
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_route" "internet" {
  route_table_id         = aws_vpc.this.main_route_table_id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}
