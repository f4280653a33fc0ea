# The other events that reach the function, by the same queue as the pushes.

locals {
  other_events = {
    for name, event in {
      # How rollouts end, and which services change: what is known of the others need not be read for each push.
      deployments = {
        needed      = true
        description = "ECS deployments"
        pattern     = [for pattern in local.deployment_patterns : pattern if length(pattern) <= local.pattern_limit][0]
        schedule    = null
        state       = "ENABLED"
      }

      # Where they await an action. Few do, so that the scope is left to the function.
      hooks = {
        needed      = true
        description = "ECS deployments that await an action"
        pattern = jsonencode({
          source      = ["aws.ecs"]
          detail-type = ["ECS Hook State Change"]
          detail      = { eventName = ["HOOK_AWAITING_ACTION"] }
        })
        schedule = null
        state    = "ENABLED"
      }

      # How rollouts of daemons end, likewise.
      daemons = {
        needed      = var.daemons
        description = "Deployments of ECS daemons"
        pattern = jsonencode({
          source      = ["aws.ecs"]
          detail-type = ["ECS Daemon Deployment State Change"]
          resources   = [for name in local.cluster_names : { prefix = "${local.ecs_arn}:daemon/${name.start}${name.exact ? "/" : ""}" }]
        })
        schedule = null
        state    = "ENABLED"
      }

      # How tasks end that have to run first. This rule and the next two are there without any, too, and disabled:
      # whether there are may be unknown at plan.
      tasks = {
        needed      = true
        description = "Ends of tasks that run first"
        pattern = jsonencode({
          source      = ["aws.ecs"]
          detail-type = ["ECS Task State Change"]
          detail      = { lastStatus = ["STOPPED"], startedBy = [{ prefix = "ecr-deploy/" }] }
        })
        schedule = null
        state    = local.runs_tasks && !var.dry_run ? "ENABLED" : "DISABLED"
      }

      # When the findings of a scan are there. Which repositories matter is left to the function.
      scans = {
        needed      = true
        description = "Ends of image scans"
        pattern = jsonencode({
          source      = ["aws.ecr", "aws.inspector2"]
          detail-type = ["ECR Image Scan", "Inspector2 Scan"]
        })
        schedule = null
        state    = length(local.scanned) > 0 && !var.dry_run ? "ENABLED" : "DISABLED"
      }

      # What becomes of pushes in other regions, where rules wait for that and something sends it on from there.
      remote = {
        needed      = true
        description = "Deployments in other regions"
        pattern = jsonencode({
          source      = ["ecr-deploy"]
          detail-type = [for outcome in ["Started", "Superseded", "Waiting", "Failed", "Live", "Rolled Back"] : "Deployment ${outcome}"]
          account     = [local.account_id]
          region      = [{ anything-but = [local.region] }]
        })
        schedule = null
        state    = length(local.awaited_regions) > 0 && !var.dry_run ? "ENABLED" : "DISABLED"
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
        state    = "ENABLED"
      }

      # When to look for pushes that were lost or had to wait, and for rollouts that take too long. It is there without a
      # schedule, too, and disabled: whether there is one may be unknown at plan.
      schedule = {
        needed      = true
        description = "Scheduled runs"
        pattern     = null
        schedule    = coalesce(var.reconcile_schedule, "rate(5 minutes)")
        state       = var.reconcile_schedule != null || var.rollback_on_failure || local.runs_tasks ? "ENABLED" : "DISABLED"
      }
    } : name => event if event.needed
  }

  awaited_regions = distinct([for rule in local.rules : rule.after.region if can(rule.after.region)])

  # Each glob up to its first wildcard. Prefixes may match more than the globs do: the function looks again. Wildcards are
  # scarce: a bus takes 30 rules with any.
  cluster_names = distinct([for glob in var.clusters : {
    start = regex("^[^*?[]*", glob)
    exact = !can(regex("[*?[]", glob))
  }])

  # From the narrowest to the widest. ARNs of services from before 2021 do not name the cluster, but their events do.
  deployment_filters = [
    {
      resources   = [for name in local.cluster_names : { prefix = "${local.ecs_arn}:service/${name.start}${name.exact ? "/" : ""}" }]
      clusterArns = [for name in local.cluster_names : name.exact ? jsonencode("${local.ecs_arn}:cluster/${name.start}") : jsonencode({ prefix = "${local.ecs_arn}:cluster/${name.start}" })]
    },
    {
      resources   = [{ prefix = "${local.ecs_arn}:service/" }]
      clusterArns = []
    },
  ]
  deployment_changes = ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"]
  deployment_patterns = [for filter in local.deployment_filters : jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change"]
    "$or" = concat(
      [{ detail = { eventName = local.deployment_changes }, resources = filter.resources }],
      length(filter.clusterArns) > 0 ? [{ detail = { eventName = local.deployment_changes, clusterArn = [for one in filter.clusterArns : jsondecode(one)] } }] : [],
    )
  })]
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
  pattern_limit = 2048
}

resource "aws_cloudwatch_event_rule" "other" {
  for_each = { for name, event in local.other_events : name => event if var.enabled }

  name                = "${var.name}-${each.key}"
  description         = "${each.value.description}, for ${var.name}."
  event_pattern       = each.value.pattern
  schedule_expression = each.value.schedule
  state               = each.value.state
  tags                = var.tags
}
