# The ranges of versions that a plan takes are those that the function takes: tests/unit/test_versions.py reads the same files.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "the_grammar_is_the_functions" {
  command = plan

  assert {
    condition     = local.semver_range == trimspace(file("tests/rules/semver_range.re"))
    error_message = "The grammar must be the one that the function's is held against."
  }

  assert {
    condition = [
      for range in jsondecode(file("tests/rules/semver.json")).valid : range if !can(regex(local.semver_range, range))
    ] == []
    error_message = "What the function takes, a plan must take."
  }

  assert {
    condition = [
      for range in jsondecode(file("tests/rules/semver.json")).invalid : range if can(regex(local.semver_range, range))
    ] == []
    error_message = "What the function refuses, a plan must refuse."
  }
}

run "every_range_that_is_one" {
  command = plan
  variables {
    rules = [for range in jsondecode(file("tests/rules/semver.json")).valid : { semver = range }]
  }
}

run "a_range_that_is_none" {
  command = plan
  variables {
    rules = [{ semver = jsondecode(file("tests/rules/semver.json")).invalid[0] }]
  }
  expect_failures = [var.rules]
}
