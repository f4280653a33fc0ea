# Alarms. What the function counts, under which dimensions, is in lambda/ecr_deploy/report.py.

locals {
  namespace = "ecr-deploy"

  alarms = {
    # One message is one too many: nothing takes messages out of these two queues but people.
    dead-letters = {
      description = "Pushes that could not be deployed lie in ${var.name}-dead-letter.fifo. Lines of level ERROR in the log ${local.log_group_name} say why. Mend the cause, then move them back (aws sqs start-message-move-task)."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = one(aws_sqs_queue.dead_letter[*].name) }
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
      periods     = 1
      missing     = "notBreaching"
    }
    undelivered = {
      description = "Events that EventBridge could not deliver lie in ${local.undelivered_queue_name}. Attributes of each message say why (ERROR_CODE, ERROR_MESSAGE): mostly a key's policy that does not let events.amazonaws.com use it. Mend that, request the images that are named, then delete the messages."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = one(aws_sqs_queue.undelivered[*].name) }
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
      periods     = 1
      missing     = "notBreaching"
    }

    # Throttling and faults that pass are tried again within a call. What still fails is worth a look at once.
    failures = {
      description = "A push, or a scheduled run, failed. Lines of level ERROR in the log ${local.log_group_name} say which and why. What retries can help is tried six times in some three minutes; the rest lies in ${var.name}-dead-letter.fifo."
      namespace   = local.namespace
      metric      = "Pushes"
      dimensions  = { FunctionName = var.name, Outcome = "failed" }
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
      periods     = 1
      missing     = "notBreaching"
    }

    # What somebody asked to roll back does not count.
    rollouts = {
      description = "A rollout failed, or was rolled back without anybody asking for it: that image is not live on the service. Lines of level ERROR in the log ${local.log_group_name} say which and why, so does ecr-deploy history CLUSTER SERVICE. Push a corrected image; a request deploys the same one again."
      namespace   = local.namespace
      metric      = "FailedRollouts"
      dimensions  = { FunctionName = var.name }
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
      periods     = 1
      missing     = "notBreaching"
    }

    # It is there without a schedule, too, and never fires: only the scheduled run looks at what waits.
    waiting = {
      description = "A push has waited for more than ${local.waiting_hours} hours for a gate of its rule: an approval, a stage, a calendar, a task. ecr-deploy plan --all says which and for what. Approve or reject it (ecr-deploy approve IMAGE, ecr-deploy reject IMAGE), or look at what keeps its stage or calendar from letting it go on."
      namespace   = local.namespace
      metric      = "OldestWaitSeconds"
      dimensions  = { FunctionName = var.name }
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = local.waiting_hours * 60 * 60
      period      = local.run_period
      periods     = 1
      # Between two runs nothing has changed.
      missing = "ignore"
    }

    # A push waits for the batch before it, and then for its own: the timeout twice, at most. Its tries lie less than
    # three minutes apart in all; the rest of the ten minutes is for a function that died, and a queue that is long.
    oldest-message = {
      description = "A push waits in ${local.queue_name} for too long. See whether the function ${var.name} is throttled or can't start (its log ${local.log_group_name}), and whether the event source mapping of the queue is enabled. While a push to hundreds of families is rolled out, wait."
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = one(aws_sqs_queue.this[*].name) }
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 2 * var.timeout + 600
      period      = 300
      periods     = 1
      missing     = "notBreaching"
    }

    # No run, no metric: what is missing is the alarm.
    no-reconciliation = {
      # It is there without a schedule, too, and never fires: whether there is one may be unknown at plan.
      description = "No reconciliation of ${var.name} succeeded for four scheduled runs: pushes whose events were lost, or that had to wait, are not deployed. Lines of level ERROR in the log ${local.log_group_name} say why; without any, see whether the rule ${var.name}-schedule is enabled, and whether pushes wait in ${local.queue_name}."
      namespace   = local.namespace
      metric      = "Reconciliations"
      dimensions  = { FunctionName = var.name }
      statistic   = "Sum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      period      = local.run_period
      periods     = min(max(4, floor(4 * local.run_interval / local.run_period)), 7 * 24)
      missing     = local.runs_are_watched ? "breaching" : "notBreaching"
    }
  }

  # Seconds from one run to the next. A cron expression does not say them: it counts as daily, so that its four runs
  # are longer than a weekend.
  run_rate     = try(regex("^rate\\(([0-9]+) (minute|hour|day)", var.reconcile_schedule), ["1", "day"])
  run_interval = local.run_rate[0] * { minute = 60, hour = 60 * 60, day = 24 * 60 * 60 }[local.run_rate[1]]
  run_period   = min(max(local.run_interval, 15 * 60), 60 * 60)

  # CloudWatch looks back for a week at most, in which there must be two runs to tell a late one from none.
  runs_are_watched = var.reconcile_schedule != null && 2 * local.run_interval <= 7 * 24 * 60 * 60

  waiting_hours = coalesce(merge({ waiting_hours = null }, var.alarms).waiting_hours, 24)

  alarm_topics = coalesce(merge({ topic_arns = null }, var.alarms).topic_arns, [])
}

module "alarms_asked_for" {
  source = "./modules/alarms-asked-for"

  alarms = var.alarms
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = {
    for name, alarm in local.alarms : name => alarm
    if var.enabled && module.alarms_asked_for.answer
  }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_topics
  ok_actions          = local.alarm_topics
  tags                = var.tags
}
