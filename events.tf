# The other events that reach the function, by the same queue as the pushes.

locals {
  other_events = {
    for name, event in {
      # How rollouts end.
      deployments = {
        needed      = !var.dry_run
        description = "Ends of ECS deployments"
        pattern = jsonencode({
          source      = ["aws.ecs"]
          detail-type = ["ECS Deployment State Change"]
          detail      = { eventName = ["SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"] }
          # EventBridge's only wildcard is *, of which no two may follow one another.
          resources = [for service in local.services : { wildcard = replace(service, "/[*?]+/", "*") }]
        })
        schedule = null
      }

      # How CodeDeploy's end: it sends events of its own, which do not name the cluster.
      codedeploy = {
        needed      = var.codedeploy && !var.dry_run
        description = "Ends of CodeDeploy's deployments"
        pattern = jsonencode({
          source      = ["aws.codedeploy"]
          detail-type = ["CodeDeploy Deployment State-change Notification"]
          detail      = { state = ["SUCCESS", "FAILURE", "STOP"] }
        })
        schedule = null
      }

      # When to look for pushes that were lost or had to wait, and for rollouts that take too long.
      schedule = {
        needed      = var.reconcile_schedule != null || var.rollback_on_failure
        description = "Scheduled runs"
        pattern     = null
        schedule    = coalesce(var.reconcile_schedule, "rate(5 minutes)")
      }
    } : name => event if event.needed
  }
}

resource "aws_cloudwatch_event_rule" "other" {
  for_each = { for name, event in local.other_events : name => event if var.enabled }

  name                = "${var.name}-${each.key}"
  description         = "${each.value.description}, for ${var.name}."
  event_pattern       = each.value.pattern
  schedule_expression = each.value.schedule
  tags                = var.tags
}
