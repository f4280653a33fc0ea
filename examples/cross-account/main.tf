terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

# The default provider is the account of the clusters, where ecr-deploy lives: the module takes no other.
provider "aws" {}

provider "aws" {
  alias = "registry"

  assume_role {
    role_arn = var.registry_role_arn
  }
}

data "aws_caller_identity" "registry" {
  provider = aws.registry
}
