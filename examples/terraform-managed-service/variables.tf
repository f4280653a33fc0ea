variable "name" {
  description = "Name of the cluster, the service, its family and the repository. Default: \"managed\"."
  type        = string
  default     = "managed"
  nullable    = false
}

variable "log_level" {
  description = "What the container finds in its environment as LOG_LEVEL. Default: \"info\"."
  type        = string
  default     = "info"
  nullable    = false
}
