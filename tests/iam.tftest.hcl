# What EventBridge and the function may do, to the letter.

mock_provider "aws" {
  source = "./tests/mocks"

  override_resource {
    target = aws_sqs_queue.dead_letter[0]
    values = { arn = "arn:aws:sqs:eu-west-1:123456789012:ecr-deploy-dead-letter.fifo" }
  }
}

run "as_narrow_as_iam_allows" {
  variables {
    clusters       = ["prod", "staging-*", "test-[12]?"]
    pass_role_arns = ["arn:aws:iam::123456789012:role/web-*"]
    rules = [
      { repositories = ["app", "team/[ab]?"], registries = ["123456789012", "210987654321"], tags = ["v*"] },
      { repositories = ["app"] },
    ]
    notifications = { topic_arns = ["arn:aws:sns:eu-west-1:123456789012:people"], chat_topic_arns = ["arn:aws:sns:eu-west-1:123456789012:chat"] }
  }

  assert {
    condition = { for queue in [aws_sqs_queue.this[0], aws_sqs_queue.undelivered[0]] : queue.name => jsondecode(queue.policy).Statement } == {
      for queue, rules in {
        "ecr-deploy.fifo"        = ["ecr-deploy", "ecr-deploy-deployments", "ecr-deploy-hooks", "ecr-deploy-remote", "ecr-deploy-scans", "ecr-deploy-schedule", "ecr-deploy-tasks"]
        "ecr-deploy-undelivered" = ["ecr-deploy", "ecr-deploy-deployments", "ecr-deploy-hooks", "ecr-deploy-remote", "ecr-deploy-scans", "ecr-deploy-schedule", "ecr-deploy-tasks"]
        } : queue => [{
          Sid       = "AllowEventsOfTheRules"
          Effect    = "Allow"
          Principal = { Service = "events.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = "arn:aws:sqs:eu-west-1:123456789012:${queue}"
          Condition = { ArnEquals = { "aws:SourceArn" = [for rule in rules : "arn:aws:events:eu-west-1:123456789012:rule/${rule}"] } }
      }]
    }
    error_message = "The queues must take events of the module's own rules, and of nobody else."
  }

  assert {
    condition = jsondecode(aws_iam_role.this[0].assume_role_policy).Statement == [
      { Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }
    ]
    error_message = "Only Lambda may take the role."
  }

  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.queue[0].policy).Statement : join(" ", statement.Action) => statement.Resource } == {
      "sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:ChangeMessageVisibility sqs:SendMessage" = [aws_sqs_queue.this[0].arn]
      "sqs:SendMessage"                                                                                         = [aws_sqs_queue.dead_letter[0].arn]
    }
    error_message = "The function may use its own queues only, without a key no KMS, and of the dead-letter queue read nothing."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.lambda[0].policy).Statement == [{
      Sid      = "AllowWriteLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/ecr-deploy:*"]
    }]
    error_message = "The function may write to its own log group only."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.read[0].policy).Statement == [
      {
        Sid      = "AllowReadsThatTakeNoResource"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:ListClusters"]
        Resource = ["*"]
      },
      {
        Sid      = "AllowListServices"
        Effect   = "Allow"
        Action   = ["ecs:ListServices"]
        Resource = ["*"]
        Condition = { ArnLike = { "ecs:cluster" = [
          "arn:aws:ecs:eu-west-1:123456789012:cluster/prod",
          "arn:aws:ecs:eu-west-1:123456789012:cluster/staging-*",
          "arn:aws:ecs:eu-west-1:123456789012:cluster/test-??",
        ] } }
      },
      {
        Sid    = "AllowDescribeClusters"
        Effect = "Allow"
        Action = ["ecs:DescribeClusters"]
        Resource = [
          "arn:aws:ecs:eu-west-1:123456789012:cluster/prod",
          "arn:aws:ecs:eu-west-1:123456789012:cluster/staging-*",
          "arn:aws:ecs:eu-west-1:123456789012:cluster/test-??",
        ]
      },
      {
        Sid    = "AllowDescribeServices"
        Effect = "Allow"
        Action = [
          "ecs:DescribeServices",
          "ecs:DescribeServiceRevisions",
          "ecs:ListServiceDeployments",
          "ecs:DescribeServiceDeployments",
        ]
        Resource = [
          "arn:aws:ecs:eu-west-1:123456789012:service/prod/*",
          "arn:aws:ecs:eu-west-1:123456789012:service/staging-*/*",
          "arn:aws:ecs:eu-west-1:123456789012:service/test-??/*",
        ]
      },
      {
        Sid    = "AllowDescribeServicesWithShortArns"
        Effect = "Allow"
        Action = [
          "ecs:DescribeServices",
          "ecs:DescribeServiceRevisions",
          "ecs:ListServiceDeployments",
          "ecs:DescribeServiceDeployments",
        ]
        Resource  = ["arn:aws:ecs:eu-west-1:123456789012:service/*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:*:*:cluster/prod", "arn:aws:ecs:*:*:cluster/staging-*", "arn:aws:ecs:*:*:cluster/test-??"] } }
      },
      {
        Sid    = "AllowDescribeServiceRevisions"
        Effect = "Allow"
        Action = ["ecs:DescribeServiceRevisions"]
        Resource = [
          "arn:aws:ecs:eu-west-1:123456789012:service-revision/prod/*",
          "arn:aws:ecs:eu-west-1:123456789012:service-revision/staging-*/*",
          "arn:aws:ecs:eu-west-1:123456789012:service-revision/test-??/*",
        ]
      },
      {
        Sid    = "AllowDescribeServiceDeployments"
        Effect = "Allow"
        Action = ["ecs:DescribeServiceDeployments"]
        Resource = [
          "arn:aws:ecs:eu-west-1:123456789012:service-deployment/prod/*",
          "arn:aws:ecs:eu-west-1:123456789012:service-deployment/staging-*/*",
          "arn:aws:ecs:eu-west-1:123456789012:service-deployment/test-??/*",
        ]
      },
      {
        Sid    = "AllowDescribeImages"
        Effect = "Allow"
        Action = ["ecr:DescribeImages"]
        Resource = [
          "arn:aws:ecr:*:123456789012:repository/app",
          "arn:aws:ecr:*:123456789012:repository/team/??",
          "arn:aws:ecr:*:210987654321:repository/app",
          "arn:aws:ecr:*:210987654321:repository/team/??",
        ]
      },
      {
        Sid      = "AllowReadTable"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:Query"]
        Resource = ["arn:aws:dynamodb:eu-west-1:123456789012:table/ecr-deploy"]
      },
      {
        Sid       = "AllowListTasks"
        Effect    = "Allow"
        Action    = ["ecs:ListTasks"]
        Resource  = ["*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:*:*:cluster/prod", "arn:aws:ecs:*:*:cluster/staging-*", "arn:aws:ecs:*:*:cluster/test-??"] } }
      },
      {
        Sid       = "AllowDescribeTasks"
        Effect    = "Allow"
        Action    = ["ecs:DescribeTasks"]
        Resource  = ["arn:aws:ecs:eu-west-1:123456789012:task/*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:*:*:cluster/prod", "arn:aws:ecs:*:*:cluster/staging-*", "arn:aws:ecs:*:*:cluster/test-??"] } }
      },
    ]
    error_message = "The function may read the clusters in scope, and the images of the repositories that the rules name."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.deploy[0].policy).Statement == [
      {
        Sid      = "AllowRegisterTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:RegisterTaskDefinition"]
        Resource = ["arn:aws:ecs:eu-west-1:123456789012:task-definition/*:*"]
      },
      {
        Sid       = "AllowTagNewTaskDefinitions"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = ["arn:aws:ecs:eu-west-1:123456789012:task-definition/*:*"]
        Condition = { StringEquals = { "ecs:CreateAction" = "RegisterTaskDefinition" } }
      },
      {
        Sid    = "AllowUpdateServices"
        Effect = "Allow"
        Action = ["ecs:UpdateService", "ecs:StopServiceDeployment", "ecs:ContinueServiceDeployment"]
        Resource = [
          "arn:aws:ecs:eu-west-1:123456789012:service/prod/*",
          "arn:aws:ecs:eu-west-1:123456789012:service/staging-*/*",
          "arn:aws:ecs:eu-west-1:123456789012:service/test-??/*",
        ]
      },
      {
        Sid       = "AllowUpdateServicesWithShortArns"
        Effect    = "Allow"
        Action    = ["ecs:UpdateService", "ecs:StopServiceDeployment", "ecs:ContinueServiceDeployment"]
        Resource  = ["arn:aws:ecs:eu-west-1:123456789012:service/*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:*:*:cluster/prod", "arn:aws:ecs:*:*:cluster/staging-*", "arn:aws:ecs:*:*:cluster/test-??"] } }
      },
      {
        Sid       = "AllowStopServiceDeployments"
        Effect    = "Allow"
        Action    = ["ecs:StopServiceDeployment", "ecs:ContinueServiceDeployment"]
        Resource  = ["arn:aws:ecs:eu-west-1:123456789012:service-deployment/*/*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:*:*:cluster/prod", "arn:aws:ecs:*:*:cluster/staging-*", "arn:aws:ecs:*:*:cluster/test-??"] } }
      },
      {
        Sid      = "AllowPutEvents"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = ["arn:aws:events:eu-west-1:123456789012:event-bus/default"]
        Condition = {
          "ForAllValues:StringEquals" = { "events:source" = ["ecr-deploy"] }
          Null                        = { "events:source" = "false" }
        }
      },
      {
        Sid       = "AllowPassRolesToTasks"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = ["arn:aws:iam::123456789012:role/web-*"]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        Sid      = "AllowWriteTable"
        Effect   = "Allow"
        Action   = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
        Resource = ["arn:aws:dynamodb:eu-west-1:123456789012:table/ecr-deploy"]
      },
      {
        Sid      = "AllowNotify"
        Effect   = "Allow"
        Action   = ["sns:Publish"]
        Resource = ["arn:aws:sns:eu-west-1:123456789012:people", "arn:aws:sns:eu-west-1:123456789012:chat"]
      },
    ]
    error_message = "The function may write to the clusters in scope and its table, tag revisions only as it registers them, and pass only the roles that were named."
  }
}

run "what_only_some_need" {
  variables {
    clusters = ["prod", "staging"]
    rules = [
      { families = ["migrate-*"], change_calendars = ["holidays"] },
      { change_calendars = ["arn:aws:ssm:eu-west-1:210987654321:document/theirs"] },
    ]
    change_calendars   = ["nights"]
    reconcile_schedule = "rate(15 minutes)"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.read[0].policy).Statement[0].Action == [
      "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:ListTaskDefinitionFamilies",
    ]
    error_message = "Standalone families have to be listed, and clusters have not where all are named."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.read[0].policy).Statement : statement if statement.Sid == "AllowGetCalendarState"
      ] == [{
        Sid    = "AllowGetCalendarState"
        Effect = "Allow"
        Action = ["ssm:GetCalendarState"]
        Resource = [
          "arn:aws:ssm:eu-west-1:123456789012:document/nights",
          "arn:aws:ssm:eu-west-1:123456789012:document/holidays",
          "arn:aws:ssm:eu-west-1:210987654321:document/theirs",
        ]
    }]
    error_message = "The function may ask the calendars that are named, and no others."
  }
}

run "what_features_add" {
  variables {
    clusters        = ["prod"]
    rules           = [{ repositories = ["app"], promote_tag = "production" }, { repositories = ["side"] }]
    pass_role_arns  = ["arn:aws:iam::123456789012:role/web-*"]
    scheduled_tasks = true
    codedeploy      = true
    keep_revisions  = 5

    image_parameter_prefix = "/images"
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.read[0].policy).Statement : statement
      if contains(["AllowReadsThatTakeNoResource", "AllowReadRules", "AllowReadSchedules", "AllowDecryptSchedules", "AllowReadCodeDeployApplications", "AllowReadCodeDeployDeployments"], statement.Sid)
      ] == [
      {
        Sid      = "AllowReadsThatTakeNoResource"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:ListClusters", "events:ListRuleNamesByTarget", "scheduler:ListSchedules", "codedeploy:ListApplications"]
        Resource = ["*"]
      },
      {
        Sid      = "AllowReadRules"
        Effect   = "Allow"
        Action   = ["events:ListTargetsByRule"]
        Resource = ["arn:aws:events:eu-west-1:123456789012:rule/*"]
      },
      {
        Sid      = "AllowReadSchedules"
        Effect   = "Allow"
        Action   = ["scheduler:GetSchedule"]
        Resource = ["arn:aws:scheduler:eu-west-1:123456789012:schedule/*/*"]
      },
      {
        Sid       = "AllowDecryptSchedules"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = ["arn:aws:kms:eu-west-1:123456789012:key/*"]
        Condition = { StringEquals = { "kms:ViaService" = "scheduler.eu-west-1.amazonaws.com" } }
      },
      {
        Sid      = "AllowReadCodeDeployApplications"
        Effect   = "Allow"
        Action   = ["codedeploy:BatchGetApplications", "codedeploy:ListDeploymentGroups"]
        Resource = ["arn:aws:codedeploy:eu-west-1:123456789012:application:*"]
      },
      {
        Sid      = "AllowReadCodeDeployDeployments"
        Effect   = "Allow"
        Action   = ["codedeploy:GetDeploymentGroup", "codedeploy:ListDeployments", "codedeploy:BatchGetDeployments"]
        Resource = ["arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:*/*"]
      },
    ]
    error_message = "The function may read what is scheduled, and what CodeDeploy deploys."
  }

  assert {
    condition = (
      jsondecode(aws_iam_role_policy.read[0].policy).Statement[1].Condition.ArnLike["ecs:cluster"] == ["arn:aws:ecs:eu-west-1:123456789012:cluster/*"]
      && [for one in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement : one.Resource if one.Sid == "AllowUpdateServices"] == [["arn:aws:ecs:eu-west-1:123456789012:service/prod/*"]]
    )
    error_message = "To know what is in use, the function may read the services of all clusters, and still write to those in scope only."
  }

  assert {
    condition = slice(jsondecode(aws_iam_role_policy.deploy[0].policy).Statement, 8, 18) == [
      {
        Sid      = "AllowPutTargets"
        Effect   = "Allow"
        Action   = ["events:PutTargets"]
        Resource = ["arn:aws:events:eu-west-1:123456789012:rule/*"]
        Condition = {
          "ForAllValues:ArnLike" = { "events:TargetArn" = ["arn:aws:ecs:eu-west-1:123456789012:cluster/prod"] }
          Null                   = { "events:TargetArn" = "false" }
        }
      },
      {
        Sid      = "AllowUpdateSchedules"
        Effect   = "Allow"
        Action   = ["scheduler:UpdateSchedule"]
        Resource = ["arn:aws:scheduler:eu-west-1:123456789012:schedule/*/*"]
      },
      {
        Sid       = "AllowEncryptSchedules"
        Effect    = "Allow"
        Action    = ["kms:DescribeKey", "kms:GenerateDataKey"]
        Resource  = ["arn:aws:kms:eu-west-1:123456789012:key/*"]
        Condition = { StringEquals = { "kms:ViaService" = "scheduler.eu-west-1.amazonaws.com" } }
      },
      {
        Sid       = "AllowPassRolesToSchedules"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = ["arn:aws:iam::123456789012:role/web-*"]
        Condition = { StringEquals = { "iam:PassedToService" = ["events.amazonaws.com", "scheduler.amazonaws.com"] } }
      },
      {
        Sid      = "AllowCreateCodeDeployDeployments"
        Effect   = "Allow"
        Action   = ["codedeploy:CreateDeployment"]
        Resource = ["arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:*/*"]
      },
      {
        Sid      = "AllowUseCodeDeployConfigs"
        Effect   = "Allow"
        Action   = ["codedeploy:GetDeploymentConfig"]
        Resource = ["arn:aws:codedeploy:eu-west-1:123456789012:deploymentconfig:*"]
      },
      {
        Sid      = "AllowRegisterCodeDeployRevisions"
        Effect   = "Allow"
        Action   = ["codedeploy:RegisterApplicationRevision"]
        Resource = ["arn:aws:codedeploy:eu-west-1:123456789012:application:*"]
      },
      {
        Sid      = "AllowPromoteImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:PutImage"]
        Resource = ["arn:aws:ecr:*:123456789012:repository/app"]
      },
      {
        Sid      = "AllowImageParameters"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters", "ssm:PutParameter"]
        Resource = ["arn:aws:ssm:eu-west-1:123456789012:parameter/images/prod/*"]
      },
      {
        Sid      = "AllowDeregisterTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:DeregisterTaskDefinition"]
        Resource = ["*"]
      },
    ]
    error_message = "Each feature may write what it is for, and nothing else."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.other["codedeploy"].event_pattern) == {
      source      = ["aws.codedeploy"]
      detail-type = ["CodeDeploy Deployment State-change Notification"]
      detail      = { state = ["SUCCESS", "FAILURE", "STOP"] }
    }
    error_message = "The ends of CodeDeploy's deployments must come over the queue."
  }
}

run "in_a_vpc" {
  variables {
    subnet_ids         = ["subnet-1", "subnet-2"]
    security_group_ids = ["sg-1"]
  }

  assert {
    condition = (
      aws_lambda_function.this[0].vpc_config[0].subnet_ids == toset(["subnet-1", "subnet-2"])
      && aws_lambda_function.this[0].vpc_config[0].security_group_ids == toset(["sg-1"])
    )
    error_message = "The function must run in the subnets, with the security groups."
  }

  assert {
    condition = [for one in slice(jsondecode(aws_iam_role_policy.lambda[0].policy).Statement, 1, 3) : [one.Effect, one.Action, one.Resource]] == [
      for effect in ["Allow", "Deny"] : [effect, [
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
      ], ["*"]]
    ]
    error_message = "Lambda may make the function's network interfaces."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.lambda[0].policy).Statement[2].Condition == {
      ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws:lambda:eu-west-1:123456789012:function:ecr-deploy" }
    }
    error_message = "The function itself may not make network interfaces."
  }
}

run "a_key_may_be_used_once_it_is_given" {
  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1"
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.queue[0].policy).Statement : statement if statement.Action[0] == "kms:Decrypt"
      ] == [{
        Sid      = "AllowEncryptedMessages"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = ["arn:aws:kms:eu-west-1:123456789012:key/1"]
    }]
    error_message = "The function may use the key of its queues, and no other."
  }

  assert {
    condition = [
      for statement in concat(jsondecode(aws_iam_role_policy.read[0].policy).Statement, jsondecode(aws_iam_role_policy.deploy[0].policy).Statement) :
      [statement.Sid, statement.Action, statement.Resource, statement.Condition] if startswith(statement.Action[0], "kms:")
      ] == [
      for sid, actions in {
        AllowDecryptTable = ["kms:Decrypt", "kms:DescribeKey"]
        AllowEncryptTable = ["kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
        } : [sid, actions, ["arn:aws:kms:eu-west-1:123456789012:key/1"], {
          StringEquals = { "kms:ViaService" = "dynamodb.eu-west-1.amazonaws.com" }
      }]
    ]
    error_message = "For the table the function may use the key through DynamoDB alone."
  }
}

run "a_dry_run_may_not_write" {
  variables {
    dry_run = true
  }

  assert {
    condition     = length(aws_iam_role_policy.deploy) == 0
    error_message = "With dry_run, the function must have no permission to write to ECS."
  }
}

run "other_partitions" {
  override_data {
    target = data.aws_partition.this[0]
    values = { partition = "aws-cn", dns_suffix = "amazonaws.com.cn" }
  }
  override_data {
    target = data.aws_service.ecs[0]
    values = { region = "cn-north-1" }
  }

  assert {
    condition = alltrue([
      for statement in concat(
        jsondecode(aws_iam_role_policy.read[0].policy).Statement,
        jsondecode(aws_iam_role_policy.deploy[0].policy).Statement,
      ) : alltrue([for arn in statement.Resource : arn == "*" || startswith(arn, "arn:aws-cn:")])
    ])
    error_message = "Every ARN must be of the partition that the module is in."
  }

  assert {
    condition = alltrue([for queue in [aws_sqs_queue.this[0], aws_sqs_queue.undelivered[0]] :
      jsondecode(queue.policy).Statement[0].Resource == "arn:aws-cn:sqs:cn-north-1:123456789012:${queue.name}"
    ])
    error_message = "The queues' policies must be of the partition and region that the module is in."
  }

  assert {
    condition = (
      jsondecode(aws_iam_role_policy.read[0].policy).Statement[1].Condition.ArnLike["ecs:cluster"] == ["arn:aws-cn:ecs:cn-north-1:123456789012:cluster/*"]
      && [for one in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement : one.Resource if one.Sid == "AllowPassRolesToTasks"] == [["arn:aws-cn:iam::123456789012:role/*"]]
    )
    error_message = "By default, all clusters of the account and region are in scope, and all roles of the account may be passed."
  }
}

run "partition_aws_us_gov" {
  override_data {
    target = data.aws_partition.this[0]
    values = { partition = "aws-us-gov", dns_suffix = "amazonaws.com" }
  }
  override_data {
    target = data.aws_service.ecs[0]
    values = { region = "us-gov-west-1" }
  }
  variables {
    clusters               = ["prod"]
    scheduled_tasks        = true
    codedeploy             = true
    keep_revisions         = 5
    rules                  = [{ promote_tag = "production" }]
    change_calendars       = ["nights"]
    reconcile_schedule     = "rate(1 hour)"
    image_parameter_prefix = "/images"
  }

  assert {
    condition = alltrue([
      for text in concat(
        [aws_iam_role_policy.read[0].policy, aws_iam_role_policy.deploy[0].policy, aws_sqs_queue.this[0].policy, aws_sqs_queue.undelivered[0].policy],
        [for rule in aws_cloudwatch_event_rule.other : rule.event_pattern if rule.event_pattern != null],
      ) : !strcontains(text, "arn:aws:") && !strcontains(text, "eu-west-1")
    ])
    error_message = "Every ARN must be of the partition and region that the module is in."
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.deploy[0].policy, "scheduler.us-gov-west-1.amazonaws.com")
    error_message = "Services must be named by the partition's suffix."
  }
}

run "partition_aws_eusc" {
  override_data {
    target = data.aws_partition.this[0]
    values = { partition = "aws-eusc", dns_suffix = "amazonaws.eu" }
  }
  override_data {
    target = data.aws_service.ecs[0]
    values = { region = "eusc-de-east-1" }
  }
  variables {
    clusters               = ["prod"]
    scheduled_tasks        = true
    codedeploy             = true
    keep_revisions         = 5
    rules                  = [{ promote_tag = "production" }]
    change_calendars       = ["nights"]
    reconcile_schedule     = "rate(1 hour)"
    image_parameter_prefix = "/images"
  }

  assert {
    condition = alltrue([
      for text in concat(
        [aws_iam_role_policy.read[0].policy, aws_iam_role_policy.deploy[0].policy, aws_sqs_queue.this[0].policy, aws_sqs_queue.undelivered[0].policy],
        [for rule in aws_cloudwatch_event_rule.other : rule.event_pattern if rule.event_pattern != null],
      ) : !strcontains(text, "arn:aws:") && !strcontains(text, "eu-west-1")
    ])
    error_message = "Every ARN must be of the partition and region that the module is in."
  }

  assert {
    condition     = strcontains(aws_iam_role_policy.deploy[0].policy, "scheduler.eusc-de-east-1.amazonaws.eu")
    error_message = "Services must be named by the partition's suffix."
  }
}
