# What happens in the region of the registry goes on to the event bus of the second region, as it is: the region in it
# stays the first.

data "aws_cloudwatch_event_bus" "second" {
  provider = aws.second

  name = "default"
}

# To services in the second region.
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

# What becomes of them on the services here, for which those in the second region wait.
resource "aws_cloudwatch_event_rule" "deployments" {
  name        = "${var.name}-deployments"
  description = "Deployments in ${var.region}, for services in ${var.second_region}."
  event_pattern = jsonencode({
    source = ["ecr-deploy"]
    detail = { cluster = [aws_ecs_cluster.this.name] }
  })
}

resource "aws_cloudwatch_event_target" "second" {
  for_each = {
    pushes      = aws_cloudwatch_event_rule.pushes.name
    deployments = aws_cloudwatch_event_rule.deployments.name
  }

  rule     = each.value
  arn      = data.aws_cloudwatch_event_bus.second.arn
  role_arn = aws_iam_role.events.arn

  depends_on = [aws_iam_role_policy.events]
}

# With this role EventBridge sends them.

resource "aws_iam_role" "events" {
  name = "${var.name}-events"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "events" {
  name = "put-events"
  role = aws_iam_role.events.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["events:PutEvents"]
      Resource = [data.aws_cloudwatch_event_bus.second.arn]
    }]
  })
}
