variable "name" {
  description = "Name of the repository and of the service, and the beginning of all other names. Default: \"shop\"."
  type        = string
  default     = "shop"
  nullable    = false
}

variable "soak_minutes" {
  description = "For how many minutes an image must have been live in staging before it may go on. Default: 60."
  type        = number
  default     = 60
  nullable    = false
}
