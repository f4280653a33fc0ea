# The grammars that inputs are held against: globs, versions, calendars, schedules, topics.

locals {
  glob     = "^([A-Za-z0-9_*?-]|\\[!?[A-Za-z0-9_-]+\\])+$"
  glob_fix = "write letters, digits, hyphens and underscores, and among them the wildcards *, ? and [...], as in \"prod-*\""

  # The fields of a rule that may be left out, but not be empty.
  never_empty = ["registries", "repositories", "tags", "clusters", "services"]

  # The fields of a rule that are lists of globs, by what they match.
  ecs_names  = { pattern = local.glob, names = "names", fix = local.glob_fix }
  image_tags = { pattern = "^([A-Za-z0-9_.*?-]|\\[!?[A-Za-z0-9_.-]+\\])+$", names = "image tags", fix = "write letters, digits, dots, hyphens and underscores, and among them the wildcards *, ? and [...], as in \"v1.*\"" }
  globs = {
    repositories = { pattern = "^([a-z0-9._/*?-]|\\[!?[a-z0-9._/-]+\\])+$", names = "repository names", fix = "write small letters, digits, dots, hyphens, underscores and slashes, and among them the wildcards *, ? and [...], as in \"team/*\"" }
    tags         = local.image_tags
    exclude_tags = local.image_tags
    clusters     = local.ecs_names
    services     = local.ecs_names
    families     = local.ecs_names
  }

  # The grammar of the function's versions.py, a part of npm's: https://github.com/npm/node-semver#ranges
  semver_part       = "(x|X|\\*|0|[1-9][0-9]*)"
  semver_identifier = "(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
  semver_prerelease = "-${local.semver_identifier}(\\.${local.semver_identifier})*"
  semver_comparator = "(\\^|~|>=|<=|>|<|=)?\\s*v?${local.semver_part}(\\.${local.semver_part}(\\.${local.semver_part}(${local.semver_prerelease})?)?)?"
  semver_set        = "\\s*${local.semver_comparator}(\\s+${local.semver_comparator})*\\s*"
  semver_range      = "^${local.semver_set}(\\|\\|${local.semver_set})*$"

  topic = "^arn:[^:]+:sns:[^:]+:[0-9]{12}:[A-Za-z0-9_-]+$"

  calendar     = "^([A-Za-z0-9_.-]{3,128}|arn:[^:]+:ssm:[^:]+:[0-9]{12}:document/[A-Za-z0-9_.-]{3,128})$"
  calendar_fix = "which is no change calendar: give the name or the ARN of an aws_ssm_document of the type ChangeCalendar"

  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
  schedule = "^(rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\)|cron\\(([^ ()]+ ){2}([^ ()]+ [^ ()]+ \\?|\\? [^ ()]+ [^ ()]+) [^ ()]+\\))$"
}
