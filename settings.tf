# Where the module is, and what the function knows of its inputs, in one environment variable.

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
  dns_suffix = join("", data.aws_partition.this[*].dns_suffix)
}

locals {
  # Those of the function's settings.py, as a test checks. Lambda's 4 KiB are for what differs from them.
  defaults = {
    rules = {
      registries          = null
      repositories        = ["*"]
      tags                = ["*"]
      exclude_tags        = []
      semver              = null
      include_prereleases = false
      order_by            = null
      clusters            = ["*"]
      services            = ["*"]
      containers          = ["*"]
      families            = []
      change_calendars    = []
      minimum_image_age   = 0
      run_before          = []
      after               = null
      approval            = null
      max_scan_severity   = null
      promote_tag         = null

      scan_timeout_minutes = null
    }
    settings = {
      clusters                   = ["*"]
      image_reference            = "tag"
      base_revision              = "latest"
      enabled_tag_key            = "ecr-deploy:enabled"
      require_opt_in             = false
      change_calendars           = []
      dry_run                    = false
      reconcile                  = false
      rollback_on_failure        = false
      deployment_timeout_minutes = 30
      scheduled_tasks            = false
      codedeploy                 = false
      express_mode               = false
      daemons                    = false
      keep_revisions             = null
      max_services_at_once       = 0
      image_parameter_prefix     = null
      topic_arns                 = []
      chat_topic_arns            = []
    }
  }

  # The rules with all of their fields.
  rules = [for rule in var.rules : merge(local.defaults.rules, { for field, value in rule : field => value if value != null })]

  inputs = {
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
    express_mode               = var.express_mode
    daemons                    = var.daemons
    keep_revisions             = var.keep_revisions
    max_services_at_once       = var.max_services_at_once
    image_parameter_prefix     = var.image_parameter_prefix
    topic_arns                 = local.notifications.topic_arns
    chat_topic_arns            = local.notifications.chat_topic_arns
  }

  # Without the URLs of the queues, which are unknown at the first plan, and the name of the table.
  settings = merge(
    {
      account_id = local.account_id
      rules = [for rule in local.rules : {
        for field, value in rule : field => value if jsonencode(value) != jsonencode(local.defaults.rules[field])
      }]
    },
    {
      for name, value in local.inputs : name => value if jsonencode(value) != jsonencode(local.defaults.settings[name])
    },
  )

  # Kept back from Lambda's 4 KiB: the variable's name, the table's, and the two queues' URLs.
  settings_limit = 4096 - 470
  # In bytes, of which base64 makes four characters for three.
  settings_length = floor(length(base64encode(jsonencode(local.settings))) * 3 / 4)

  # Kept back from IAM's limit: the other policies, whose length hardly varies.
  policies_limit  = 10240 - 850 - (length(var.subnet_ids) > 0 ? 700 : 0)
  policies_length = length(join("", concat(aws_iam_role_policy.read[*].policy, aws_iam_role_policy.deploy[*].policy)))
}
