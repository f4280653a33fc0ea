terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

module "ecr_deploy" {
  source = "../.."

  name                 = "${var.name}-deploy"
  clusters             = [aws_ecs_cluster.this.name]
  subnet_ids           = [aws_subnet.this.id]
  security_group_ids   = [aws_security_group.this.id]
  kms_key_arn          = aws_kms_key.this.arn
  permissions_boundary = aws_iam_policy.boundary.arn
  role_path            = "/${var.name}/"
  tags                 = { team = "platform" }
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_service" "ecs" {
  service_id = "ecs"
}

locals {
  account_id = data.aws_caller_identity.this.account_id
  partition  = data.aws_partition.this.partition
  region     = data.aws_service.ecs.region
}

# The key. EventBridge writes into encrypted queues, and CloudWatch Logs into the log.

resource "aws_kms_key" "this" {
  description         = "Table, queues, log and environment of ${var.name}-deploy."
  enable_key_rotation = true

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AllowPoliciesOfTheAccount"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "AllowEventBridge"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
      },
      {
        Sid       = "AllowCloudWatchLogs"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
        Resource  = "*"
        Condition = { ArnEquals = {
          "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/lambda/${var.name}-deploy"
        } }
      },
    ]
  })
}

# What the organisation allows any role of this path, at most.
resource "aws_iam_policy" "boundary" {
  name = "${var.name}-boundary"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = [
        "dynamodb:*", "ec2:*NetworkInterface*", "ec2:DescribeSubnets", "ec2:*PrivateIpAddresses", "ecr:*", "ecs:*", "events:*",
        "iam:PassRole", "kms:*", "logs:*", "sqs:*",
      ]
      Resource = "*"
    }]
  })
}
