terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

# The default provider is the region of the registry, which has services, too.
provider "aws" {
  region = var.region
}

provider "aws" {
  alias  = "second"
  region = var.second_region
}

# A module for each region: ECS knows nothing across regions.
module "ecr_deploy" {
  source = "../.."

  name     = "${var.name}-deploy"
  clusters = [var.name]
  rules    = [{ repositories = [aws_ecr_repository.this.name] }]
}

module "ecr_deploy_second" {
  source    = "../.."
  providers = { aws = aws.second }

  name               = "${var.name}-deploy"
  clusters           = [var.name]
  reconcile_schedule = "rate(5 minutes)"

  # What goes there was live in the first region for so long.
  rules = [{
    repositories = [aws_ecr_repository.this.name]
    after        = { region = var.region, clusters = [var.name], live_minutes = var.soak_minutes }
  }]
}

resource "aws_ecr_repository" "this" {
  name         = var.name
  force_delete = true
}
