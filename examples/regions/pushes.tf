# The pushes of the registry go on to the event bus of the second region, as they are: their region stays the registry's.

data "aws_cloudwatch_event_bus" "second" {
  provider = aws.second

  name = "default"
}

resource "aws_cloudwatch_event_rule" "pushes" {
  name        = "${var.name}-pushes"
  description = "Pushes to ${aws_ecr_repository.this.name}, for services in ${var.second_region}."
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

resource "aws_cloudwatch_event_target" "second" {
  rule     = aws_cloudwatch_event_rule.pushes.name
  arn      = data.aws_cloudwatch_event_bus.second.arn
  role_arn = aws_iam_role.pushes.arn

  depends_on = [aws_iam_role_policy.pushes]
}

# With this role EventBridge sends the pushes.

resource "aws_iam_role" "pushes" {
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
  name = "put-events"
  role = aws_iam_role.pushes.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["events:PutEvents"]
      Resource = [data.aws_cloudwatch_event_bus.second.arn]
    }]
  })
}
