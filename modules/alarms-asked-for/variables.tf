variable "alarms" {
  description = "The input of the same name, of the module that this one belongs to."
  type = object({
    topic_arns    = optional(list(string))
    waiting_hours = optional(number)
  })
  default = null
}
