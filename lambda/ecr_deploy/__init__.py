"""Rolls a container image out to Amazon ECS the moment it is pushed to ECR."""
