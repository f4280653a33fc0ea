# One dashboard, read from top to bottom: what runs where, what was deployed today, what failed, how long did it take, what waits.

resource "aws_cloudwatch_dashboard" "this" {
  count = var.enabled && var.dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    start = "-PT24H"
    widgets = concat(
      # What it shows is what the function answers, which whoever looks must be allowed to invoke.
      [{
        type   = "custom"
        x      = 0
        y      = 0
        width  = 24
        height = local.page_height
        properties = {
          title    = "What runs where"
          endpoint = local.function_arn
          params   = {}
          updateOn = { refresh = true, resize = false, timeRange = false }
        }
      }],
      flatten([for y, row in local.dashboard_rows : [for x, widget in row : {
        type       = contains(keys(widget), "query") ? "log" : "metric"
        x          = 24 / length(row) * x
        y          = local.page_height + 6 * y
        width      = 24 / length(row)
        height     = 6
        properties = merge({ region = local.region, view = "timeSeries", stat = "Sum", period = 300 }, widget)
      }]]),
    )
  })
}

locals {
  page_height = 12

  dashboard_rows = [
    [{
      title = "What was deployed"
      view  = "table"
      query = <<-EOT
        SOURCE '${local.log_group_name}'
        | fields @timestamp, image, ServicesUpdated, PushToUpdateSeconds, dry_run
        | filter outcome = "deployed"
        | sort @timestamp desc
      EOT
    }],
    [{
      title = "What failed"
      view  = "table"
      query = <<-EOT
        SOURCE '${local.log_group_name}'
        | fields @timestamp, image, message, event_id
        | filter level = "ERROR"
        | sort @timestamp desc
      EOT
    }],
    [
      {
        title = "Pushes by outcome"
        metrics = [for outcome in ["deployed", "failed", "waiting", "superseded", "unchanged", "skipped"] :
          [local.namespace, "Pushes", "FunctionName", var.name, "Outcome", outcome, { label = outcome }]
        ]
      },
      {
        title = "Rollouts by outcome"
        metrics = [for outcome in ["live", "rolled-back", "failed", "superseded"] :
          [local.namespace, "Rollouts", "FunctionName", var.name, "Outcome", outcome, { label = outcome }]
        ]
      },
    ],
    [
      {
        title = "How long from push to update"
        metrics = [for stat in ["p50", "Maximum"] :
          [local.namespace, "PushToUpdateSeconds", "FunctionName", var.name, { stat = stat, label = stat }]
        ]
      },
      {
        title = "How long from push to live"
        metrics = [for stat in ["p50", "Maximum"] :
          [local.namespace, "PushToLiveSeconds", "FunctionName", var.name, { stat = stat, label = stat }]
        ]
      },
    ],
    [
      {
        title = "Seconds that the oldest push waits"
        stat  = "Maximum"
        metrics = [for queue in aws_sqs_queue.this[*].name :
          ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue]
        ]
      },
      {
        title = "Messages in the queues for what failed"
        stat  = "Maximum"
        metrics = [for queue in concat(aws_sqs_queue.dead_letter[*].name, aws_sqs_queue.undelivered[*].name) :
          ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { label = queue }]
        ]
      },
      {
        title = "Services updated, and calls that ECS throttled"
        metrics = [for metric in ["ServicesUpdated", "ThrottledCalls"] :
          [local.namespace, metric, "FunctionName", var.name, { label = metric }]
        ]
      },
    ],
  ]
}
