# What EventBridge and the function may do: no more than IAM can tell apart. Which actions take a resource is in
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html

locals {
  ecs_arn = "arn:${local.partition}:ecs:${local.region}:${local.account_id}"
  # IAM has our wildcards * and ?, but no [...].
  iam_clusters = [for glob in var.clusters : replace(glob, "/\\[[^]]+\\]/", "?")]
  services     = [for cluster in local.iam_clusters : "${local.ecs_arn}:service/${cluster}/*"]
  deployments  = [for cluster in local.iam_clusters : "${local.ecs_arn}:service-deployment/${cluster}/*"]
  # A revision may be used in a cluster where nothing is to be deployed.
  seen_clusters = var.keep_revisions == null ? local.iam_clusters : ["*"]
  clusters      = [for cluster in local.seen_clusters : "${local.ecs_arn}:cluster/${cluster}"]
  seen = flatten([for kind in ["service", "service-revision", "service-deployment"] : [
    for cluster in local.seen_clusters : "${local.ecs_arn}:${kind}/${cluster}/*"
  ]])
  # Every region of the registries: images are pushed where they are pushed.
  repositories_of = [for rule in var.rules : flatten([for registry in coalesce(rule.registries, [local.account_id]) : [
    for glob in rule.repositories : "arn:${local.partition}:ecr:*:${registry}:repository/${replace(glob, "/\\[[^]]+\\]/", "?")}"
  ]])]
  repositories = distinct(flatten(local.repositories_of))
  promoted     = distinct(flatten([for index, rule in var.rules : local.repositories_of[index] if rule.promote_tag != null]))
  calendars = [for name in distinct(concat(var.change_calendars, flatten(var.rules[*].change_calendars))) :
    startswith(name, "arn:") ? name : "arn:${local.partition}:ssm:${local.region}:${local.account_id}:document/${name}"
  ]
  image_parameters = [for prefix in var.image_parameter_prefix[*] : [
    for cluster in local.iam_clusters : "arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter${prefix}/${cluster}/*"
  ]]
  task_definitions = ["${local.ecs_arn}:task-definition/*:*"]
  # The roles of tasks, and those that start them.
  roles       = coalesce(var.pass_role_arns, ["arn:${local.partition}:iam::${local.account_id}:role/*"])
  event_rules = ["arn:${local.partition}:events:${local.region}:${local.account_id}:rule/*"]
  schedules   = ["arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule/*/*"]
  codedeploy  = "arn:${local.partition}:codedeploy:${local.region}:${local.account_id}"

  joining = [
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
  ]

  # ARNs of the rules that send to the queue.
  queue_rules = concat(aws_cloudwatch_event_rule.this[*].arn, values(aws_cloudwatch_event_rule.other)[*].arn)

  # Without it, events vanish silently.
  policy_to_take_events = {
    for queue, rules in {
      (local.queue_name)             = local.queue_rules
      (local.undelivered_queue_name) = concat(local.queue_rules, values(aws_cloudwatch_event_rule.notifications)[*].arn)
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

# Lambda makes the interfaces with this role. The function itself may not: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice
resource "aws_iam_role_policy" "network" {
  count = var.enabled && length(var.subnet_ids) > 0 ? 1 : 0

  name = "network"
  role = aws_iam_role.this[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "LetLambdaJoinTheSubnets"
        Effect   = "Allow"
        Action   = local.joining
        Resource = ["*"]
      },
      {
        Sid       = "ButNotTheFunction"
        Effect    = "Deny"
        Action    = local.joining
        Resource  = ["*"]
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${var.name}" } }
      },
    ]
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
          can(regex("[*?[]", join("", local.seen_clusters))) ? ["ecs:ListClusters"] : [],
          length(flatten(var.rules[*].families)) > 0 ? ["ecs:ListTaskDefinitionFamilies"] : [],
          var.scheduled_tasks || var.keep_revisions != null ? ["events:ListRuleNamesByTarget", "scheduler:ListSchedules"] : [],
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
        Resource = local.seen
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
      var.scheduled_tasks || var.keep_revisions != null ? [{
        Sid      = "ReadWhatIsScheduled"
        Effect   = "Allow"
        Action   = ["events:ListTargetsByRule", "scheduler:GetSchedule"]
        Resource = concat(local.event_rules, local.schedules)
      }] : [],
      [for statement in [
        {
          Sid      = "ListApplicationsOfCodeDeploy"
          Effect   = "Allow"
          Action   = ["codedeploy:ListApplications", "codedeploy:BatchGetApplications", "codedeploy:ListDeploymentGroups"]
          Resource = ["${local.codedeploy}:application:*", "${local.codedeploy}:deploymentgroup:*/*"]
        },
        {
          Sid      = "ReadDeploymentsOfCodeDeploy"
          Effect   = "Allow"
          Action   = ["codedeploy:GetDeploymentGroup", "codedeploy:ListDeployments", "codedeploy:BatchGetDeployments"]
          Resource = ["${local.codedeploy}:deploymentgroup:*/*"]
        },
      ] : statement if var.codedeploy],
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
    Statement = concat([
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
        Resource  = local.roles
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      ],
      [for statement in [
        {
          Sid      = "MoveRulesThatStartTasks"
          Effect   = "Allow"
          Action   = ["events:PutTargets"]
          Resource = local.event_rules
          Condition = {
            "ForAllValues:ArnLike" = { "events:TargetArn" = [for cluster in local.iam_clusters : "${local.ecs_arn}:cluster/${cluster}"] }
            # Without any target, "all values" is true.
            Null = { "events:TargetArn" = "false" }
          }
        },
        {
          Sid      = "MoveSchedulesThatStartTasks"
          Effect   = "Allow"
          Action   = ["scheduler:UpdateSchedule"]
          Resource = local.schedules
        },
        {
          Sid       = "PassTheRolesThatStartTasks"
          Effect    = "Allow"
          Action    = ["iam:PassRole"]
          Resource  = local.roles
          Condition = { StringEquals = { "iam:PassedToService" = ["events.amazonaws.com", "scheduler.amazonaws.com"] } }
        },
      ] : statement if var.scheduled_tasks],
      # CodeDeploy asks for leave to use a configuration and to register an AppSpec, too, when it begins a deployment.
      var.codedeploy ? [{
        Sid    = "DeployThroughCodeDeploy"
        Effect = "Allow"
        Action = ["codedeploy:CreateDeployment", "codedeploy:GetDeploymentConfig", "codedeploy:RegisterApplicationRevision"]
        Resource = [
          "${local.codedeploy}:deploymentgroup:*/*",
          "${local.codedeploy}:deploymentconfig:*",
          "${local.codedeploy}:application:*",
        ]
      }] : [],
      length(local.promoted) > 0 ? [{
        Sid      = "PromoteImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:PutImage"]
        Resource = local.promoted
      }] : [],
      [for parameters in local.image_parameters : {
        Sid      = "TellWhichImagesRun"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters", "ssm:PutParameter"]
        Resource = parameters
      }],
      # IAM cannot narrow it: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
      var.keep_revisions != null ? [{
        Sid      = "DeregisterOldRevisions"
        Effect   = "Allow"
        Action   = ["ecs:DeregisterTaskDefinition"]
        Resource = ["*"]
      }] : [],
    )
  })
}
