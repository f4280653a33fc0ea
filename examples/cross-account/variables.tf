variable "registry_role_arn" {
  description = "ARN of the role with which Terraform works in the account of the registry."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Name of the repository, the cluster and the service, and the beginning of all other names. Default: \"shared\"."
  type        = string
  default     = "shared"
  nullable    = false
}
