variable "name" {
  description = "Name of the repository and of the service, and the beginning of all other names. Default: \"shop\"."
  type        = string
  default     = "shop"
  nullable    = false
}
