# The road as it is by default, and as inputs change it.

mock_provider "aws" {
  source = "./tests/mocks"

  override_resource {
    target = aws_sqs_queue.dead_letter[0]
    values = {
      arn = "arn:aws:sqs:eu-west-1:123456789012:ecr-deploy-dead-letter.fifo"
      url = "https://sqs.eu-west-1.amazonaws.com/123456789012/ecr-deploy-dead-letter.fifo"
    }
  }

  override_resource {
    target = aws_sqs_queue.undelivered[0]
    values = { arn = "arn:aws:sqs:eu-west-1:123456789012:ecr-deploy-undelivered" }
  }
}

run "defaults" {
  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this[0].event_pattern) == {
      source      = ["aws.ecr"]
      detail-type = ["ECR Image Action", "ECR Replication Action", "ECR Pull Through Cache Action", "AWS API Call via CloudTrail"]
      "$or" = [
        {
          account = ["123456789012"]
          detail  = { "$or" = [{ action-type = ["PUSH", "REPLICATE"], result = ["SUCCESS"] }, { sync-status = ["SUCCESS"] }], image-tag = [{ exists = true }] }
        },
        {
          detail = {
            eventName        = ["PutImage"]
            responseElements = { image = { registryId = ["123456789012"], imageId = { imageTag = [{ exists = true }] } } }
          }
        },
      ]
    }
    error_message = "The rule must pick both kinds of push to this account's registry, and nothing else."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.other["deployments"].event_pattern) == {
      source      = ["aws.ecs"]
      detail-type = ["ECS Deployment State Change"]
      "$or" = [
        {
          detail    = { eventName = ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"] }
          resources = [{ prefix = "arn:aws:ecs:eu-west-1:123456789012:service/" }]
        },
        {
          detail = {
            eventName  = ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"]
            clusterArn = [{ prefix = "arn:aws:ecs:eu-west-1:123456789012:cluster/" }]
          }
        },
      ]
    }
    error_message = "The ends of deployments must come over the same queue."
  }

  assert {
    condition     = aws_cloudwatch_event_rule.other["schedule"].state == "DISABLED"
    error_message = "By default there is no schedule."
  }

  assert {
    condition = (
      { for name, target in aws_cloudwatch_event_target.queue : name => target.rule } == { pushes = "ecr-deploy", deployments = "ecr-deploy-deployments", hooks = "ecr-deploy-hooks", remote = "ecr-deploy-remote", scans = "ecr-deploy-scans", tasks = "ecr-deploy-tasks", schedule = "ecr-deploy-schedule" }
      && alltrue([for target in aws_cloudwatch_event_target.queue :
        target.arn == aws_sqs_queue.this[0].arn
        && target.dead_letter_config[0].arn == aws_sqs_queue.undelivered[0].arn
        && target.sqs_target[0].message_group_id == "pushes"
      ])
    )
    error_message = "The rules must send every push to one group of the queue, and what it can't deliver to a queue for that."
  }

  assert {
    condition = (
      aws_sqs_queue.this[0].fifo_queue
      && aws_sqs_queue.this[0].content_based_deduplication
      && aws_sqs_queue.dead_letter[0].fifo_queue
      && aws_sqs_queue.undelivered[0].fifo_queue != true
    )
    error_message = "Pushes wait in FIFO queues; EventBridge takes only a standard queue for what it can't deliver."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.this[0].redrive_policy) == {
      deadLetterTargetArn = aws_sqs_queue.dead_letter[0].arn
      maxReceiveCount     = 10
    }
    error_message = "A push that kills the function must end in the dead-letter queue."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.this[0], aws_sqs_queue.dead_letter[0], aws_sqs_queue.undelivered[0]] :
      queue.sqs_managed_sse_enabled && queue.message_retention_seconds == 14 * 24 * 60 * 60
    ])
    error_message = "Every queue must be encrypted and keep its messages for 14 days."
  }

  assert {
    condition = (
      aws_dynamodb_table.this[0].billing_mode == "PAY_PER_REQUEST"
      && [aws_dynamodb_table.this[0].hash_key, aws_dynamodb_table.this[0].range_key] == ["target", "item"]
      && { for attribute in aws_dynamodb_table.this[0].attribute : attribute.name => attribute.type } == { target = "S", item = "S" }
      && aws_dynamodb_table.this[0].ttl[0].attribute_name == "expires" && aws_dynamodb_table.this[0].ttl[0].enabled
      && aws_dynamodb_table.this[0].point_in_time_recovery[0].enabled
      && aws_dynamodb_table.this[0].server_side_encryption[0].enabled
      && !aws_dynamodb_table.this[0].deletion_protection_enabled
    )
    error_message = "The table must be on demand, encrypted, and recoverable, and let its rollouts expire."
  }

  assert {
    condition = (
      aws_lambda_function.this[0].handler == "ecr_deploy.handler.handler"
      && aws_lambda_function.this[0].runtime == "python3.13"
      && aws_lambda_function.this[0].memory_size == 512
      && aws_lambda_function.this[0].architectures == tolist(["arm64"])
      && aws_lambda_function.this[0].source_code_hash == filebase64sha256("lambda/ecr_deploy.zip")
    )
    error_message = "The function must be the committed zip, on arm64 and python3.13."
  }

  assert {
    condition = (
      aws_lambda_function.this[0].logging_config[0].log_format == "JSON"
      && aws_lambda_function.this[0].logging_config[0].log_group == aws_cloudwatch_log_group.this[0].name
      && aws_cloudwatch_log_group.this[0].name == "/aws/lambda/ecr-deploy"
      && aws_cloudwatch_log_group.this[0].retention_in_days == 30
    )
    error_message = "The function must write JSON to the module's own log group."
  }

  assert {
    condition = jsondecode(aws_lambda_function.this[0].environment[0].variables.ECR_DEPLOY_SETTINGS) == {
      account_id            = "123456789012"
      rules                 = [{}]
      table_name            = "ecr-deploy"
      queue_url             = aws_sqs_queue.this[0].url
      dead_letter_queue_url = aws_sqs_queue.dead_letter[0].url
    }
    error_message = "The function must be told its settings under the names that it reads."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.queue[0].event_source_arn == aws_sqs_queue.this[0].arn
      && aws_lambda_event_source_mapping.queue[0].function_name == aws_lambda_function.this[0].arn
      && aws_lambda_event_source_mapping.queue[0].batch_size == 10
      && aws_lambda_event_source_mapping.queue[0].function_response_types == toset(["ReportBatchItemFailures"])
    )
    error_message = "The function must take batches of the queue, and may give parts of them back."
  }

  assert {
    condition = (
      output.function_name == "ecr-deploy"
      && output.function_arn == aws_lambda_function.this[0].arn
      && output.role_arn == aws_iam_role.this[0].arn
      && output.queue_url == aws_sqs_queue.this[0].url
      && output.queue_arn == aws_sqs_queue.this[0].arn
      && output.dead_letter_queue_url == aws_sqs_queue.dead_letter[0].url
      && output.dead_letter_queue_arn == aws_sqs_queue.dead_letter[0].arn
      && output.table_name == "ecr-deploy"
      && output.table_arn == aws_dynamodb_table.this[0].arn
      && output.event_rule_arn == aws_cloudwatch_event_rule.this[0].arn
      && output.log_group_name == "/aws/lambda/ecr-deploy"
    )
    error_message = "Every output must be of the resource that it names."
  }
}

run "rules_and_what_comes_after" {
  variables {
    clusters = ["prod-?", "[ab]*", "web"]
    rules = [
      { repositories = ["app"], tags = ["main-*"], exclude_tags = ["*-rc"], registries = ["210987654321"] },
      { semver = "^1.4", include_prereleases = true, families = ["migrate-*"], change_calendars = ["nights"], minimum_image_age = 60, approval = { expires_hours = 72 }, promote_tag = "production" },
    ]
    change_calendars           = ["holidays"]
    reconcile_schedule         = "rate(15 minutes)"
    enabled_tag_key            = "deploy"
    require_opt_in             = true
    rollback_on_failure        = true
    deployment_timeout_minutes = 20
    scheduled_tasks            = true
    codedeploy                 = true
    express_mode               = true
    daemons                    = true
    keep_revisions             = 5
    image_parameter_prefix     = "/ecr-deploy/images"
    notifications              = { topic_arns = ["arn:aws:sns:eu-west-1:123456789012:people"], chat_topic_arns = ["arn:aws:sns:eu-west-1:123456789012:chat"] }
  }

  assert {
    condition = jsondecode(aws_lambda_function.this[0].environment[0].variables.ECR_DEPLOY_SETTINGS) == {
      account_id = "123456789012"
      clusters   = ["prod-?", "[ab]*", "web"]
      rules = [
        { repositories = ["app"], tags = ["main-*"], exclude_tags = ["*-rc"], registries = ["210987654321"] },
        { semver = "^1.4", include_prereleases = true, families = ["migrate-*"], change_calendars = ["nights"], minimum_image_age = 60, approval = { expires_hours = 72 }, promote_tag = "production" },
      ]
      change_calendars           = ["holidays"]
      enabled_tag_key            = "deploy"
      require_opt_in             = true
      reconcile                  = true
      rollback_on_failure        = true
      deployment_timeout_minutes = 20
      scheduled_tasks            = true
      codedeploy                 = true
      express_mode               = true
      daemons                    = true
      keep_revisions             = 5
      image_parameter_prefix     = "/ecr-deploy/images"
      topic_arns                 = ["arn:aws:sns:eu-west-1:123456789012:people"]
      chat_topic_arns            = ["arn:aws:sns:eu-west-1:123456789012:chat"]
      table_name                 = "ecr-deploy"
      queue_url                  = aws_sqs_queue.this[0].url
      dead_letter_queue_url      = aws_sqs_queue.dead_letter[0].url
    }
    error_message = "The function must be told its rules under the names that it reads."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this[0].event_pattern)["$or"][0] == {
      account = ["210987654321"]
      detail = {
        "$or"           = [{ action-type = ["PUSH", "REPLICATE"], result = ["SUCCESS"] }, { sync-status = ["SUCCESS"] }]
        repository-name = ["app"]
        image-tag       = [{ prefix = "main-" }]
      }
    }
    error_message = "The pattern must be made from the rules."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.other["deployments"].event_pattern)["$or"] == [
      {
        detail = { eventName = ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"] }
        resources = [
          { prefix = "arn:aws:ecs:eu-west-1:123456789012:service/prod-" },
          { prefix = "arn:aws:ecs:eu-west-1:123456789012:service/" },
          { prefix = "arn:aws:ecs:eu-west-1:123456789012:service/web/" },
        ]
      },
      {
        detail = {
          eventName = ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"]
          clusterArn = [
            { prefix = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod-" },
            { prefix = "arn:aws:ecs:eu-west-1:123456789012:cluster/" },
            "arn:aws:ecs:eu-west-1:123456789012:cluster/web",
          ]
        }
      },
    ]
    error_message = "Deployments of the clusters in scope must be heard of."
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.other["schedule"].schedule_expression == "rate(15 minutes)"
      && aws_cloudwatch_event_rule.other["schedule"].state == "ENABLED"
      && keys(aws_cloudwatch_event_target.queue) == ["codedeploy", "daemons", "deployments", "hooks", "pushes", "remote", "scans", "schedule", "tasks"]
    )
    error_message = "The scheduled run must come over the same queue."
  }
}

run "what_fails_is_looked_after_without_reconciling" {
  variables {
    rollback_on_failure = true
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.other["schedule"].schedule_expression == "rate(5 minutes)"
      && aws_cloudwatch_event_rule.other["schedule"].state == "ENABLED"
      && !can(jsondecode(aws_lambda_function.this[0].environment[0].variables.ECR_DEPLOY_SETTINGS).reconcile)
    )
    error_message = "A rollout that takes too long must be noticed without reconcile_schedule."
  }
}

run "inputs_reach_what_they_are_for" {
  variables {
    name                 = "staging"
    deletion_protection  = true
    clusters             = ["staging"]
    rules                = [{ services = ["web-*"] }]
    image_reference      = "tag+digest"
    base_revision        = "running"
    dry_run              = true
    tags                 = { team = "platform" }
    role_path            = "/deploy/"
    permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
    kms_key_arn          = "arn:aws:kms:eu-west-1:123456789012:key/1"
    log_retention_days   = 7
    memory_size          = 1024
    timeout              = 900
    architecture         = "x86_64"
    runtime              = "python3.12"
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.this[0].name == "staging"
      && aws_sqs_queue.this[0].name == "staging.fifo"
      && aws_sqs_queue.dead_letter[0].name == "staging-dead-letter.fifo"
      && aws_sqs_queue.undelivered[0].name == "staging-undelivered"
      && aws_cloudwatch_log_group.this[0].name == "/aws/lambda/staging"
      && aws_dynamodb_table.this[0].name == "staging"
      && aws_dynamodb_table.this[0].deletion_protection_enabled
      && aws_lambda_function.this[0].function_name == "staging"
      && aws_iam_role.this[0].name == "staging-eu-west-1"
    )
    error_message = "Every name must begin with the module's, so that two instances don't collide."
  }

  assert {
    condition = jsondecode(aws_lambda_function.this[0].environment[0].variables.ECR_DEPLOY_SETTINGS) == {
      account_id            = "123456789012"
      clusters              = ["staging"]
      rules                 = [{ services = ["web-*"] }]
      image_reference       = "tag+digest"
      base_revision         = "running"
      dry_run               = true
      table_name            = "staging"
      queue_url             = aws_sqs_queue.this[0].url
      dead_letter_queue_url = aws_sqs_queue.dead_letter[0].url
    }
    error_message = "The function must be told what its user set."
  }

  assert {
    condition = alltrue([
      for tags in [
        aws_cloudwatch_event_rule.this[0].tags,
        aws_sqs_queue.this[0].tags,
        aws_sqs_queue.dead_letter[0].tags,
        aws_sqs_queue.undelivered[0].tags,
        aws_dynamodb_table.this[0].tags,
        aws_cloudwatch_log_group.this[0].tags,
        aws_lambda_function.this[0].tags,
        aws_lambda_event_source_mapping.queue[0].tags,
        aws_iam_role.this[0].tags,
      ] : tags == tomap({ team = "platform" })
    ])
    error_message = "Every resource that can have tags must have the module's."
  }

  assert {
    condition = (
      aws_iam_role.this[0].path == "/deploy/"
      && aws_iam_role.this[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    )
    error_message = "The role must have the path and the boundary that were given."
  }

  assert {
    condition = alltrue([
      for key in [
        aws_sqs_queue.this[0].kms_master_key_id,
        aws_sqs_queue.dead_letter[0].kms_master_key_id,
        aws_sqs_queue.undelivered[0].kms_master_key_id,
        aws_dynamodb_table.this[0].server_side_encryption[0].kms_key_arn,
        aws_cloudwatch_log_group.this[0].kms_key_id,
        aws_lambda_function.this[0].kms_key_arn,
      ] : key == "arn:aws:kms:eu-west-1:123456789012:key/1"
    ])
    error_message = "The key must encrypt table, queues, log and environment."
  }

  assert {
    condition = (
      aws_lambda_function.this[0].memory_size == 1024
      && aws_lambda_function.this[0].timeout == 900
      && aws_lambda_function.this[0].architectures == tolist(["x86_64"])
      && aws_lambda_function.this[0].runtime == "python3.12"
      && aws_cloudwatch_log_group.this[0].retention_in_days == 7
      && aws_sqs_queue.this[0].visibility_timeout_seconds == 930
    )
    error_message = "Function, log and queue must be as they were set, and a message hidden for longer than its function runs."
  }
}
