# The module as people call it, to be planned: with a cluster that it depends on, and with values that are unknown at plan.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

variable "inputs" {
  description = "Inputs of the module, by instance."
  type        = any
  default     = { plans = {} }
}

variable "unknown" {
  description = "Inputs of an instance whose values, null or not, are unknown at plan. Default: null, no such instance."
  type        = any
  default     = null
}

variable "team" {
  description = "A tag of the cluster."
  type        = string
  default     = "one"
}

resource "aws_ecs_cluster" "this" {
  name = "plans"
  tags = { team = var.team }
}

module "ecr_deploy" {
  source   = "../.."
  for_each = var.inputs

  name               = each.key
  enabled            = lookup(each.value, "enabled", true)
  clusters           = lookup(each.value, "clusters", ["*"])
  rules              = lookup(each.value, "rules", [{}])
  dry_run            = lookup(each.value, "dry_run", false)
  codedeploy         = lookup(each.value, "codedeploy", false)
  keep_revisions     = lookup(each.value, "keep_revisions", null)
  reconcile_schedule = lookup(each.value, "reconcile_schedule", null)
  alarms             = lookup(each.value, "alarms", null)
  notifications      = lookup(each.value, "notifications", null)
  dashboard          = true

  depends_on = [aws_ecs_cluster.this]
}

resource "terraform_data" "unknown" {
  input = var.unknown
}

module "unknown" {
  source = "../.."
  count  = var.unknown == null ? 0 : 1

  name                   = "unknown"
  clusters               = terraform_data.unknown.output.clusters
  rules                  = [{ repositories = terraform_data.unknown.output.repositories, semver = terraform_data.unknown.output.semver }, {}]
  enabled_tag_key        = terraform_data.unknown.output.enabled_tag_key
  subnet_ids             = terraform_data.unknown.output.subnet_ids
  security_group_ids     = terraform_data.unknown.output.security_group_ids
  reconcile_schedule     = terraform_data.unknown.output.reconcile_schedule
  change_calendars       = terraform_data.unknown.output.change_calendars
  alarms                 = terraform_data.unknown.output.alarms
  notifications          = terraform_data.unknown.output.notifications
  kms_key_arn            = terraform_data.unknown.output.kms_key_arn
  keep_revisions         = terraform_data.unknown.output.keep_revisions
  image_parameter_prefix = terraform_data.unknown.output.image_parameter_prefix
  pass_role_arns         = terraform_data.unknown.output.pass_role_arns
  permissions_boundary   = terraform_data.unknown.output.permissions_boundary
  tags                   = terraform_data.unknown.output.tags
}

variable "elsewhere" {
  description = "Whether there is an instance in another region, by an alias of the provider. Default: false."
  type        = bool
  default     = false
}

provider "aws" {
  alias  = "elsewhere"
  region = "us-east-1"
}

module "elsewhere" {
  source = "../.."
  count  = var.elsewhere ? 1 : 0

  providers = {
    aws = aws.elsewhere
  }

  name = "elsewhere"
}
