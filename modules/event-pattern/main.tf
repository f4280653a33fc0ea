# The event pattern: made from the rules, so that a push that nobody wants costs no invocation. It may let in more than
# the rules do, never less: the function asks the rules again.

locals {
  # EventBridge's only wildcard is *, and two in a row are refused: ? and [...] are widened to it.
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
  widened = {
    for glob in toset(flatten([for rule in var.rules : concat(rule.repositories, rule.tags)])) :
    glob => replace(replace(glob, "/\\[[^]]*\\]|\\?/", "*"), "/[*]+/", "*")
  }

  # Each glob as a value filter, in JSON so that all have one type. Prefixes and suffixes do not count among the
  # wildcards, of which EventBridge takes only so many.
  filters = {
    for glob, text in local.widened : glob => (
      !strcontains(text, "*") ? jsonencode(text) :
      can(regex("^[^*]+[*]$", text)) ? jsonencode({ prefix = trimsuffix(text, "*") }) :
      can(regex("^[*][^*]+$", text)) ? jsonencode({ suffix = trimprefix(text, "*") }) :
      jsonencode({ wildcard = text })
    )
  }
  # A push without a tag is a part of another one.
  any_tag = jsonencode({ exists = true })
  # Versions begin with a number, or with v.
  any_version = [for start in concat(["v"], range(10)) : jsonencode({ prefix = tostring(start) })]

  # What each rule takes; an empty list takes anything.
  wanted = [
    for rule in var.rules : {
      registries   = rule.registries
      repositories = contains([for glob in rule.repositories : local.widened[glob]], "*") ? [] : [for glob in rule.repositories : local.filters[glob]]
      tags = (
        !contains([for glob in rule.tags : local.widened[glob]], "*") ? [for glob in rule.tags : local.filters[glob]] :
        rule.semver != null ? local.any_version : [local.any_tag]
      )
    }
  ]

  # From the narrowest to the widest: each rule for itself, all together, their registries, and every push.
  registries = distinct(flatten(local.wanted[*].registries))
  scopes = [
    local.wanted,
    [{
      registries   = local.registries
      repositories = anytrue([for one in local.wanted : length(one.repositories) == 0]) ? [] : distinct(flatten(local.wanted[*].repositories))
      tags         = distinct(flatten(local.wanted[*].tags))
    }],
    [{ registries = local.registries, repositories = [], tags = [local.any_tag] }],
    [{ registries = [], repositories = [], tags = [local.any_tag] }],
  ]

  # A push comes as ECR's own event, or as the arrival of a replica or of what a cache pulled through, and where there is
  # a trail, as CloudTrail's, too.
  # No eventSource: the oldest events of CloudTrail have it empty.
  patterns = [
    for scope in local.scopes : jsonencode({
      source      = ["aws.ecr"]
      detail-type = ["ECR Image Action", "ECR Replication Action", "ECR Pull Through Cache Action", "AWS API Call via CloudTrail"]
      "$or" = [
        for text in distinct(flatten([
          for one in scope : [
            jsonencode(merge(
              { for field, values in { account = one.registries } : field => values if length(values) > 0 },
              { detail = merge(
                { "$or" = [{ action-type = ["PUSH", "REPLICATE"], result = ["SUCCESS"] }, { sync-status = ["SUCCESS"] }] },
                { for field, values in { repository-name = one.repositories, image-tag = one.tags } :
                field => [for value in values : jsondecode(value)] if length(values) > 0 },
              ) },
            )),
            jsonencode({ detail = { eventName = ["PutImage"], responseElements = { image = merge(
              { for field, values in { registryId = one.registries } : field => values if length(values) > 0 },
              { for field, values in { repositoryName = one.repositories } :
              field => [for value in values : jsondecode(value)] if length(values) > 0 },
              { imageId = { imageTag = [for value in one.tags : jsondecode(value)] } },
            ) } } }),
          ]
        ])) : jsondecode(text)
      ]
    })
  ]
}
