# Notifications. Two rules, because what failed has a reason, and what is live has none. They are there without a topic, too, and
# disabled: whether there is one may be unknown at plan, where the topic is made in the same apply.

locals {
  notifications = {
    live = {
      outcomes = ["live"]
      text     = "<image> is live on <service> in cluster <cluster>, <seconds_since_push> seconds after its push (<from> to <to>)."
    }
    trouble = {
      outcomes = ["rolled-back", "failed"]
      text     = "<image> <outcome> on <service> in cluster <cluster> (<from> to <to>): <reason>."
    }
  }
}

resource "aws_cloudwatch_event_rule" "notifications" {
  for_each = { for kind, notification in local.notifications : kind => notification if var.enabled }

  name        = "${var.name}-${each.key}"
  description = "Notifications of deployments, from ${var.name}."
  state       = var.notification_topic_arn == null ? "DISABLED" : "ENABLED"
  tags        = var.tags

  event_pattern = jsonencode({
    source = ["ecr-deploy"]
    detail = { function = [var.name], outcome = each.value.outcomes }
  })
}

resource "aws_cloudwatch_event_target" "notifications" {
  for_each = aws_cloudwatch_event_rule.notifications

  rule = each.value.name
  arn  = coalesce(var.notification_topic_arn, aws_sqs_queue.undelivered[0].arn)

  input_transformer {
    input_paths    = { for name in flatten(regexall("<([a-z_]+)>", local.notifications[each.key].text)) : name => "$.detail.${name}" }
    input_template = "\"${local.notifications[each.key].text}\"" # jsonencode would escape the brackets
  }

  dead_letter_config {
    arn = aws_sqs_queue.undelivered[0].arn
  }
}
