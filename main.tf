# The road of a push, in its order: rule, queue, function. What the function may do is in iam.tf.

data "aws_caller_identity" "this" {
  count = var.enabled ? 1 : 0
}

data "aws_partition" "this" {
  count = var.enabled ? 1 : 0
}

# Asked for the region alone: aws_region has no attribute for it that neither provider v5 lacks nor v6 calls deprecated.
data "aws_service" "ecs" {
  count = var.enabled ? 1 : 0

  service_id = "ecs"
}

locals {
  # Empty where nothing is enabled.
  account_id = join("", data.aws_caller_identity.this[*].account_id)
  partition  = join("", data.aws_partition.this[*].partition)
  region     = join("", data.aws_service.ecs[*].region)

  # What the function needs to know, apart from its queues. Lambda's 4 KiB are not for what it takes for granted.
  settings = merge(
    {
      account_id = local.account_id
      rules = [for rule in var.rules : {
        for field, value in rule : field => value if !contains(local.taken_for_granted, "${field}=${jsonencode(value)}")
      }]
    },
    { for setting, value in local.optional_settings :
    setting => value if !contains(local.taken_for_granted, "${setting}=${jsonencode(value)}") },
  )
  optional_settings = {
    clusters                   = var.clusters
    image_reference            = var.image_reference
    base_revision              = var.base_revision
    enabled_tag_key            = var.enabled_tag_key
    require_opt_in             = var.require_opt_in
    change_calendars           = var.change_calendars
    dry_run                    = var.dry_run
    reconcile                  = var.reconcile_schedule != null
    rollback_on_failure        = var.rollback_on_failure
    deployment_timeout_minutes = var.deployment_timeout_minutes
    scheduled_tasks            = var.scheduled_tasks
    codedeploy                 = var.codedeploy
    keep_revisions             = var.keep_revisions
    image_parameter_prefix     = var.image_parameter_prefix
  }
  taken_for_granted = [
    "registries=null",
    "repositories=[\"*\"]",
    "tags=[\"*\"]",
    "exclude_tags=[]",
    "semver=null",
    "include_prereleases=false",
    "clusters=[\"*\"]",
    "services=[\"*\"]",
    "families=[]",
    "change_calendars=[]",
    "minimum_image_age=0",
    "promote_tag=null",
    "image_reference=\"tag\"",
    "base_revision=\"latest\"",
    "enabled_tag_key=\"ecr-deploy:enabled\"",
    "require_opt_in=false",
    "dry_run=false",
    "reconcile=false",
    "rollback_on_failure=false",
    "deployment_timeout_minutes=30",
    "scheduled_tasks=false",
    "codedeploy=false",
    "keep_revisions=null",
    "image_parameter_prefix=null",
  ]
}

# The rules of EventBridge. An account with a trail sends both events for one push; one without sends the first alone.

module "event_pattern" {
  source = "./modules/event-pattern"

  rules = [for rule in var.rules : merge(rule, { registries = coalesce(rule.registries, [local.account_id]) })]
}

resource "aws_cloudwatch_event_rule" "this" {
  count = var.enabled ? 1 : 0

  name        = var.name
  description = "Image pushes to ECR, for ${var.name}."
  tags        = var.tags

  event_pattern = module.event_pattern.pattern
}

# What becomes of rollouts.
resource "aws_cloudwatch_event_rule" "deployments" {
  count = var.enabled && !var.dry_run ? 1 : 0

  name        = "${var.name}-deployments"
  description = "Ends of ECS deployments, for ${var.name}."
  tags        = var.tags

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change"]
    detail      = { eventName = ["SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"] }
    # EventBridge's only wildcard is *, of which no two may follow one another.
    resources = [for service in local.services : { wildcard = replace(service, "/[*?]+/", "*") }]
  })
}

# Of those that CodeDeploy carries out, it tells itself. A deployment group is not told by its service's cluster.
resource "aws_cloudwatch_event_rule" "codedeploy" {
  count = var.enabled && var.codedeploy && !var.dry_run ? 1 : 0

  name        = "${var.name}-codedeploy"
  description = "Ends of CodeDeploy's deployments, for ${var.name}."
  tags        = var.tags

  event_pattern = jsonencode({
    source      = ["aws.codedeploy"]
    detail-type = ["CodeDeploy Deployment State-change Notification"]
    detail      = { state = ["SUCCESS", "FAILURE", "STOP"] }
  })
}

# The time to look for what was lost, had to wait, or takes too long.
resource "aws_cloudwatch_event_rule" "schedule" {
  count = var.enabled && (var.reconcile_schedule != null || var.rollback_on_failure) ? 1 : 0

  name                = "${var.name}-schedule"
  description         = "Turns to look after deployments, for ${var.name}."
  schedule_expression = coalesce(var.reconcile_schedule, "rate(5 minutes)")
  tags                = var.tags
}

locals {
  rules_of_the_queue = concat(
    aws_cloudwatch_event_rule.this[*],
    aws_cloudwatch_event_rule.deployments[*],
    aws_cloudwatch_event_rule.codedeploy[*],
    aws_cloudwatch_event_rule.schedule[*],
  )
}

resource "aws_cloudwatch_event_target" "queue" {
  count = length(local.rules_of_the_queue)

  rule = local.rules_of_the_queue[count.index].name
  arn  = aws_sqs_queue.this[0].arn

  # One group for all pushes: ECS has no compare-and-swap, so that two handled at once could undo one another.
  sqs_target {
    message_group_id = "pushes"
  }

  dead_letter_config {
    arn = aws_sqs_queue.undelivered[0].arn
  }
}

# The queue. Policies are inline: each as a resource of its own would cost another half minute of the provider's waiting.

resource "aws_sqs_queue" "this" {
  count = var.enabled ? 1 : 0

  name                        = local.queue_name
  fifo_queue                  = true
  content_based_deduplication = true
  # No longer than the function needs: a crash holds up the pushes behind it for this long.
  visibility_timeout_seconds = var.timeout + 30
  message_retention_seconds  = local.queue_retention_seconds
  policy                     = local.policy_to_take_events[local.queue_name]
  sqs_managed_sse_enabled    = local.sqs_managed_encryption
  kms_master_key_id          = var.kms_key_arn
  tags                       = var.tags

  # The function itself gives up earlier. This is the net below it, for invocations that die.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter[0].arn
    maxReceiveCount     = 10
  })
}

resource "aws_sqs_queue" "dead_letter" {
  count = var.enabled ? 1 : 0

  name                      = "${var.name}-dead-letter.fifo"
  fifo_queue                = true
  message_retention_seconds = local.queue_retention_seconds
  sqs_managed_sse_enabled   = local.sqs_managed_encryption
  kms_master_key_id         = var.kms_key_arn
  tags                      = var.tags
}

# What EventBridge could not deliver within 24 hours. It sends such events to standard queues only.
resource "aws_sqs_queue" "undelivered" {
  count = var.enabled ? 1 : 0

  name                      = local.undelivered_queue_name
  message_retention_seconds = local.queue_retention_seconds
  policy                    = local.policy_to_take_events[local.undelivered_queue_name]
  sqs_managed_sse_enabled   = local.sqs_managed_encryption
  kms_master_key_id         = var.kms_key_arn
  tags                      = var.tags
}

locals {
  queue_name              = "${var.name}.fifo"
  undelivered_queue_name  = "${var.name}-undelivered"
  queue_retention_seconds = 14 * 24 * 60 * 60 # the longest that SQS offers
  sqs_managed_encryption  = var.kms_key_arn == null ? true : null
}

# People. Two rules, because what failed has a reason, and what is live has none. They are there without a topic, too, and
# disabled: whether there is one may be unknown at plan, where the topic is made in the same apply.

locals {
  notifications = {
    live = {
      outcomes = ["live"]
      text     = "<image> is live on <service> in cluster <cluster>, <seconds_since_push> seconds after its push (<from> to <to>)."
    }
    trouble = {
      outcomes = ["rolled-back", "failed"]
      text     = "<image> <outcome> on <service> in cluster <cluster> (<from> to <to>): <reason>."
    }
  }
}

resource "aws_cloudwatch_event_rule" "notifications" {
  for_each = { for kind, told in local.notifications : kind => told if var.enabled }

  name        = "${var.name}-${each.key}"
  description = "What people want to know of deployments, from ${var.name}."
  state       = var.notification_topic_arn == null ? "DISABLED" : "ENABLED"
  tags        = var.tags

  event_pattern = jsonencode({
    source = ["ecr-deploy"]
    detail = { function = [var.name], outcome = each.value.outcomes }
  })
}

resource "aws_cloudwatch_event_target" "notifications" {
  for_each = aws_cloudwatch_event_rule.notifications

  rule = each.value.name
  arn  = coalesce(var.notification_topic_arn, aws_sqs_queue.undelivered[0].arn)

  input_transformer {
    input_paths    = { for name in flatten(regexall("<([a-z_]+)>", local.notifications[each.key].text)) : name => "$.detail.${name}" }
    input_template = "\"${local.notifications[each.key].text}\"" # jsonencode would escape the brackets
  }

  dead_letter_config {
    arn = aws_sqs_queue.undelivered[0].arn
  }
}

# The function.

locals {
  log_group_name = "/aws/lambda/${var.name}"
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338: how long to keep the log is the user's choice (log_retention_days)
  count = var.enabled ? 1 : 0

  name              = local.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50: X-Ray needs permissions on "*", and the log tells all of a push in one line
  #checkov:skip=CKV_AWS_115: the queue's one message group lets one invocation run at a time; reserved ones would be taken from the account
  #checkov:skip=CKV_AWS_116: that is for asynchronous invocations; what a queue's batches could not do lies in the queue's own dead-letter queue
  #checkov:skip=CKV_AWS_117: it calls AWS's APIs and nothing in a VPC
  #checkov:skip=CKV_AWS_272: the zip comes with the module and is held byte for byte against its source; to sign it, users would have to host it
  count = var.enabled ? 1 : 0

  function_name    = var.name
  description      = "Rolls images pushed to ECR out to the ECS services that run them."
  role             = aws_iam_role.this[0].arn
  filename         = "${path.module}/lambda/ecr_deploy.zip"
  source_code_hash = filebase64sha256("${path.module}/lambda/ecr_deploy.zip")
  handler          = "ecr_deploy.handler.handler"
  runtime          = var.runtime
  architectures    = [var.architecture]
  memory_size      = var.memory_size
  timeout          = var.timeout
  kms_key_arn      = var.kms_key_arn
  tags             = var.tags

  environment {
    variables = {
      ECR_DEPLOY_SETTINGS = jsonencode(merge(local.settings, {
        queue_url             = aws_sqs_queue.this[0].url
        dead_letter_queue_url = aws_sqs_queue.dead_letter[0].url
      }))
    }
  }

  dynamic "vpc_config" {
    for_each = length(var.subnet_ids) > 0 ? ["this"] : []

    content {
      subnet_ids         = var.subnet_ids
      security_group_ids = var.security_group_ids
    }
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this[0].name
  }

  # An early invocation would otherwise lose its log, and Lambda would make a log group that Terraform does not own.
  # One in a VPC needs its interfaces as soon as it is made.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.log, aws_iam_role_policy.network]

  lifecycle {
    precondition {
      condition     = length(jsonencode(local.settings)) <= local.longest_settings
      error_message = "The settings are too long: Lambda takes 4 KiB in all, which leaves ${local.longest_settings} characters, but clusters and rules make them ${length(jsonencode(local.settings))} long. Write wildcards instead of lists of names, or use the module twice, with other names and rules."
    }

    precondition {
      condition     = local.length_of_policies <= local.longest_policies
      error_message = "The role's policies are too long: IAM takes 10,240 characters in all, which leaves ${local.longest_policies}, but clusters and the rules' registries and repositories make them ${local.length_of_policies} long. Write wildcards instead of lists of names, or use the module twice, with other names and rules."
    }
  }
}

locals {
  # Kept back from Lambda's 4 KiB: the variable's name and the two queues' URLs, which are unknown at plan.
  longest_settings = 4096 - 400

  # Kept back from IAM's limit: the policies whose length is always the same, of queue and log.
  longest_policies   = 10240 - 1200
  length_of_policies = length(join("", concat(aws_iam_role_policy.network[*].policy, aws_iam_role_policy.read[*].policy, aws_iam_role_policy.deploy[*].policy)))
}

resource "aws_lambda_event_source_mapping" "queue" {
  count = var.enabled ? 1 : 0

  event_source_arn        = aws_sqs_queue.this[0].arn
  function_name           = aws_lambda_function.this[0].arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  # Lambda refuses a mapping for a role that may not read the queue.
  depends_on = [aws_iam_role_policy.queue]
}
