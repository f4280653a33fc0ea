# What EventBridge and the function may do: no more than IAM can tell apart. Which actions take a resource is in
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html

locals {
  ecs_arn = "arn:${local.partition}:ecs:${local.region}:${local.account_id}"
  # IAM has our wildcards * and ?, but no [...].
  iam_clusters     = [for glob in var.clusters : replace(glob, "/\\[[^]]+\\]/", "?")]
  clusters         = [for cluster in local.iam_clusters : "${local.ecs_arn}:cluster/${cluster}"]
  services         = [for cluster in local.iam_clusters : "${local.ecs_arn}:service/${cluster}/*"]
  task_definitions = ["${local.ecs_arn}:task-definition/*:*"]

  # Without it, events vanish silently.
  policy_to_take_events = {
    for queue in [local.queue_name, local.undelivered_queue_name] : queue => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "TakeEventsOfTheRule"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${queue}"
        Condition = { ArnEquals = { "aws:SourceArn" = one(aws_cloudwatch_event_rule.this[*].arn) } }
      }]
    })
  }
}

resource "aws_iam_role" "this" {
  count = var.enabled ? 1 : 0

  # Roles are global: with its region in the name, one per region can stand side by side.
  name                 = "${var.name}-${local.region}"
  description          = "What the function ${var.name} may do."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "queue" {
  count = var.enabled ? 1 : 0

  name = "queue"
  role = aws_iam_role.this[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid    = "TakePushesAndSendUnfinishedOnesBack"
          Effect = "Allow"
          Action = [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ChangeMessageVisibility",
            "sqs:SendMessage",
          ]
          Resource = [aws_sqs_queue.this[0].arn]
        },
        {
          Sid      = "BuryPushesThatCanNeverSucceed"
          Effect   = "Allow"
          Action   = ["sqs:SendMessage"]
          Resource = [aws_sqs_queue.dead_letter[0].arn]
        },
      ],
      [for key in var.kms_key_arn[*] : {
        Sid      = "ReadAndWriteEncryptedMessages"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [key]
      }],
    )
  })
}

resource "aws_iam_role_policy" "log" {
  count = var.enabled ? 1 : 0

  name = "log"
  role = aws_iam_role.this[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.this[0].arn}:*"]
    }]
  })
}

resource "aws_iam_role_policy" "read" {
  count = var.enabled ? 1 : 0

  name = "read"
  role = aws_iam_role.this[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WhatIamCannotNarrow"
        Effect   = "Allow"
        Action   = ["ecs:ListClusters", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"]
        Resource = ["*"]
      },
      {
        Sid      = "ListServicesOfTheClusters"
        Effect   = "Allow"
        Action   = ["ecs:ListServices"]
        Resource = ["*"]
        Condition = {
          ArnLike = { "ecs:cluster" = local.clusters }
        }
      },
      {
        Sid      = "ReadTheTagsOfTheClusters"
        Effect   = "Allow"
        Action   = ["ecs:DescribeClusters"]
        Resource = local.clusters
      },
      {
        Sid      = "DescribeServicesOfTheClusters"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices"]
        Resource = local.services
      },
      {
        Sid      = "LookImagesUp"
        Effect   = "Allow"
        Action   = ["ecr:DescribeImages"]
        Resource = ["arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/*"]
      },
    ]
  })
}

# A dry run needs no leave to write, so it has none.
resource "aws_iam_role_policy" "deploy" {
  count = var.enabled && !var.dry_run ? 1 : 0

  name = "deploy"
  role = aws_iam_role.this[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "RegisterRevisions"
        Effect   = "Allow"
        Action   = ["ecs:RegisterTaskDefinition"]
        Resource = local.task_definitions
      },
      {
        Sid       = "GiveNewRevisionsTheTagsOfTheOld"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = local.task_definitions
        Condition = { StringEquals = { "ecs:CreateAction" = "RegisterTaskDefinition" } }
      },
      {
        Sid      = "RefreshItsOwnRecordsOnRevisions"
        Effect   = "Allow"
        Action   = ["ecs:TagResource"]
        Resource = local.task_definitions
        Condition = {
          "ForAllValues:StringLike" = { "aws:TagKeys" = ["ecr-deploy:*"] }
          # Without any key, "all values" is true.
          Null = { "aws:TagKeys" = "false" }
        }
      },
      {
        Sid      = "UpdateServicesOfTheClusters"
        Effect   = "Allow"
        Action   = ["ecs:UpdateService"]
        Resource = local.services
      },
      {
        Sid       = "PassTheRolesOfTasks"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = coalesce(var.pass_role_arns, ["arn:${local.partition}:iam::${local.account_id}:role/*"])
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
  })
}
