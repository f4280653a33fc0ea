output "repository" {
  description = "Name of the repository."
  value       = aws_ecr_repository.this.name
}

output "repository_url" {
  description = "What to push to, as in docker push REPOSITORY_URL:main-123."
  value       = aws_ecr_repository.this.repository_url
}

output "function_names" {
  description = "Names of ecr-deploy's functions, by environment."
  value = {
    staging    = module.staging.function_name
    production = module.production.function_name
  }
}
