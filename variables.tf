variable "enabled" {
  description = "Whether anything is created at all. Default: true."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of every resource; two instances in one account and region need two names. Default: \"ecr-deploy\"."
  type        = string
  default     = "ecr-deploy"
  nullable    = false

  # The tightest of all limits is a role's 64 characters, which hold the region as well.
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,48}$", var.name))
    error_message = "name is ${jsonencode(var.name)}, but must be 1 to 48 letters, digits, hyphens and underscores: shorten it, or replace the other characters."
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
    Which push goes where: to every service that any rule lets it. All fields of a rule narrow it. Default: [{}], every
    push to every service in scope that runs the image.
    - clusters: globs (*, ? and [...]) of ECS cluster names. Default: ["*"].
    - services: globs of ECS service names. Default: ["*"].
  EOT
  type = list(object({
    clusters = optional(list(string), ["*"])
    services = optional(list(string), ["*"])
  }))
  default  = [{}]
  nullable = false

  validation {
    condition     = length(var.rules) > 0
    error_message = "rules is empty, so that no push would ever be deployed: write a rule, or leave it out to deploy every push."
  }

  validation {
    condition = alltrue(flatten([for rule in var.rules : [for field in local.rule_globs : length(rule[field]) > 0]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [
      for field in local.rule_globs : "rules[${index}].${field} is empty, so that the rule reaches nothing: name some, or leave it out to reach all."
      if length(rule[field]) == 0
    ]]))
  }

  validation {
    condition = alltrue(flatten([for rule in var.rules : [for field in local.rule_globs : [
      for glob in rule[field] : can(regex(local.glob, glob))
    ]]]))
    error_message = join("\n", flatten([for index, rule in var.rules : [for field in local.rule_globs : [
      for glob in rule[field] : "rules[${index}].${field} holds ${jsonencode(glob)}, which is no glob of names: ${local.glob_fix}."
      if !can(regex(local.glob, glob))
    ]]]))
  }
}

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

variable "dry_run" {
  description = "Whether the function only reports what it would do. Its role then has no permission to write to ECS. Default: false."
  type        = bool
  default     = false
  nullable    = false
}

variable "pass_role_arns" {
  description = "ARNs of the task and execution roles that the function may pass on, to ECS tasks only; * and ? are wildcards. Default: null, all roles of this account."
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

variable "tags" {
  description = "Tags of every resource that can have them. Default: {}."
  type        = map(string)
  default     = {}
  nullable    = false
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
  description = "ARN of the KMS key that encrypts queues, logs and the function's environment. Its policy must let events.amazonaws.com use kms:Decrypt and kms:GenerateDataKey, and logs.REGION.amazonaws.com what CloudWatch Logs asks for. Default: null, keys that AWS manages."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn is ${jsonencode(var.kms_key_arn)}, but must be the ARN of a key: give the attribute arn of an aws_kms_key, not an alias or an id."
  }
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

variable "memory_size" {
  description = "Memory of the function in MiB, 128 to 10240; its share of CPU grows with it. Default: 256."
  type        = number
  default     = 256
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

locals {
  glob     = "^([A-Za-z0-9_*?-]|\\[!?[A-Za-z0-9_-]+\\])+$"
  glob_fix = "write letters, digits, hyphens and underscores, and among them the wildcards *, ? and [...], as in \"prod-*\""

  # The fields of a rule that are lists of globs, of which none may be empty.
  rule_globs = ["clusters", "services"]
}
