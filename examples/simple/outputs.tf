output "cluster" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "repository" {
  description = "Name of the repository whose image \"api\" and \"web\" run."
  value       = aws_ecr_repository.app.name
}

output "repository_url" {
  description = "What to push to, as in docker push REPOSITORY_URL:v2."
  value       = aws_ecr_repository.app.repository_url
}

output "worker_repository" {
  description = "Name of the repository whose image \"worker\" runs."
  value       = aws_ecr_repository.worker.name
}

output "services" {
  description = "Names of the services."
  value       = values(aws_ecs_service.this)[*].name
}

output "function_name" {
  description = "Name of ecr-deploy's function."
  value       = module.ecr_deploy.function_name
}

output "queue_url" {
  description = "URL of the queue in which pushes wait."
  value       = module.ecr_deploy.queue_url
}

output "dead_letter_queue_url" {
  description = "URL of the queue in which pushes end that could not be deployed."
  value       = module.ecr_deploy.dead_letter_queue_url
}
