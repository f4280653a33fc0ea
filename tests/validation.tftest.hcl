# Every mistake that a person can make stops at plan. The sentence for each is in variables.tf, beside its check.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "what_no_input_may_be" {
  command = plan
  variables {
    name                 = "ecr deploy"
    image_reference      = "sha"
    base_revision        = "newest"
    pass_role_arns       = ["web"]
    role_path            = "deploy"
    permissions_boundary = "boundary"
    kms_key_arn          = "arn:aws:kms:eu-west-1:123456789012:alias/logs"
    log_retention_days   = 10
    architecture         = "arm"
    runtime              = "python3.10"
  }
  expect_failures = [
    var.name,
    var.image_reference,
    var.base_revision,
    var.pass_role_arns,
    var.role_path,
    var.permissions_boundary,
    var.kms_key_arn,
    var.log_retention_days,
    var.architecture,
    var.runtime,
  ]
}

run "too_little" {
  command = plan
  variables {
    name           = ""
    clusters       = []
    rules          = []
    pass_role_arns = []
    memory_size    = 127
    timeout        = 29
  }
  expect_failures = [var.name, var.clusters, var.rules, var.pass_role_arns, var.memory_size, var.timeout]
}

run "too_much" {
  command = plan
  variables {
    name        = "a-name-of-49-characters-which-is-one-more-than-48"
    memory_size = 10241
    timeout     = 901
  }
  expect_failures = [var.name, var.memory_size, var.timeout]
}

run "fractions" {
  command = plan
  variables {
    memory_size = 256.5
    timeout     = 30.5
  }
  expect_failures = [var.memory_size, var.timeout]
}

run "a_rule_without_clusters_and_a_cluster_without_a_name" {
  command = plan
  variables {
    clusters = [""]
    rules    = [{}, { clusters = [] }]
  }
  expect_failures = [var.clusters, var.rules]
}

run "a_rule_without_services_and_a_cluster_by_its_arn" {
  command = plan
  variables {
    clusters = ["arn:aws:ecs:eu-west-1:123456789012:cluster/prod"]
    rules    = [{ services = [] }]
  }
  expect_failures = [var.clusters, var.rules]
}

run "malformed_globs_of_clusters" {
  command = plan
  variables {
    clusters = ["prod-[ab"]
    rules    = [{ clusters = ["prod", "staging/*"] }]
  }
  expect_failures = [var.clusters, var.rules]
}

run "a_malformed_glob_of_services" {
  command = plan
  variables {
    rules = [{ services = ["web-[]"] }]
  }
  expect_failures = [var.rules]
}

run "null_instead_of_a_glob" {
  command = plan
  variables {
    clusters = [null]
    rules    = [{ services = [null] }]
  }
  expect_failures = [var.clusters, var.rules]
}

run "settings_longer_than_lambda_takes" {
  command = plan
  variables {
    rules = [for number in range(90) : { services = ["a-service-with-a-long-name-${number}"] }]
  }
  expect_failures = [aws_lambda_function.this[0]]
}

run "the_longest_name_and_every_kind_of_glob_are_fine" {
  command = plan
  variables {
    name     = "a-name-of-48-characters-which-are-all-it-may-hav"
    clusters = ["*", "prod", "prod-?", "[a-c]_*", "[!x]*"]
    rules    = [{ services = ["web-[12]"] }, { clusters = ["prod"] }, {}]
  }
}
