output "cluster" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "service" {
  description = "Name of the service."
  value       = aws_ecs_service.this.name
}

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

output "image_parameter" {
  description = "Name of the parameter that says which image runs."
  value       = aws_ssm_parameter.image.name
}
