# What EventBridge and the function may do: no more than IAM can tell apart. Which actions take which resources and condition
# keys is in https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html

locals {
  ecs_arn    = "arn:${local.partition}:ecs:${local.region}:${local.account_id}"
  events_arn = "arn:${local.partition}:events:${local.region}:${local.account_id}"
  codedeploy = "arn:${local.partition}:codedeploy:${local.region}:${local.account_id}"

  # IAM has our wildcards * and ?, but no [...].
  iam_clusters = [for glob in var.clusters : replace(glob, "/\\[[^]]+\\]/", "?")]
  # A revision may be used in a cluster where nothing is to be deployed.
  read_clusters     = var.keep_revisions == null ? local.iam_clusters : ["*"]
  read_cluster_arns = [for cluster in local.read_clusters : "${local.ecs_arn}:cluster/${cluster}"]

  # ARNs of services from before 2021 do not name their cluster, so that a condition has to. The resource beside it names
  # account and region, which leaves IAM's 10,240 characters for more clusters.
  short_service_arns = ["${local.ecs_arn}:service/*"]
  in_clusters        = { ArnLike = { "ecs:cluster" = [for cluster in local.iam_clusters : "arn:${local.partition}:ecs:*:*:cluster/${cluster}"] } }
  in_read_clusters   = { ArnLike = { "ecs:cluster" = [for cluster in local.read_clusters : "arn:${local.partition}:ecs:*:*:cluster/${cluster}"] } }

  function_arn = "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${var.name}"
  table_arn    = "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table/${var.name}"
  by_dynamodb  = { StringEquals = { "kms:ViaService" = "dynamodb.${local.region}.${local.dns_suffix}" } }

  # Every region of the registries: images are pushed where they are pushed.
  registries_of = [for rule in local.rules : rule.registries == null ? [local.account_id] : rule.registries]
  repositories_of = [for index, rule in local.rules : flatten([for registry in local.registries_of[index] : [
    for glob in rule.repositories : "arn:${local.partition}:ecr:*:${registry}:repository/${replace(glob, "/\\[[^]]+\\]/", "?")}"
  ]])]
  repositories = distinct(flatten(local.repositories_of))
  promoted     = distinct(flatten([for index, rule in local.rules : local.repositories_of[index] if rule.promote_tag != null]))
  scanned      = distinct(flatten([for index, rule in local.rules : local.repositories_of[index] if rule.max_scan_severity != null]))
  calendars = [for name in distinct(concat(var.change_calendars, flatten(local.rules[*].change_calendars))) :
    startswith(name, "arn:") ? name : "arn:${local.partition}:ssm:${local.region}:${local.account_id}:document/${name}"
  ]
  image_parameters = [for prefix in var.image_parameter_prefix[*] : [
    for cluster in local.iam_clusters : "arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter${prefix}/${cluster}/*"
  ]]
  task_definitions   = ["${local.ecs_arn}:task-definition/*:*"]
  daemon_definitions = ["${local.ecs_arn}:daemon-task-definition/*:*"]
  # The roles of tasks, and those that start them.
  roles       = var.pass_role_arns == null ? ["arn:${local.partition}:iam::${local.account_id}:role/*"] : var.pass_role_arns
  event_rules = ["${local.events_arn}:rule/*"]
  schedules   = ["arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule/*/*"]
  # Schedules may be encrypted with keys of their own.
  schedule_keys         = ["arn:${local.partition}:kms:${local.region}:${local.account_id}:key/*"]
  by_scheduler          = { StringEquals = { "kms:ViaService" = "scheduler.${local.region}.${local.dns_suffix}" } }
  reads_scheduled_tasks = var.scheduled_tasks || var.keep_revisions != null
  # Of which families tasks run first, and the containers whose log is read.
  tasks_first    = flatten(local.rules[*].run_before)
  runs_tasks     = length(local.tasks_first) > 0
  lists_clusters = can(regex("[*?[]", join("", local.read_clusters)))
  lists_families = length(flatten(local.rules[*].families)) > 0

  service_reads = [
    "ecs:DescribeServices",
    "ecs:DescribeServiceRevisions",
    "ecs:ListServiceDeployments",
    "ecs:DescribeServiceDeployments",
  ]
  service_writes = concat(["ecs:UpdateService", "ecs:StopServiceDeployment", "ecs:ContinueServiceDeployment"], var.express_mode ? ["ecs:UpdateExpressGatewayService"] : [])
  network_interface_actions = [
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
  ]

  # Without it, events vanish silently.
  queue_policies = {
    for queue, rules in {
      (local.queue_name)             = concat([var.name], [for name in keys(local.other_events) : "${var.name}-${name}"])
      (local.undelivered_queue_name) = concat([var.name], [for name in keys(local.other_events) : "${var.name}-${name}"])
      } : queue => jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid       = "AllowEventsOfTheRules"
          Effect    = "Allow"
          Principal = { Service = "events.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${queue}"
          Condition = { ArnEquals = { "aws:SourceArn" = [for rule in rules : "${local.events_arn}:rule/${rule}"] } }
        }]
    })
  }
}

resource "aws_iam_role" "this" {
  count = var.enabled ? 1 : 0

  # Roles are global: with its region in the name, one per region can stand side by side. The region is that of a resource,
  # because a data source is read late where the module depends on something that changes: the role would be replaced.
  name                 = "${var.name}-${element(split(":", aws_cloudwatch_log_group.this[0].arn), 3)}"
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
          Sid    = "AllowConsumeAndRequeueMessages"
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
          Sid      = "AllowSendDeadLetters"
          Effect   = "Allow"
          Action   = ["sqs:SendMessage"]
          Resource = [aws_sqs_queue.dead_letter[0].arn]
        },
      ],
      [for key in var.kms_key_arn[*] : {
        Sid      = "AllowEncryptedMessages"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [key]
      }],
    )
  })
}

# What Lambda itself does with the role.
resource "aws_iam_role_policy" "lambda" {
  count = var.enabled ? 1 : 0

  name = "lambda"
  role = aws_iam_role.this[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "AllowWriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.this[0].arn}:*"]
      }],
      # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice
      [for statement in [
        {
          Sid      = "AllowLambdaNetworkInterfaces"
          Effect   = "Allow"
          Action   = local.network_interface_actions
          Resource = ["*"]
        },
        {
          Sid       = "DenyFunctionNetworkInterfaces"
          Effect    = "Deny"
          Action    = local.network_interface_actions
          Resource  = ["*"]
          Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
        },
      ] : statement if length(var.subnet_ids) > 0],
    )
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
        Sid    = "AllowReadsThatTakeNoResource"
        Effect = "Allow"
        Action = concat(
          ["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"],
          local.lists_clusters ? ["ecs:ListClusters"] : [],
          local.lists_families ? ["ecs:ListTaskDefinitionFamilies"] : [],
          local.reads_scheduled_tasks ? ["events:ListRuleNamesByTarget", "scheduler:ListSchedules"] : [],
          var.codedeploy ? ["codedeploy:ListApplications"] : [],
        )
        Resource = ["*"]
      },
      {
        Sid       = "AllowListServices"
        Effect    = "Allow"
        Action    = ["ecs:ListServices"]
        Resource  = ["*"]
        Condition = { ArnLike = { "ecs:cluster" = local.read_cluster_arns } }
      },
      {
        Sid      = "AllowDescribeClusters"
        Effect   = "Allow"
        Action   = ["ecs:DescribeClusters"]
        Resource = local.read_cluster_arns
      },
      {
        Sid      = "AllowDescribeServices"
        Effect   = "Allow"
        Action   = local.service_reads
        Resource = [for cluster in local.read_clusters : "${local.ecs_arn}:service/${cluster}/*"]
      },
      {
        Sid       = "AllowDescribeServicesWithShortArns"
        Effect    = "Allow"
        Action    = local.service_reads
        Resource  = local.short_service_arns
        Condition = local.in_read_clusters
      },
      # Revisions and deployments are described with permissions for them and for their service.
      {
        Sid      = "AllowDescribeServiceRevisions"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServiceRevisions"]
        Resource = [for cluster in local.read_clusters : "${local.ecs_arn}:service-revision/${cluster}/*"]
      },
      {
        Sid      = "AllowDescribeServiceDeployments"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServiceDeployments"]
        Resource = [for cluster in local.read_clusters : "${local.ecs_arn}:service-deployment/${cluster}/*"]
      },
      {
        Sid      = "AllowDescribeImages"
        Effect   = "Allow"
        Action   = ["ecr:DescribeImages"]
        Resource = local.repositories
      },
      {
        Sid      = "AllowReadTable"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:Query"]
        Resource = [local.table_arn]
      },
      ],
      # Why rollouts failed. Short ARNs of tasks do not name their cluster, either.
      [for statement in [
        {
          Sid       = "AllowListTasks"
          Effect    = "Allow"
          Action    = ["ecs:ListTasks"]
          Resource  = ["*"]
          Condition = local.in_read_clusters
        },
        {
          Sid       = "AllowDescribeTasks"
          Effect    = "Allow"
          Action    = ["ecs:DescribeTasks"]
          Resource  = ["${local.ecs_arn}:task/*"]
          Condition = local.in_read_clusters
        },
      ] : statement if !var.dry_run],
      # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
      [for key in var.kms_key_arn[*] : {
        Sid       = "AllowDecryptTable"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:DescribeKey"]
        Resource  = [key]
        Condition = local.by_dynamodb
      }],
      length(local.calendars) > 0 ? [{
        Sid      = "AllowGetCalendarState"
        Effect   = "Allow"
        Action   = ["ssm:GetCalendarState"]
        Resource = local.calendars
      }] : [],
      [for statement in [
        {
          Sid      = "AllowReadScans"
          Effect   = "Allow"
          Action   = ["ecr:DescribeImageScanFindings", "ecr:BatchGetImage"]
          Resource = local.scanned
        },
        # For those of enhanced scans, ECR asks Amazon Inspector in the caller's name.
        # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-iam.html
        {
          Sid      = "AllowReadFindingsOfInspector"
          Effect   = "Allow"
          Action   = ["inspector2:ListCoverage", "inspector2:ListFindings"]
          Resource = ["*"]
        },
      ] : statement if length(local.scanned) > 0],
      [for statement in [
        {
          Sid      = "AllowReadRules"
          Effect   = "Allow"
          Action   = ["events:ListTargetsByRule"]
          Resource = local.event_rules
        },
        {
          Sid      = "AllowReadSchedules"
          Effect   = "Allow"
          Action   = ["scheduler:GetSchedule"]
          Resource = local.schedules
        },
        {
          Sid       = "AllowDecryptSchedules"
          Effect    = "Allow"
          Action    = ["kms:Decrypt"]
          Resource  = local.schedule_keys
          Condition = local.by_scheduler
        },
      ] : statement if local.reads_scheduled_tasks],
      [for statement in [
        {
          Sid      = "AllowReadCodeDeployApplications"
          Effect   = "Allow"
          Action   = ["codedeploy:BatchGetApplications", "codedeploy:ListDeploymentGroups"]
          Resource = ["${local.codedeploy}:application:*"]
        },
        {
          Sid      = "AllowReadCodeDeployDeployments"
          Effect   = "Allow"
          Action   = ["codedeploy:GetDeploymentGroup", "codedeploy:ListDeployments", "codedeploy:BatchGetDeployments"]
          Resource = ["${local.codedeploy}:deploymentgroup:*/*"]
        },
      ] : statement if var.codedeploy],
    )
  })
}

# A dry run needs no permission to write, so it has none.
resource "aws_iam_role_policy" "deploy" {
  count = var.enabled && !var.dry_run ? 1 : 0

  name = "deploy"
  role = aws_iam_role.this[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "AllowRegisterTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:RegisterTaskDefinition"]
        Resource = local.task_definitions
      },
      {
        Sid       = "AllowTagNewTaskDefinitions"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = local.task_definitions
        Condition = { StringEquals = { "ecs:CreateAction" = "RegisterTaskDefinition" } }
      },
      {
        Sid      = "AllowUpdateServices"
        Effect   = "Allow"
        Action   = local.service_writes
        Resource = [for cluster in local.iam_clusters : "${local.ecs_arn}:service/${cluster}/*"]
      },
      {
        Sid       = "AllowUpdateServicesWithShortArns"
        Effect    = "Allow"
        Action    = local.service_writes
        Resource  = local.short_service_arns
        Condition = local.in_clusters
      },
      {
        Sid       = "AllowStopServiceDeployments"
        Effect    = "Allow"
        Action    = ["ecs:StopServiceDeployment", "ecs:ContinueServiceDeployment"]
        Resource  = ["${local.ecs_arn}:service-deployment/*/*"]
        Condition = local.in_clusters
      },
      ],
      [for statement in [
        {
          Sid       = "AllowRunTasks"
          Effect    = "Allow"
          Action    = ["ecs:RunTask"]
          Resource  = [for family in distinct(local.tasks_first[*].family) : "${local.ecs_arn}:task-definition/${family}:*"]
          Condition = local.in_clusters
        },
        {
          Sid       = "AllowStopTasks"
          Effect    = "Allow"
          Action    = ["ecs:StopTask"]
          Resource  = ["${local.ecs_arn}:task/*"]
          Condition = local.in_clusters
        },
        {
          Sid      = "AllowReadLogsOfTasks"
          Effect   = "Allow"
          Action   = ["logs:GetLogEvents"]
          Resource = [for container in distinct(local.tasks_first[*].container) : "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:*:log-stream:*/${container}/*"]
        },
      ] : statement if local.runs_tasks],
      [{
        Sid      = "AllowPutEvents"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = ["${local.events_arn}:event-bus/default"]
        Condition = {
          "ForAllValues:StringEquals" = { "events:source" = ["ecr-deploy"] }
          # Without any source, "all values" is true.
          Null = { "events:source" = "false" }
        }
        },
        {
          Sid       = "AllowPassRolesToTasks"
          Effect    = "Allow"
          Action    = ["iam:PassRole"]
          Resource  = local.roles
          Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
        },
        {
          Sid      = "AllowWriteTable"
          Effect   = "Allow"
          Action   = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
          Resource = [local.table_arn]
        },
      ],
      [for statement in [{
        Sid      = "AllowNotify"
        Effect   = "Allow"
        Action   = ["sns:Publish"]
        Resource = distinct(local.notified_topics)
      }] : statement if length(local.notified_topics) > 0],
      [for key in var.kms_key_arn[*] : {
        Sid       = "AllowEncryptTable"
        Effect    = "Allow"
        Action    = ["kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
        Resource  = [key]
        Condition = local.by_dynamodb
      }],
      [for statement in [
        {
          Sid      = "AllowPutTargets"
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
          Sid      = "AllowUpdateSchedules"
          Effect   = "Allow"
          Action   = ["scheduler:UpdateSchedule"]
          Resource = local.schedules
        },
        {
          Sid       = "AllowEncryptSchedules"
          Effect    = "Allow"
          Action    = ["kms:DescribeKey", "kms:GenerateDataKey"]
          Resource  = local.schedule_keys
          Condition = local.by_scheduler
        },
        {
          Sid       = "AllowPassRolesToSchedules"
          Effect    = "Allow"
          Action    = ["iam:PassRole"]
          Resource  = local.roles
          Condition = { StringEquals = { "iam:PassedToService" = ["events.amazonaws.com", "scheduler.amazonaws.com"] } }
        },
      ] : statement if var.scheduled_tasks],
      # CodeDeploy asks for permissions on a configuration and an AppSpec, too, when it begins a deployment.
      [for statement in [
        {
          Sid      = "AllowCreateCodeDeployDeployments"
          Effect   = "Allow"
          Action   = ["codedeploy:CreateDeployment"]
          Resource = ["${local.codedeploy}:deploymentgroup:*/*"]
        },
        {
          Sid      = "AllowUseCodeDeployConfigs"
          Effect   = "Allow"
          Action   = ["codedeploy:GetDeploymentConfig"]
          Resource = ["${local.codedeploy}:deploymentconfig:*"]
        },
        {
          Sid      = "AllowRegisterCodeDeployRevisions"
          Effect   = "Allow"
          Action   = ["codedeploy:RegisterApplicationRevision"]
          Resource = ["${local.codedeploy}:application:*"]
        },
      ] : statement if var.codedeploy],
      length(local.promoted) > 0 ? [{
        Sid      = "AllowPromoteImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:PutImage"]
        Resource = local.promoted
      }] : [],
      [for parameters in local.image_parameters : {
        Sid      = "AllowImageParameters"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters", "ssm:PutParameter"]
        Resource = parameters
      }],
      # It takes no resource.
      var.keep_revisions != null ? [{
        Sid      = "AllowDeregisterTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:DeregisterTaskDefinition"]
        Resource = ["*"]
      }] : [],
    )
  })
}

# A policy of its own, which does not count for the limit of those above.
resource "aws_iam_policy" "daemons" {
  count = var.enabled && var.daemons ? 1 : 0

  name        = "${aws_iam_role.this[0].name}-daemons"
  description = "What the function ${var.name} may do with ECS daemons."
  path        = var.role_path
  tags        = var.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "AllowListDaemonTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:ListDaemonTaskDefinitions"]
        Resource = ["*"]
      },
      {
        Sid       = "AllowListDaemons"
        Effect    = "Allow"
        Action    = ["ecs:ListDaemons"]
        Resource  = ["*"]
        Condition = { ArnLike = { "ecs:cluster" = local.read_cluster_arns } }
      },
      {
        Sid    = "AllowDescribeDaemons"
        Effect = "Allow"
        Action = [
          "ecs:DescribeDaemon",
          "ecs:DescribeDaemonDeployments",
          "ecs:DescribeDaemonRevisions",
          "ecs:ListDaemonDeployments",
        ]
        Resource = [for cluster in local.read_clusters : "${local.ecs_arn}:daemon/${cluster}/*"]
      },
      # Deployments and revisions are described with permissions for them and for their daemon.
      {
        Sid      = "AllowDescribeDaemonDeployments"
        Effect   = "Allow"
        Action   = ["ecs:DescribeDaemonDeployments"]
        Resource = [for cluster in local.read_clusters : "${local.ecs_arn}:daemon-deployment/${cluster}/*"]
      },
      {
        Sid      = "AllowDescribeDaemonRevisions"
        Effect   = "Allow"
        Action   = ["ecs:DescribeDaemonRevisions"]
        Resource = [for cluster in local.read_clusters : "${local.ecs_arn}:daemon-revision/${cluster}/*"]
      },
      {
        Sid      = "AllowDescribeDaemonTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:DescribeDaemonTaskDefinition"]
        Resource = local.daemon_definitions
      },
      # Nothing else says their tags.
      {
        Sid      = "AllowReadTagsOfDaemons"
        Effect   = "Allow"
        Action   = ["ecs:ListTagsForResource"]
        Resource = concat(local.daemon_definitions, [for cluster in local.read_clusters : "${local.ecs_arn}:daemon/${cluster}/*"])
      },
      ],
      [for statement in [
        {
          Sid      = "AllowRegisterDaemonTaskDefinitions"
          Effect   = "Allow"
          Action   = ["ecs:RegisterDaemonTaskDefinition"]
          Resource = local.daemon_definitions
        },
        {
          Sid       = "AllowTagNewDaemonTaskDefinitions"
          Effect    = "Allow"
          Action    = ["ecs:TagResource"]
          Resource  = local.daemon_definitions
          Condition = { StringEquals = { "ecs:CreateAction" = "RegisterDaemonTaskDefinition" } }
        },
        {
          Sid      = "AllowUpdateDaemons"
          Effect   = "Allow"
          Action   = ["ecs:UpdateDaemon"]
          Resource = [for cluster in local.iam_clusters : "${local.ecs_arn}:daemon/${cluster}/*"]
        },
      ] : statement if !var.dry_run],
    )
  })
}

resource "aws_iam_role_policy_attachment" "daemons" {
  count = var.enabled && var.daemons ? 1 : 0

  role       = aws_iam_role.this[0].name
  policy_arn = aws_iam_policy.daemons[0].arn
}
