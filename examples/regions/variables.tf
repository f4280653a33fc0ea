variable "name" {
  description = "Name of the repository, and of the cluster and service in each region, and the beginning of all other names. Default: \"world\"."
  type        = string
  default     = "world"
  nullable    = false
}

variable "region" {
  description = "Region of the registry and of the first cluster. Default: \"eu-west-1\"."
  type        = string
  default     = "eu-west-1"
  nullable    = false
}

variable "second_region" {
  description = "Region of the second cluster. Default: \"us-east-1\"."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "soak_minutes" {
  description = "Minutes that an image must have been live in the first region before it goes to the second. Default: 30."
  type        = number
  default     = 30
  nullable    = false
}
