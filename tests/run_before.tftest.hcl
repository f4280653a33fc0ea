mock_provider "aws" {
  source = "./tests/mocks"
}

run "a_task_first" {
  command = plan
  variables {
    rules = [{ run_before = [{ family = "migrate", container = "main", command = ["a", "b"], timeout_minutes = 5, network_configuration = { subnets = ["subnet-1"] } }] }, {}]
  }
  assert {
    condition     = aws_cloudwatch_event_rule.other["schedule"].state == "ENABLED" && aws_cloudwatch_event_rule.other["tasks"].state == "ENABLED"
    error_message = "Nobody hears of the end of the task."
  }
}

run "no_task_first" {
  command = plan
  assert {
    condition     = aws_cloudwatch_event_rule.other["tasks"].state == "DISABLED"
    error_message = "Somebody listens to tasks that nobody runs."
  }
}

run "a_task_without_a_container" {
  command = plan
  variables {
    rules = [{ run_before = [{ family = "migrate" }] }]
  }
  expect_failures = [var.rules]
}

run "a_task_with_an_unknown_field" {
  command = plan
  variables {
    rules = [{ run_before = [{ family = "migrate", container = "main", comand = [] }] }]
  }
  expect_failures = [var.rules]
}

run "a_task_that_may_take_no_time" {
  command = plan
  variables {
    rules = [{ run_before = [{ family = "migrate", container = "main", timeout_minutes = 0 }] }]
  }
  expect_failures = [var.rules]
}
