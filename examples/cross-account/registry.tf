# The account of the registry: it allows the other account to read the repository, and sends it the pushes.

resource "aws_ecr_repository" "this" {
  provider = aws.registry

  name         = var.name
  force_delete = true
}

resource "aws_ecr_repository_policy" "this" {
  provider = aws.registry

  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AllowPull"
        Effect    = "Allow"
        Principal = { AWS = aws_iam_role.execution.arn }
        Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      },
      {
        Sid       = "AllowDescribeImages"
        Effect    = "Allow"
        Principal = { AWS = module.ecr_deploy.role_arn }
        Action    = ["ecr:DescribeImages"]
      },
    ]
  })
}

resource "aws_cloudwatch_event_rule" "pushes" {
  provider = aws.registry

  name = "${var.name}-pushes"
  event_pattern = jsonencode({
    source      = ["aws.ecr"]
    detail-type = ["ECR Image Action"]
    detail = {
      action-type     = ["PUSH"]
      result          = ["SUCCESS"]
      repository-name = [aws_ecr_repository.this.name]
    }
  })
}

resource "aws_cloudwatch_event_target" "clusters" {
  provider = aws.registry

  rule     = aws_cloudwatch_event_rule.pushes.name
  arn      = data.aws_cloudwatch_event_bus.clusters.arn
  role_arn = aws_iam_role.pushes.arn

  # What is sent before the other account accepts it is lost.
  depends_on = [aws_cloudwatch_event_permission.registry, aws_iam_role_policy.pushes]
}

# With this role EventBridge sends the pushes.

resource "aws_iam_role" "pushes" {
  provider = aws.registry

  name = "${var.name}-pushes"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "pushes" {
  provider = aws.registry

  name = "put-events"
  role = aws_iam_role.pushes.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["events:PutEvents"]
      Resource = [data.aws_cloudwatch_event_bus.clusters.arn]
    }]
  })
}
