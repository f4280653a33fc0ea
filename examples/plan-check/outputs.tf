output "function_name" {
  description = "Name of ecr-deploy's function."
  value       = module.ecr_deploy.function_name
}

output "role_arn" {
  description = "ARN of its role."
  value       = module.ecr_deploy.role_arn
}
