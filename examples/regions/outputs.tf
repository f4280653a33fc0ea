output "repository" {
  description = "Name of the repository."
  value       = aws_ecr_repository.this.name
}

output "repository_url" {
  description = "What to push to, as in docker push REPOSITORY_URL:v1."
  value       = aws_ecr_repository.this.repository_url
}

output "function_name" {
  description = "Name of ecr-deploy's function, which is the same in both regions."
  value       = module.ecr_deploy.function_name
}
