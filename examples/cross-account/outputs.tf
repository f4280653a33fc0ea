output "repository" {
  description = "Name of the repository."
  value       = aws_ecr_repository.this.name
}

output "repository_url" {
  description = "What to push to, as in docker push REPOSITORY_URL:v2."
  value       = aws_ecr_repository.this.repository_url
}

output "function_name" {
  description = "Name of ecr-deploy's function."
  value       = module.ecr_deploy.function_name
}

output "role_arn" {
  description = "ARN of its role."
  value       = module.ecr_deploy.role_arn
}

output "execution_role_arn" {
  description = "ARN of the role that pulls the images."
  value       = aws_iam_role.execution.arn
}
