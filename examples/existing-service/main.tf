terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

# Services that were there before, whoever manages them: nothing is deployed to one until its owner asks for it.
module "ecr_deploy" {
  source = "../.."

  name            = var.name
  clusters        = var.clusters
  require_opt_in  = true
  image_reference = "tag+digest"

  rules = [{
    repositories = var.repositories
    tags         = ["v*"]
  }]
}

variable "name" {
  description = "Name of everything. Default: \"existing\"."
  type        = string
  default     = "existing"
  nullable    = false
}

variable "clusters" {
  description = "Names of the clusters that the services are in."
  type        = list(string)
}

variable "repositories" {
  description = "Names of the repositories whose images they run."
  type        = list(string)
}

output "function_name" {
  description = "Name of ecr-deploy's function."
  value       = module.ecr_deploy.function_name
}
