"""Tools for people who run ecr-deploy."""
