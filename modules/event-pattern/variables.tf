variable "rules" {
  description = "The rules, as in the module that this one belongs to, with every registry named."
  type = list(object({
    registries   = list(string)
    repositories = list(string)
    tags         = list(string)
    semver       = optional(string)
  }))
  nullable = false
}

variable "longest" {
  description = "Characters that the pattern may have. Default: 2048, what EventBridge takes."
  type        = number
  default     = 2048
  nullable    = false
}
