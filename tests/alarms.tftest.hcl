# Alarms and the dashboard: none unasked, and what is asked for looks at this module's own queues and metrics.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "nothing_unless_asked_for" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 0 && length(aws_cloudwatch_dashboard.this) == 0
    error_message = "By default there are neither alarms nor a dashboard."
  }
}

run "alarms" {
  command = plan
  variables {
    name               = "rollout"
    timeout            = 60
    reconcile_schedule = "rate(15 minutes)"
    alarms             = { topic_arns = ["arn:aws:sns:eu-west-1:123456789012:pager"] }
    tags               = { team = "platform" }
  }

  assert {
    condition = { for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name => alarm.dimensions } == {
      rollout-dead-letters      = tomap({ QueueName = aws_sqs_queue.dead_letter[0].name })
      rollout-undelivered       = tomap({ QueueName = aws_sqs_queue.undelivered[0].name })
      rollout-failures          = tomap({ FunctionName = aws_lambda_function.this[0].function_name, Outcome = "failed" })
      rollout-rollouts          = tomap({ FunctionName = aws_lambda_function.this[0].function_name })
      rollout-waiting           = tomap({ FunctionName = aws_lambda_function.this[0].function_name })
      rollout-oldest-message    = tomap({ QueueName = aws_sqs_queue.this[0].name })
      rollout-no-reconciliation = tomap({ FunctionName = aws_lambda_function.this[0].function_name })
    }
    error_message = "Each alarm must look at this module's own queue or function."
  }

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.treat_missing_data } == {
      dead-letters      = "notBreaching"
      undelivered       = "notBreaching"
      failures          = "notBreaching"
      rollouts          = "notBreaching"
      waiting           = "ignore"
      oldest-message    = "notBreaching"
      no-reconciliation = "breaching"
    }
    error_message = "Only a reconciliation that is missing is an alarm; what waits is looked at once in a run."
  }

  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.alarm_actions == toset(["arn:aws:sns:eu-west-1:123456789012:pager"])
      && alarm.ok_actions == alarm.alarm_actions
      && alarm.tags == tomap({ team = "platform" })
    ])
    error_message = "The topics must be told when an alarm fires and when it is over, and every alarm has the tags."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["waiting"].threshold == 86400
    error_message = "By default a push may wait for a day."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["oldest-message"].threshold == 720
    error_message = "A push may wait for two batches and its tries, and no longer."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["no-reconciliation"].period == 900
      && aws_cloudwatch_metric_alarm.this["no-reconciliation"].evaluation_periods == 4
    )
    error_message = "Four runs without success are an alarm."
  }
}

run "alarms_that_tell_nobody" {
  command = plan
  variables {
    alarms = {}
  }

  assert {
    condition = aws_cloudwatch_metric_alarm.this["no-reconciliation"].treat_missing_data == "notBreaching" && alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this : try(length(alarm.alarm_actions), 0) == 0
    ])
    error_message = "Without topics the alarms only show; without a schedule no reconciliation is missing."
  }
}


run "waits_for_days" {
  command = plan
  variables {
    alarms = { waiting_hours = 72 }
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["waiting"].threshold == 259200
      && strcontains(aws_cloudwatch_metric_alarm.this["waiting"].alarm_description, "more than 72 hours")
    )
    error_message = "A push may wait for as long as waiting_hours says."
  }
}

run "runs_every_minute" {
  command = plan
  variables {
    alarms             = {}
    reconcile_schedule = "rate(1 minute)"
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["no-reconciliation"].period == 900
      && aws_cloudwatch_metric_alarm.this["no-reconciliation"].evaluation_periods == 4
    )
    error_message = "A run may wait for an hour behind long rollouts."
  }
}

run "runs_by_cron" {
  command = plan
  variables {
    alarms             = {}
    reconcile_schedule = "cron(0 6 ? * MON-FRI *)"
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["no-reconciliation"].period == 3600
      && aws_cloudwatch_metric_alarm.this["no-reconciliation"].evaluation_periods == 96
    )
    error_message = "A cron expression counts as daily, weekends aside."
  }
}

run "runs_every_three_days" {
  command = plan
  variables {
    alarms             = {}
    reconcile_schedule = "rate(3 days)"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["no-reconciliation"].evaluation_periods == 168
    error_message = "CloudWatch looks back for a week at most."
  }
}

run "runs_too_rare_to_be_watched" {
  command = plan
  variables {
    alarms             = {}
    reconcile_schedule = "rate(4 days)"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["no-reconciliation"].treat_missing_data == "notBreaching"
    error_message = "A week does not tell a late run from none."
  }
}

run "page" {
  command = plan

  variables {
    name      = "rollout"
    dashboard = true
  }

  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.properties.endpoint if widget.type == "custom"] == ["arn:aws:lambda:eu-west-1:123456789012:function:rollout"]
    error_message = "The dashboard must show the page."
  }
}

run "dashboard" {
  command = plan
  variables {
    name      = "rollout"
    dashboard = true
  }

  assert {
    condition     = aws_cloudwatch_dashboard.this[0].dashboard_name == "rollout"
    error_message = "The dashboard has the module's name."
  }

  assert {
    condition = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets :
      (widget.type == "custom" || try(widget.properties.region, "") == "eu-west-1") && widget.x + widget.width <= 24
    ])
    error_message = "Every widget is of this region, and none sticks out."
  }
}
