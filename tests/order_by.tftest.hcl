# The orders that a plan takes are those that the function takes: tests/unit/test_order_by.py reads the same files.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "the_grammar_is_the_functions" {
  command = plan

  assert {
    condition = local.order_by == {
      for type in ["number", "text"] : type => trimspace(file("tests/rules/order_by_${type}.re"))
    }
    error_message = "The grammar must be the one that the function's is held against."
  }
}

run "every_order_that_is_one" {
  command = plan
  variables {
    rules = [for order in jsondecode(file("tests/rules/order_by.json")).valid : { order_by = order }]
  }
}

run "every_order_that_is_none" {
  command = plan
  variables {
    rules = [{ order_by = jsondecode(file("tests/rules/order_by.json")).invalid[0] }]
  }
  expect_failures = [var.rules]
}

run "a_container_and_an_order" {
  command = apply
  variables {
    rules = [{ containers = ["web"], order_by = { pattern = "^main-([0-9]+)$", type = "number" } }]
  }

  assert {
    condition = jsondecode(aws_lambda_function.this[0].environment[0].variables.ECR_DEPLOY_SETTINGS).rules == [
      { containers = ["web"], order_by = { pattern = "^main-([0-9]+)$", type = "number" } }
    ]
    error_message = "Both must be in the settings."
  }
}
