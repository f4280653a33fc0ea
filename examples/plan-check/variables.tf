variable "name" {
  description = "Name of everything. Default: \"checked\"."
  type        = string
  default     = "checked"
  nullable    = false
}

variable "clusters" {
  description = "Names of the clusters to deploy to. Default: [\"staging\", \"prod\"]."
  type        = list(string)
  default     = ["staging", "prod"]
  nullable    = false
}

variable "task_role_arns" {
  description = "ARNs of the roles of the tasks. Default: null, all roles of this account."
  type        = list(string)
  default     = null
}

variable "rules" {
  description = "The rules of ecr-deploy. Default: every build of main to staging, versions to prod."
  type        = any
  default = [
    { clusters = ["staging"], tags = ["main-*"] },
    { clusters = ["prod"], semver = ">=1.0.0" },
  ]
  nullable = false

  # A rule of this repository's own: nothing but versions reaches production.
  validation {
    condition     = alltrue([for rule in var.rules : !contains(try(rule.clusters, ["prod"]), "prod") || can(rule.semver)])
    error_message = "A rule allows more than versions into prod: give it semver, or name other clusters."
  }
}
