variable "name" {
  description = "Name of the cluster and of the application's repository, and the beginning of all other names. Default: \"simple\"."
  type        = string
  default     = "simple"
  nullable    = false
}
