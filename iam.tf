# What EventBridge and the function may do: no more than IAM can tell apart. Which actions take a resource is in
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html

locals {
  ecs_arn = "arn:${local.partition}:ecs:${local.region}:${local.account_id}"
  # IAM has our wildcards * and ?, but no [...].
  iam_clusters = [for glob in var.clusters : replace(glob, "/\\[[^]]+\\]/", "?")]
  clusters     = [for cluster in local.iam_clusters : "${local.ecs_arn}:cluster/${cluster}"]
  services     = [for cluster in local.iam_clusters : "${local.ecs_arn}:service/${cluster}/*"]
  deployments  = [for cluster in local.iam_clusters : "${local.ecs_arn}:service-deployment/${cluster}/*"]
  revisions    = [for cluster in local.iam_clusters : "${local.ecs_arn}:service-revision/${cluster}/*"]
  # Every region of the registries: images are pushed where they are pushed.
  repositories = distinct(flatten([for rule in var.rules : [for registry in coalesce(rule.registries, [local.account_id]) : [
    for glob in rule.repositories : "arn:${local.partition}:ecr:*:${registry}:repository/${replace(glob, "/\\[[^]]+\\]/", "?")}"
  ]]]))
  calendars = [for name in distinct(concat(var.change_calendars, flatten(var.rules[*].change_calendars))) :
    startswith(name, "arn:") ? name : "arn:${local.partition}:ssm:${local.region}:${local.account_id}:document/${name}"
  ]
  task_definitions = ["${local.ecs_arn}:task-definition/*:*"]

  # Without it, events vanish silently.
  policy_to_take_events = {
    for queue, rules in {
      (local.queue_name)             = local.rules_of_the_queue[*].arn
      (local.undelivered_queue_name) = concat(local.rules_of_the_queue[*].arn, values(aws_cloudwatch_event_rule.notifications)[*].arn)
      } : queue => jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid       = "TakeEventsOfTheRules"
          Effect    = "Allow"
          Principal = { Service = "events.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${queue}"
          Condition = { ArnEquals = { "aws:SourceArn" = rules } }
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
    Statement = concat([
      {
        Sid    = "WhatIamCannotNarrow"
        Effect = "Allow"
        Action = concat(
          ["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"],
          can(regex("[*?[]", join("", var.clusters))) ? ["ecs:ListClusters"] : [],
          length(flatten(var.rules[*].families)) > 0 ? ["ecs:ListTaskDefinitionFamilies"] : [],
        )
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
        Sid    = "DescribeServicesOfTheClusters"
        Effect = "Allow"
        Action = [
          "ecs:DescribeServices",
          "ecs:DescribeServiceRevisions",
          "ecs:ListServiceDeployments",
          "ecs:DescribeServiceDeployments",
        ]
        # Revisions and rollouts are described with leave for both them and their service.
        Resource = concat(local.services, local.revisions, local.deployments)
      },
      {
        Sid      = "LookImagesUp"
        Effect   = "Allow"
        Action   = ["ecr:DescribeImages"]
        Resource = local.repositories
      },
      ],
      length(local.calendars) > 0 ? [{
        Sid      = "AskTheChangeCalendars"
        Effect   = "Allow"
        Action   = ["ssm:GetCalendarState"]
        Resource = local.calendars
      }] : [],
    )
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
        Sid      = "UpdateServicesOfTheClustersAndTakeRolloutsBack"
        Effect   = "Allow"
        Action   = ["ecs:UpdateService", "ecs:StopServiceDeployment"]
        Resource = concat(local.services, local.deployments)
      },
      {
        Sid       = "TellWhatBecomesOfPushes"
        Effect    = "Allow"
        Action    = ["events:PutEvents"]
        Resource  = ["arn:${local.partition}:events:${local.region}:${local.account_id}:event-bus/default"]
        Condition = { StringEquals = { "events:source" = "ecr-deploy" } }
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
