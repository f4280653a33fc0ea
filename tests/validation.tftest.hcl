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

run "alarms_for_what_is_no_topic" {
  command = plan
  variables {
    alarms = { topic_arns = ["arn:aws:sns:eu-west-1:123456789012:pager", "pager"] }
  }
  expect_failures = [var.alarms]
}

run "more_topics_than_cloudwatch_tells" {
  command = plan
  variables {
    alarms = { topic_arns = [for number in range(6) : "arn:aws:sns:eu-west-1:123456789012:pager-${number}"] }
  }
  expect_failures = [var.alarms]
}

run "too_little" {
  command = plan
  variables {
    name           = "ab"
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
    rules    = [{ services = ["web-[12]"] }, { clusters = ["prod"] }]
  }
}

run "no_repositories" {
  command = plan
  variables {
    rules = [{ repositories = [] }]
  }
  expect_failures = [var.rules]
}

run "no_tags" {
  command = plan
  variables {
    rules = [{}, { tags = [] }]
  }
  expect_failures = [var.rules]
}

run "no_registries" {
  command = plan
  variables {
    rules = [{ registries = [] }]
  }
  expect_failures = [var.rules]
}

run "a_malformed_glob_of_repositories" {
  command = plan
  variables {
    rules = [{ repositories = ["App"] }]
  }
  expect_failures = [var.rules]
}

run "a_repository_by_its_host" {
  command = plan
  variables {
    rules = [{ repositories = ["123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v1"] }]
  }
  expect_failures = [var.rules]
}

run "a_malformed_glob_of_tags" {
  command = plan
  variables {
    rules = [{ tags = ["v[0-9"] }]
  }
  expect_failures = [var.rules]
}

run "a_malformed_glob_of_excluded_tags" {
  command = plan
  variables {
    rules = [{ exclude_tags = ["v 1"] }]
  }
  expect_failures = [var.rules]
}

run "a_malformed_glob_of_families" {
  command = plan
  variables {
    rules = [{ families = ["web:1"] }]
  }
  expect_failures = [var.rules]
}

run "an_account_by_its_name" {
  command = plan
  variables {
    rules = [{ registries = ["production"] }]
  }
  expect_failures = [var.rules]
}

run "an_account_without_its_zeros" {
  command = plan
  variables {
    rules = [{ registries = ["1234567890"] }]
  }
  expect_failures = [var.rules]
}

run "a_range_that_is_none" {
  command = plan
  variables {
    rules = [{ semver = "latest" }]
  }
  expect_failures = [var.rules]
}

run "a_range_without_an_end" {
  command = plan
  variables {
    rules = [{ semver = ">=1.4.0 <" }]
  }
  expect_failures = [var.rules]
}

run "a_calendar_by_a_sentence" {
  command = plan
  variables {
    rules              = [{ change_calendars = ["no nights"] }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [var.rules]
}

run "a_calendar_by_another_arn" {
  command = plan
  variables {
    change_calendars   = ["arn:aws:s3:::calendar"]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [var.change_calendars]
}

run "an_age_below_zero" {
  command = plan
  variables {
    rules              = [{ minimum_image_age = -1 }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [var.rules]
}

run "a_tag_that_ecr_does_not_take" {
  command = plan
  variables {
    rules = [{ promote_tag = "-production" }]
  }
  expect_failures = [var.rules]
}

run "subnets_without_a_security_group" {
  command = plan
  variables {
    subnet_ids = ["subnet-1"]
  }
  expect_failures = [var.security_group_ids]
}

run "a_security_group_without_subnets" {
  command = plan
  variables {
    security_group_ids = ["sg-1"]
  }
  expect_failures = [var.security_group_ids]
}

run "no_revision_at_all" {
  command = plan
  variables {
    keep_revisions = 0
  }
  expect_failures = [var.keep_revisions]
}

run "a_prefix_without_its_slash" {
  command = plan
  variables {
    image_parameter_prefix = "images"
  }
  expect_failures = [var.image_parameter_prefix]
}

run "a_prefix_with_a_slash_too_many" {
  command = plan
  variables {
    image_parameter_prefix = "/images/"
  }
  expect_failures = [var.image_parameter_prefix]
}

run "a_prefix_of_aws" {
  command = plan
  variables {
    image_parameter_prefix = "/AWS/images"
  }
  expect_failures = [var.image_parameter_prefix]
}

run "half_a_revision" {
  command = plan
  variables {
    keep_revisions = 1.5
  }
  expect_failures = [var.keep_revisions]
}

run "a_fraction_of_a_minute" {
  command = plan
  variables {
    rules              = [{ minimum_image_age = 0.5 }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [var.rules]
}

run "an_age_that_nothing_ends" {
  command = plan
  variables {
    rules = [{ minimum_image_age = 60 }]
  }
  expect_failures = [var.rules]
}

run "a_calendar_that_nothing_ends" {
  command = plan
  variables {
    change_calendars = ["nights"]
  }
  expect_failures = [var.change_calendars]
}

run "a_rules_calendar_that_nothing_ends" {
  command = plan
  variables {
    rules = [{ change_calendars = ["nights"] }]
  }
  expect_failures = [var.rules]
}

run "a_schedule_without_a_unit" {
  command = plan
  variables {
    reconcile_schedule = "rate(15)"
  }
  expect_failures = [var.reconcile_schedule]
}

run "a_schedule_that_is_badly_counted" {
  command = plan
  variables {
    reconcile_schedule = "rate(1 minutes)"
  }
  expect_failures = [var.reconcile_schedule]
}

run "a_cron_of_five_fields" {
  command = plan
  variables {
    reconcile_schedule = "cron(0 6 * * *)"
  }
  expect_failures = [var.reconcile_schedule]
}

run "a_tag_key_of_aws" {
  command = plan
  variables {
    enabled_tag_key = "aws:enabled"
  }
  expect_failures = [var.enabled_tag_key]
}

run "no_tag_key" {
  command = plan
  variables {
    enabled_tag_key = ""
  }
  expect_failures = [var.enabled_tag_key]
}

run "too_little_time_to_be_live" {
  command = plan
  variables {
    deployment_timeout_minutes = 4
  }
  expect_failures = [var.deployment_timeout_minutes]
}

run "too_much_time_to_be_live" {
  command = plan
  variables {
    deployment_timeout_minutes = 1441
  }
  expect_failures = [var.deployment_timeout_minutes]
}

run "a_queue_for_a_topic" {
  command = plan
  variables {
    notifications = { topic_arns = ["arn:aws:sqs:eu-west-1:123456789012:people"] }
  }
  expect_failures = [var.notifications]
}

run "a_queue_for_a_topic_of_chats" {
  command = plan
  variables {
    notifications = { chat_topic_arns = ["arn:aws:sqs:eu-west-1:123456789012:people"] }
  }
  expect_failures = [var.notifications]
}

run "a_topic_for_a_list" {
  command = plan
  variables {
    notifications = { topic_arns = "arn:aws:sns:eu-west-1:123456789012:people" }
  }
  expect_failures = [var.notifications]
}

run "a_misspelt_field_of_notifications" {
  command = plan
  variables {
    notifications = { topics = ["arn:aws:sns:eu-west-1:123456789012:people"] }
  }
  expect_failures = [var.notifications]
}

run "notifications_that_are_no_object" {
  command = plan
  variables {
    notifications = "arn:aws:sns:eu-west-1:123456789012:people"
  }
  expect_failures = [var.notifications]
}

run "no_time_to_wait" {
  command = plan
  variables {
    alarms = { waiting_hours = 0 }
  }
  expect_failures = [var.alarms]
}

run "half_an_hour_to_wait" {
  command = plan
  variables {
    alarms = { waiting_hours = 0.5 }
  }
  expect_failures = [var.alarms]
}

run "more_than_a_year_to_wait" {
  command = plan
  variables {
    alarms = { waiting_hours = 8761 }
  }
  expect_failures = [var.alarms]
}

run "a_cron_for_two_kinds_of_days" {
  command = plan
  variables {
    reconcile_schedule = "cron(0 6 * * * *)"
  }
  expect_failures = [var.reconcile_schedule]
}

run "a_tag_key_that_has_a_meaning" {
  command = plan
  variables {
    enabled_tag_key = "ecr-deploy:pinned"
  }
  expect_failures = [var.enabled_tag_key]
}

run "policies_longer_than_iam_takes" {
  command = plan
  variables {
    clusters = [for number in range(40) : "cluster-${number}"]
  }
  expect_failures = [aws_lambda_function.this[0]]
}

run "a_stage_without_clusters" {
  command = plan
  variables {
    rules              = [{ after = { services = ["*"] } }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [var.rules]
}

run "a_stage_with_a_misspelt_field" {
  command = plan
  variables {
    rules              = [{ clusters = ["prod"], after = { clusters = ["staging"], minutes = 30 } }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [var.rules]
}

run "a_stage_that_waits_for_itself" {
  command = plan
  variables {
    rules              = [{ after = { clusters = ["staging"] } }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [aws_lambda_function.this[0]]
}

run "stages_in_a_circle" {
  command = plan
  variables {
    rules = [
      { clusters = ["a-*"], after = { clusters = ["c-1"] } },
      { clusters = ["b-1"], after = { clusters = ["a-1"] } },
      { clusters = ["c-?"], after = { clusters = ["b-*"] } },
    ]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [aws_lambda_function.this[0]]
}

run "a_chain_of_stages" {
  command = plan
  variables {
    rules = [
      { clusters = ["staging"] },
      { clusters = ["eu"], after = { clusters = ["staging"], live_minutes = 30 } },
      { clusters = ["us"], after = { clusters = ["eu"], services = ["web-*"] }, approval = { expires_hours = 72 } },
    ]
    reconcile_schedule = "rate(15 minutes)"
  }
}

run "a_stage_that_a_rule_of_its_own_reaches" {
  command = plan
  variables {
    rules              = [{ clusters = ["staging"] }, { after = { clusters = ["staging"] } }]
    reconcile_schedule = "rate(15 minutes)"
  }
}

run "stages_in_other_regions" {
  command = plan
  variables {
    rules = [
      { clusters = ["prod"], after = { region = "us-east-1", clusters = ["prod"], live_minutes = 30 } },
      { clusters = ["last"], after = { clusters = ["prod"] } },
      { clusters = ["more"], after = { region = "ap-southeast-2", clusters = ["more"], services = ["web-*"] } },
    ]
    reconcile_schedule = "rate(15 minutes)"
  }

  assert {
    condition     = aws_cloudwatch_event_rule.other["remote"].state == "ENABLED"
    error_message = "Nothing would open these stages."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.other["remote"].event_pattern) == {
      source      = ["ecr-deploy"]
      detail-type = ["Deployment Started", "Deployment Superseded", "Deployment Waiting", "Deployment Failed", "Deployment Live", "Deployment Rolled Back"]
      account     = ["123456789012"]
      region      = [{ anything-but = ["eu-west-1"] }]
    }
    error_message = "Only what this account reports in other regions counts."
  }
}

run "a_stage_here_needs_no_rule_for_other_regions" {
  command = plan
  variables {
    rules              = [{ clusters = ["staging"] }, { clusters = ["prod"], after = { clusters = ["staging"] } }]
    reconcile_schedule = "rate(15 minutes)"
  }

  assert {
    condition     = aws_cloudwatch_event_rule.other["remote"].state == "DISABLED"
    error_message = "What other regions report would be read for nothing."
  }
}

run "a_stage_in_the_modules_own_region" {
  command = plan
  variables {
    rules              = [{ after = { region = "eu-west-1", clusters = ["staging"] } }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [aws_lambda_function.this[0]]
}

run "a_stage_in_what_is_no_region" {
  command = plan
  variables {
    rules              = [{ after = { region = "Ireland", clusters = ["staging"] } }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [var.rules]
}

run "a_stage_in_a_region_without_clusters" {
  command = plan
  variables {
    rules              = [{ after = { region = "us-east-1" } }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [var.rules]
}

run "a_stage_without_a_schedule" {
  command = plan
  variables {
    rules = [{ clusters = ["staging"] }, { clusters = ["prod"], after = { clusters = ["staging"] } }]
  }
  expect_failures = [var.rules]
}

run "an_approval_that_expires_at_once" {
  command = plan
  variables {
    rules              = [{ approval = { expires_hours = 0 } }]
    reconcile_schedule = "rate(15 minutes)"
  }
  expect_failures = [var.rules]
}

run "a_severity_that_is_none" {
  command = plan

  variables {
    reconcile_schedule = "rate(15 minutes)"
    rules              = [{ max_scan_severity = "SEVERE" }]
  }

  expect_failures = [var.rules]
}

run "a_scan_that_may_take_half_a_minute" {
  command = plan

  variables {
    reconcile_schedule = "rate(15 minutes)"
    rules              = [{ max_scan_severity = "LOW", scan_timeout_minutes = 0.5 }]
  }

  expect_failures = [var.rules]
}

run "scans" {
  command = plan

  variables {
    reconcile_schedule = "rate(15 minutes)"
    rules              = [{ repositories = ["app"], max_scan_severity = "LOW", scan_timeout_minutes = 30 }, { repositories = ["side"] }]
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.read[0].policy).Statement : statement.Resource if statement.Sid == "AllowReadScans"] == [
      ["arn:aws:ecr:*:123456789012:repository/app"],
    ]
    error_message = "Only scans of the repositories that need them may be read."
  }

  assert {
    condition     = aws_cloudwatch_event_rule.other["scans"].state == "ENABLED" && aws_cloudwatch_event_rule.other["tasks"].state == "DISABLED"
    error_message = "The ends of scans must be reported."
  }
}

run "half_a_service_at_once" {
  command = plan

  variables {
    max_services_at_once = 0.5
  }

  expect_failures = [var.max_services_at_once]
}

run "fewer_services_than_none" {
  command = plan

  variables {
    max_services_at_once = -1
  }

  expect_failures = [var.max_services_at_once]
}

run "daemons_by_name" {
  command = plan

  variables {
    daemons            = true
    reconcile_schedule = "rate(15 minutes)"
    rules              = [{ clusters = ["prod"], services = ["daemon/*"], after = { clusters = ["staging"], services = ["daemon/agent-[12]", "*"] } }]
  }
}

run "a_service_with_a_slash" {
  command = plan

  variables {
    rules = [{ services = ["prod/web"] }]
  }

  expect_failures = [var.rules]
}
