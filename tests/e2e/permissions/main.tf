# The module with each combination of features that tests were recorded with, to be planned for its policies.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

variable "combinations" {
  type = map(set(string))
}

variable "registries" {
  type = set(string)
}

variable "change_calendars" {
  type = list(string)
}

variable "topics" {
  type = list(string)
}

module "ecr_deploy" {
  source   = "../.."
  for_each = var.combinations

  name = each.key
  rules = [{
    registries = var.registries
    families   = contains(each.value, "families") ? ["*"] : []
    run_before = contains(each.value, "run_before") ? [for family in ["migrate", "nobody"] : { family = family, container = "main" }] : []

    max_scan_severity = contains(each.value, "max_scan_severity") ? "MEDIUM" : null

    promote_tag = contains(each.value, "promote_tag") ? "production" : null
  }]
  change_calendars   = contains(each.value, "change_calendars") ? var.change_calendars : []
  reconcile_schedule = "rate(15 minutes)"
  scheduled_tasks    = contains(each.value, "scheduled_tasks")
  codedeploy         = contains(each.value, "codedeploy")
  express_mode       = contains(each.value, "express_mode")
  daemons            = contains(each.value, "daemons")
  keep_revisions     = contains(each.value, "keep_revisions") ? 1 : null

  notifications          = contains(each.value, "notifications") ? { topic_arns = var.topics } : null
  image_parameter_prefix = contains(each.value, "image_parameter_prefix") ? "/images" : null
}
