# Without an account and in seconds: the mocks come with the module. Where the module comes from git, they are in
# .terraform/modules/ecr_deploy/tests/mocks.

mock_provider "aws" {
  source = "../../tests/mocks"

  # What this repository has beside the module.
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:checked-pager" }
  }
}

run "it_can_be_applied" {
  command = apply

  assert {
    condition     = output.function_name == "checked" && output.role_arn != null
    error_message = "The function must have its name and a role."
  }
}

run "prod_takes_versions_only" {
  command = plan
  variables {
    rules = [{ clusters = ["prod"], tags = ["main-*"] }]
  }
  expect_failures = [var.rules]
}
