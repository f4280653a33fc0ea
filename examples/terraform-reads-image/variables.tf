variable "name" {
  description = "Name of the cluster, the service, its family and the repository. Default: \"owned\"."
  type        = string
  default     = "owned"
  nullable    = false
}

variable "log_level" {
  description = "What the container finds in its environment as LOG_LEVEL. Default: \"info\"."
  type        = string
  default     = "info"
  nullable    = false
}
