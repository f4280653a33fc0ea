# Scope: what is deployed, and where.

variable "enabled" {
  description = "Whether anything is created at all. Default: true."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of every resource; two instances in one account and region need two names. To change it makes everything anew: what waits in the queues is lost, and so are the table and the log. Default: \"ecr-deploy\"."
  type        = string
  default     = "ecr-deploy"
  nullable    = false

  # The tightest of all limits are a role's 64 characters, which hold the region as well, and a table's 3.
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{3,48}$", var.name))
    error_message = "name is ${jsonencode(var.name)}, but must be 3 to 48 letters, digits, hyphens and underscores: change its length, or replace the other characters."
  }
}

variable "clusters" {
  description = "Globs (*, ? and [...]) of the names of the ECS clusters in scope, whatever the rules say. The function's role reaches no others. Default: [\"*\"], all of this account and region."
  type        = list(string)
  default     = ["*"]
  nullable    = false

  validation {
    condition     = length(var.clusters) > 0
    error_message = "clusters is empty, so that no service would ever be updated: name clusters, or leave it out to cover all."
  }

  validation {
    condition = alltrue([for glob in var.clusters : can(regex(local.glob, glob))])
    error_message = join("\n", [
      for glob in var.clusters : "clusters holds ${jsonencode(glob)}, which is no glob of cluster names: ${local.glob_fix}."
      if !can(regex(local.glob, glob))
    ])
  }
}

variable "rules" {
  description = <<-EOT
    Which push goes where: to every service to which any rule allows it. All fields of a rule narrow it. Globs are
    case-sensitive, with the wildcards *, ? and [...]. Default: [{}], every push to this account's registry to every
    service in scope that runs the image.
    - registries: ids of the accounts whose registries' pushes count. Default: null, this account alone.
    - repositories: globs of ECR repository names. Default: ["*"].
    - tags: globs of image tags. Default: ["*"].
    - exclude_tags: globs of image tags that are not deployed. Default: [].
    - semver: range of semantic versions, as in "^1.4" or ">=1.4.0 <2.0.0"; a lower version then never replaces a higher
      one. Default: null, any tag.
    - include_prereleases: whether a range takes pre-releases that it does not name. Default: false.
    - order_by: object with pattern, a regular expression with one group, and type, "number" or "text": what the group
      captures orders the tags, as a build number or a date, and a lower one never replaces a higher one; a tag in which
      it captures nothing is not deployed. Default: null, by the time of the push.
    - clusters: globs of ECS cluster names. Default: ["*"].
    - services: globs of ECS service names, and of daemons as daemon/NAME. Default: ["*"].
    - containers: globs of the names of containers in task definitions. Default: ["*"].
    - families: globs of the families of task definitions that no service runs. Default: [].
    - change_calendars: names or ARNs of Systems Manager change calendars that hold pushes back while CLOSED, beside
      those of the module. Default: [].
    - minimum_image_age: minutes that an image must be old before it is deployed. Default: 0.
    - run_before: list of objects, tasks that must end with exit code 0 with the image, once in each cluster, before services
      there get it: family and container of the task definition, command (default: the container's), timeout_minutes
      (default: 15), launch_type and network_configuration with subnets, security_groups and assign_public_ip (default:
      those of the first service that the push reaches). Default: [].
    - after: object with clusters and services, globs of a stage, and live_minutes: the same image must have been live for
      so many minutes, 0 unless given, on every service there that runs its repository, and rolled back on none. Services
      that opted out or are pinned are not asked. With region, the stage is in another region, from which an EventBridge
      rule must send the events of ecr-deploy to this one's default event bus. Default: null, none.
    - approval: object with expires_hours: the image must be approved by a request, within so many hours of the push if
      they are given. {} is one that never expires. Default: null, none.
    - max_scan_severity: the greatest severity that ECR's scan may have found in an image, one of NONE, UNTRIAGED,
      UNDEFINED, INFORMATIONAL, LOW, MEDIUM, HIGH and CRITICAL: what was not scanned yet waits, and what has worse findings
      is skipped until a later scan finds less. Default: null, scans don't matter.
    - scan_timeout_minutes: minutes after its push in which an image must have been scanned, or else its push has failed.
      Default: null, it waits.
    - promote_tag: image tag that an image gets in ECR once it is live on every service of the rule that runs its
      repository; pushes of this tag start nothing. Default: null, none.
  EOT
  type        = any
  default     = [{}]
  nullable    = false

  validation {
    condition = startswith(jsonencode(var.rules), "[") && alltrue([for rule in var.rules : rule != null && can(keys(rule))])
    error_message = startswith(jsonencode(var.rules), "[") ? join("\n", [
      for index, rule in var.rules : "rules[${index}] is ${jsonencode(rule)}, but must be an object: write its fields in braces, or {} for every default."
      if !can(keys(rule))
    ]) : "rules must be a list of objects: write [{ ... }]."
  }

  validation {
    condition     = length(var.rules) > 0
    error_message = "rules is empty, so that no push would ever be deployed: write a rule, or leave it out to deploy every push."
  }

  # merge() makes nothing of null, and looks into rules whose values are not all known yet, where try() would wait.
  validation {
    condition = alltrue(flatten([for rule in var.rules : [
      for field in keys(merge({}, rule)) : contains(keys(local.fields["rules[*]"]), field)
    ]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [
      for field in keys(merge({}, rule)) : "rules[${index}] has no field ${field}; it may have ${join(", ", keys(local.fields["rules[*]"]))}."
      if !contains(keys(local.fields["rules[*]"]), field)
    ]]))
  }

  validation {
    condition = alltrue(flatten([for rule in var.rules : [for field, value in merge({}, rule) :
      value == null || can(regex(local.types[lookup(local.fields["rules[*]"], field, "string")], jsonencode(value)))
      if contains(keys(local.fields["rules[*]"]), field)
    ]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [
      for field, value in merge({}, rule) : "rules[${index}].${field} is ${jsonencode(value)}, but must be a ${local.fields["rules[*]"][field]}."
      if value != null && try(!can(regex(local.types[local.fields["rules[*]"][field]], jsonencode(value))), false)
    ]]))
  }

  validation {
    condition = alltrue(flatten([for rule in var.rules : [
      for field, value in merge({}, rule) : jsonencode(value) != "[]" if contains(local.never_empty, field)
    ]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [
      for field, value in merge({}, rule) : "rules[${index}].${field} is empty, so that the rule reaches nothing: name some, or leave it out for its default."
      if contains(local.never_empty, field) && jsonencode(value) == "[]"
    ]]))
  }

  validation {
    condition = alltrue(flatten([for rule in var.rules : [for field, value in merge({}, rule) : [
      for text in flatten([value]) : can(regex(local.grammars[field].pattern, text)) if value != null
    ] if contains(keys(local.grammars), field)]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [for field, value in merge({}, rule) : [
      for text in flatten([value]) : join(" ", [
        "rules[${index}].${field} ${startswith(local.fields["rules[*]"][field], "list") ? "holds" : "is"}",
        "${replace(replace(jsonencode(text), "\\u003c", "<"), "\\u003e", ">")}, ${local.grammars[field].fault}.",
      ]) if value != null && !can(regex(local.grammars[field].pattern, text))
    ] if contains(keys(local.grammars), field)]]))
  }

  # A search that is not held at the start begins anew at each character.
  validation {
    condition = alltrue(flatten([for rule in var.rules : [for field, value in merge({}, rule) : try(
      keys(value) == ["pattern", "type"] && can(regex(local.order_by[value.type], value.pattern)) && can(regexall(value.pattern, ""))
      && length(value.pattern) <= 256
      && length(regexall("[*+,]", value.pattern)) <= (startswith(value.pattern, "^") ? 4 : 3)
      && length(regexall("[?|]", replace(value.pattern, "(?", ""))) <= 4,
      false
    ) if field == "order_by" && value != null]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [for field, value in merge({}, rule) : join(" ", [
      "rules[${index}].order_by is ${replace(replace(jsonencode(value), "\\u003c", "<"), "\\u003e", ">")}, which can't order tags: write",
      "{ pattern = \"^main-([0-9]+)$\", type = \"number\" }, with one group that captures what counts, digits for a number;",
      "the pattern may have letters, digits, ., _, -, \\d, \\w, [...], few of *, +, ? or {n,m}, and choices (?:a|b).",
      ]) if field == "order_by" && value != null && !try(
      keys(value) == ["pattern", "type"] && can(regex(local.order_by[value.type], value.pattern)) && can(regexall(value.pattern, ""))
      && length(value.pattern) <= 256
      && length(regexall("[*+,]", value.pattern)) <= (startswith(value.pattern, "^") ? 4 : 3)
      && length(regexall("[?|]", replace(value.pattern, "(?", ""))) <= 4,
      false
    )]]))
  }

  validation {
    condition = alltrue(flatten([for rule in var.rules : [
      for field, value in merge({}, rule) : try(value >= 0 && floor(value) == value, true) if contains(local.whole_minutes, field)
    ]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [
      for field, value in merge({}, rule) : "rules[${index}].${field} is ${jsonencode(value)}, but must be a whole number of minutes: write 0 or more."
      if contains(local.whole_minutes, field) && try(!(value >= 0 && floor(value) == value), false)
    ]]))
  }

  validation {
    condition = alltrue(flatten([for rule in var.rules : [
      for task in try(rule.run_before, null) == null ? [] : rule.run_before : [
        alltrue([for field in keys(task) : contains(local.task_fields, field)]),
        alltrue([for field in local.task_needs : can(regex("^[A-Za-z0-9_-]{1,255}$", task[field]))]),
        try(task.command, null) == null || can([for word in task.command : regex("", word)]),
        try(task.timeout_minutes, null) == null || try(task.timeout_minutes >= 1 && floor(task.timeout_minutes) == task.timeout_minutes, false),
        try(task.launch_type, null) == null || contains(local.task_launch_types, try(task.launch_type, "")),
        try(task.network_configuration, null) == null || try(length(task.network_configuration.subnets) > 0 && alltrue([for name in keys(task.network_configuration) : contains(local.task_network_names, name)]), false),
      ]
    ]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [
      for number, task in try(rule.run_before, null) == null ? [] : rule.run_before :
      "rules[${index}].run_before[${number}] is ${jsonencode(task)}, but must name family and container, each by letters, digits, hyphens and underscores, and may have command (a list of texts), timeout_minutes (a whole number from 1), launch_type (${join(", ", local.task_launch_types)}) and network_configuration (with subnets, and ${join(" and ", slice(local.task_network_names, 1, 3))}); nothing else."
    ]]))
  }

  validation {
    condition = var.reconcile_schedule != null || alltrue(flatten([for rule in var.rules : [
      for field, value in merge({}, rule) : contains(["null", "0", "[]"], jsonencode(value)) if contains(local.waiting, field)
    ]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [
      for field, value in merge({}, rule) : "rules[${index}].${field} makes pushes wait, but nothing would deploy them later: set reconcile_schedule, as in \"rate(15 minutes)\"."
      if contains(local.waiting, field) && !contains(["null", "0", "[]"], jsonencode(value))
    ]]))
  }
}

variable "enabled_tag_key" {
  description = "Key of the tag by which a service or a cluster opts out (\"false\", \"no\", \"off\" or \"0\", in any case) or in (\"true\", \"yes\", \"on\" or \"1\"); one with any other value is not managed. Default: \"ecr-deploy:enabled\"."
  type        = string
  default     = "ecr-deploy:enabled"
  nullable    = false

  validation {
    condition     = can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,128}$", var.enabled_tag_key)) && !startswith(lower(var.enabled_tag_key), "aws:")
    error_message = "enabled_tag_key is ${jsonencode(var.enabled_tag_key)}, which is no tag key: write 1 to 128 letters, digits, spaces and _ . : / = + - @, and no aws: in front."
  }

  validation {
    condition     = var.enabled_tag_key != "ecr-deploy:pinned"
    error_message = "enabled_tag_key is \"ecr-deploy:pinned\", which holds a service where it is: write another key."
  }
}

variable "require_opt_in" {
  description = "Whether only services are in scope that have the tag of enabled_tag_key with the value \"true\", or whose cluster has it. Default: false."
  type        = bool
  default     = false
  nullable    = false
}

# Policy: how and when it is deployed.

variable "image_reference" {
  description = "How a new image is written into task definitions: \"tag\" (repo:v2), \"digest\" (repo@sha256:...) or \"tag+digest\" (repo:v2@sha256:...). Default: \"tag\"."
  type        = string
  default     = "tag"
  nullable    = false

  validation {
    condition     = contains(["tag", "digest", "tag+digest"], var.image_reference)
    error_message = "image_reference is ${jsonencode(var.image_reference)}, but must be \"tag\", \"digest\" or \"tag+digest\"."
  }
}

variable "base_revision" {
  description = "What a new revision starts from: \"latest\", the family's newest active revision, so that settings from Terraform come with the next push, or \"running\", what the service runs. Default: \"latest\"."
  type        = string
  default     = "latest"
  nullable    = false

  validation {
    condition     = contains(["latest", "running"], var.base_revision)
    error_message = "base_revision is ${jsonencode(var.base_revision)}, but must be \"latest\" or \"running\"."
  }
}

variable "max_services_at_once" {
  description = "Number of services that a push, a request or a scheduled run may update at once: one that would update more waits for an approval. Default: 0, any number."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.max_services_at_once >= 0 && floor(var.max_services_at_once) == var.max_services_at_once
    error_message = "max_services_at_once is ${var.max_services_at_once}, but must be a whole number of services: write 1 or more, or 0 for any number."
  }
}

variable "change_calendars" {
  description = "Names or ARNs of AWS Systems Manager change calendars: while one of them is CLOSED, pushes wait; needs reconcile_schedule. Default: [], none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([for name in var.change_calendars : can(regex(local.calendar, name))])
    error_message = join("\n", [
      for name in var.change_calendars : "change_calendars holds ${jsonencode(name)}, ${local.calendar_fault}." if !can(regex(local.calendar, name))
    ])
  }

  validation {
    condition     = length(var.change_calendars) == 0 || var.reconcile_schedule != null
    error_message = "change_calendars makes pushes wait, but nothing would deploy them when a calendar opens: set reconcile_schedule, as in \"rate(15 minutes)\"."
  }
}

variable "reconcile_schedule" {
  description = "Schedule, as EventBridge writes it (\"rate(15 minutes)\" or \"cron(...)\"), on which pushes whose events were lost, or that had to wait, are found in ECR and deployed. Default: null, never."
  type        = string
  default     = null

  validation {
    condition     = var.reconcile_schedule == null || can(regex(local.schedule, var.reconcile_schedule))
    error_message = "reconcile_schedule is ${jsonencode(var.reconcile_schedule)}, which is no schedule: write \"rate(15 minutes)\", \"rate(1 hour)\" or \"cron(0 6 * * ? *)\", whose third or fifth field must be a question mark."
  }
}

variable "rollback_on_failure" {
  description = "Whether a rollout that fails, or is not live after deployment_timeout_minutes, is rolled back, where the service has no circuit breaker or alarm that does it. Default: false."
  type        = bool
  default     = false
  nullable    = false
}

variable "deployment_timeout_minutes" {
  description = "Minutes in which a rollout must be live, 5 to 1440, for rollback_on_failure. Default: 30."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.deployment_timeout_minutes >= 5 && var.deployment_timeout_minutes <= 1440 && floor(var.deployment_timeout_minutes) == var.deployment_timeout_minutes
    error_message = "deployment_timeout_minutes is ${var.deployment_timeout_minutes}, but must be a whole number of minutes from 5 to 1440."
  }
}

variable "dry_run" {
  description = "Whether the function only reports what it would do. Its role then has no permission to write to ECS. Default: false."
  type        = bool
  default     = false
  nullable    = false
}

# Features beside services that ECS rolls out.

variable "scheduled_tasks" {
  description = "Whether EventBridge rules and EventBridge Scheduler schedules that start a revision of a family in the clusters in scope are moved to its new one. Default: false."
  type        = bool
  default     = false
  nullable    = false
}

variable "codedeploy" {
  description = "Whether services that CodeDeploy rolls out are deployed, through their deployment group. Default: false, they are not managed."
  type        = bool
  default     = false
  nullable    = false
}

variable "express_mode" {
  description = "Whether services in ECS Express Mode are deployed. Default: false, they are not managed."
  type        = bool
  default     = false
  nullable    = false
}

variable "daemons" {
  description = "Whether ECS Managed Daemons are deployed: each counts as a service whose name begins with daemon/, in rules and everywhere else. Default: false, they are not managed."
  type        = bool
  default     = false
  nullable    = false
}

variable "keep_revisions" {
  description = "Number of the function's own newest revisions of a family, from 1, that stay when a new one is live; older ones are deregistered, but never one that a service, a deployment or a scheduled task uses. The function then reads the services of all clusters, which may share a family. Default: null, all stay."
  type        = number
  default     = null

  validation {
    condition     = var.keep_revisions == null || try(var.keep_revisions >= 1 && floor(var.keep_revisions) == var.keep_revisions, false)
    error_message = "keep_revisions is ${jsonencode(var.keep_revisions)}, but must be a whole number from 1: leave it out to keep all."
  }
}

variable "image_parameter_prefix" {
  description = "Path in Systems Manager's Parameter Store under which the function writes which image each container of a service runs, as PREFIX/CLUSTER/SERVICE/CONTAINER, for Terraform to read it back. Default: null, none."
  type        = string
  default     = null

  # https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html: 15 levels in all.
  validation {
    condition     = var.image_parameter_prefix == null || can(regex("^(/[A-Za-z0-9_.-]+){1,12}$", var.image_parameter_prefix)) && !can(regex("^/(?i:aws|ssm)", var.image_parameter_prefix))
    error_message = "image_parameter_prefix is ${jsonencode(var.image_parameter_prefix)}, but must be a path of 1 to 12 levels, such as \"/ecr-deploy/images\", that ends without a slash and begins with neither /aws nor /ssm."
  }
}

# Observability.

variable "notifications" {
  description = <<-EOT
    Notifications of pushes: that one begins to be rolled out, the first rollout of it that fails, what came of all
    its rollouts, and what waits for an approval or at a hook. Default: null, nothing.
    - topic_arns: ARNs of the SNS topics that get it in plain text, with a subject, for mail. Default: [], none.
    - chat_topic_arns: ARNs of the SNS topics that get it as custom notifications of Amazon Q Developer in chat
      applications, for Slack and Microsoft Teams. Default: [], none.
  EOT
  type        = any
  default     = null

  validation {
    condition     = var.notifications == null || can(keys(var.notifications))
    error_message = "notifications is ${jsonencode(var.notifications)}, but must be an object: write { topic_arns = [...] }, { chat_topic_arns = [...] } or both."
  }

  validation {
    condition = alltrue([for field in keys(try(merge({}, var.notifications), {})) : contains(keys(local.fields.notifications), field)])
    error_message = join("\n", [
      for field in keys(try(merge({}, var.notifications), {})) : "notifications has no field ${field}; it may have ${join(", ", keys(local.fields.notifications))}."
      if !contains(keys(local.fields.notifications), field)
    ])
  }

  validation {
    condition = alltrue([for field, value in try(merge({}, var.notifications), {}) : value == null || can(regex(local.types["list(string)"], jsonencode(value)))])
    error_message = join("\n", [
      for field, value in try(merge({}, var.notifications), {}) : "notifications.${field} is ${jsonencode(value)}, but must be a list(string)."
      if value != null && !can(regex(local.types["list(string)"], jsonencode(value)))
    ])
  }

  validation {
    condition = alltrue(flatten([for value in try(merge({}, var.notifications), {}) : [for arn in try(tolist(value), []) : can(regex(local.topic, arn))]]))
    error_message = join("\n", flatten([for field, value in try(merge({}, var.notifications), {}) : [
      for arn in try(tolist(value), []) : "notifications.${field} holds ${jsonencode(arn)}, ${local.topic_fault}." if !can(regex(local.topic, arn))
    ]]))
  }
}

variable "alarms" {
  description = <<-EOT
    CloudWatch alarms: on dead letters, failures, rollouts that fail or are rolled back, pushes that wait for too long, the
    age of the oldest message, and reconciliations that do not succeed. Default: null, none.
    - topic_arns: ARNs of the SNS topics that are notified when an alarm fires and when it is over, five at most; those with
      a policy or a key of their own must let cloudwatch.amazonaws.com use it. Default: [], none.
    - waiting_hours: hours since its push, from 1 to 8760, for which a push may wait, for a gate or an approval, before the
      alarm fires; looked at by the scheduled run. Default: 24.
  EOT
  type        = any
  default     = null

  validation {
    condition     = var.alarms == null || can(keys(var.alarms))
    error_message = "alarms is ${jsonencode(var.alarms)}, but must be an object: write { topic_arns = [...] }, or {} for alarms that notify nobody."
  }

  validation {
    condition = alltrue([for field in keys(merge({}, var.alarms)) : contains(keys(local.fields.alarms), field)])
    error_message = join("\n", [
      for field in keys(merge({}, var.alarms)) : "alarms has no field ${field}; it may have ${join(", ", keys(local.fields.alarms))}."
      if !contains(keys(local.fields.alarms), field)
    ])
  }

  validation {
    condition     = try(var.alarms.topic_arns, null) == null || can(regex(local.types["list(string)"], jsonencode(var.alarms.topic_arns)))
    error_message = "alarms.topic_arns is ${try(jsonencode(var.alarms.topic_arns), "null")}, but must be a list(string)."
  }

  validation {
    condition = alltrue([for arn in try(tolist(var.alarms.topic_arns), []) : can(regex(local.topic, arn))])
    error_message = join("\n", [
      for arn in try(tolist(var.alarms.topic_arns), []) : "alarms.topic_arns holds ${jsonencode(arn)}, ${local.topic_fault}."
      if !can(regex(local.topic, arn))
    ])
  }

  validation {
    condition     = try(var.alarms.waiting_hours, null) == null || can(regex("^([1-9][0-9]{0,2}|[1-7][0-9]{3}|8[0-6][0-9]{2}|87[0-5][0-9]|8760)$", jsonencode(var.alarms.waiting_hours)))
    error_message = "alarms.waiting_hours is ${try(jsonencode(var.alarms.waiting_hours), "null")}, but must be a whole number of hours from 1 to 8760."
  }

  validation {
    condition     = try(length(tolist(var.alarms.topic_arns)) <= 5, true)
    error_message = "alarms.topic_arns holds ${try(length(var.alarms.topic_arns), 0)} topics, but CloudWatch notifies at most 5: subscribe the others to one of them."
  }
}

variable "dashboard" {
  description = "Whether there is a CloudWatch dashboard: what was deployed, what failed, and how long it took. Default: false."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "Days for which the function's log is kept; 0 is for ever. Default: 30."
  type        = number
  default     = 30
  nullable    = false

  # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is ${var.log_retention_days}, which CloudWatch Logs does not offer: take 0 (for ever), 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

# Function: its role, encryption, network and size.

variable "pass_role_arns" {
  description = "ARNs of the roles that the function may pass on: task and execution roles to ECS tasks, and with scheduled_tasks those that start tasks to EventBridge; * and ? are wildcards. Default: null, all roles of this account."
  type        = list(string)
  default     = null

  validation {
    condition     = var.pass_role_arns == null || try(length(var.pass_role_arns) > 0, false)
    error_message = "pass_role_arns is empty, so that no task definition with a role could be registered: name the roles, or leave it out to allow all roles of this account."
  }

  validation {
    condition     = alltrue([for arn in coalesce(var.pass_role_arns, []) : can(regex("^arn:[^:]+:iam::[^:]+:role/.+$", arn))])
    error_message = "pass_role_arns holds what is no role's ARN: ${join(", ", [for arn in coalesce(var.pass_role_arns, []) : jsonencode(arn) if !can(regex("^arn:[^:]+:iam::[^:]+:role/.+$", arn))])}. Give ARNs such as the attribute arn of an aws_iam_role."
  }
}

variable "role_path" {
  description = "Path of the function's role. Default: \"/\"."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-~]{0,510}/)?$", var.role_path))
    error_message = "role_path is ${jsonencode(var.role_path)}, but must begin and end with a slash: write it as in \"/teams/platform/\"."
  }
}

variable "permissions_boundary" {
  description = "ARN of the policy that bounds the function's role. Default: null, none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:[^:]+:iam::[^:]+:policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary is ${jsonencode(var.permissions_boundary)}, but must be the ARN of a policy: give the attribute arn of an aws_iam_policy."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts table, queues, logs and the function's environment. Its policy must let events.amazonaws.com use kms:Decrypt and kms:GenerateDataKey, and logs.REGION.amazonaws.com what CloudWatch Logs asks for. Default: null, keys that AWS manages."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn is ${jsonencode(var.kms_key_arn)}, but must be the ARN of a key: give the attribute arn of an aws_kms_key, not an alias or an id."
  }
}

variable "deletion_protection" {
  description = "Whether the table is protected against deletion: then it has to be switched off, and applied, before it can be destroyed. Default: false."
  type        = bool
  default     = false
  nullable    = false
}

variable "subnet_ids" {
  description = "Ids of the subnets in which the function runs; from there it must reach the APIs of SQS, DynamoDB, ECS, ECR, EventBridge and whatever else its inputs make it use, by endpoints or a NAT gateway. Default: [], in no VPC."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "security_group_ids" {
  description = "Ids of the function's security groups in those subnets; it needs to reach port 443, and nobody needs to reach it. Default: []."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = (length(var.subnet_ids) > 0) == (length(var.security_group_ids) > 0)
    error_message = "subnet_ids has ${length(var.subnet_ids)} and security_group_ids ${length(var.security_group_ids)} elements, but the function needs both to run in a VPC: name both, or neither."
  }
}

variable "memory_size" {
  description = "Memory of the function in MiB, 128 to 10240; its share of CPU grows with it. Default: 512."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size is ${var.memory_size}, but must be a whole number of MiB from 128 to 10240."
  }
}

variable "timeout" {
  description = "Seconds that one invocation may take, 30 to 900; a longer rollout goes on in the next one. Default: 300."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.timeout >= 30 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout is ${var.timeout}, but must be a whole number of seconds from 30 to 900."
  }
}

variable "architecture" {
  description = "Processor of the function: \"arm64\" or \"x86_64\". Default: \"arm64\"."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture is ${jsonencode(var.architecture)}, but must be \"arm64\" or \"x86_64\"."
  }
}

variable "runtime" {
  description = "Lambda runtime of the function, python3.11 or newer. Default: \"python3.13\"."
  type        = string
  default     = "python3.13"
  nullable    = false

  validation {
    condition     = can(regex("^python3\\.(1[1-9]|[2-9][0-9])$", var.runtime))
    error_message = "runtime is ${jsonencode(var.runtime)}, but must be python3.11 or newer."
  }
}

variable "tags" {
  description = "Tags of every resource that can have them. Default: {}."
  type        = map(string)
  default     = {}
  nullable    = false
}
