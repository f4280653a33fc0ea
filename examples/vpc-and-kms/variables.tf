variable "name" {
  description = "Name of everything. Default: \"private\"."
  type        = string
  default     = "private"
  nullable    = false
}
