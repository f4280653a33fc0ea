output "pattern" {
  description = "The event pattern as JSON: the narrowest that is short enough."
  value       = [for pattern in local.patterns : pattern if length(pattern) <= var.longest][0]
}
