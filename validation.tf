# What inputs are held against: the fields of those that are objects, and the grammars of texts.

locals {
  # Terraform drops attributes that an object type does not have, without a word. So the inputs that are objects have the
  # type any, and these are their fields and the types of those.
  fields = {
    "rules[*]" = {
      registries          = "list(string)"
      repositories        = "list(string)"
      tags                = "list(string)"
      exclude_tags        = "list(string)"
      semver              = "string"
      include_prereleases = "bool"
      order_by            = "map(string)"
      clusters            = "list(string)"
      services            = "list(string)"
      containers          = "list(string)"
      families            = "list(string)"
      change_calendars    = "list(string)"
      minimum_image_age   = "number"
      run_before          = "list(object)"
      after               = "object({ region = string, clusters = list(string), services = list(string), live_minutes = number })"
      approval            = "object({ expires_hours = number })"
      max_scan_severity   = "string"
      promote_tag         = "string"

      scan_timeout_minutes = "number"
    }
    notifications = {
      topic_arns      = "list(string)"
      chat_topic_arns = "list(string)"
    }
    alarms = {
      topic_arns    = "list(string)"
      waiting_hours = "number"
    }
  }

  # For each rule with a stage in its own region, by its index, those of them that bring pushes to the stage; none where a
  # rule without one reaches it, too. A path of up to eight steps that ends where it began is a circle.
  staged = try({ for index, rule in local.rules : tostring(index) => rule if rule.after != null && length(rule.after.clusters) > 0 && !can(rule.after.region) }, {})
  stage_steps = try({ for index, rule in local.staged : index => alltrue([for cluster in rule.after.clusters : anytrue(flatten([
    for other in local.rules : [for glob in other.clusters : can(regex(local.as_regex[glob], cluster))] if other.after == null || can(other.after.region)
    ]))]) ? [] : [
    for other_index, other in local.staged : other_index if anytrue(flatten([for cluster in rule.after.clusters : [
      for glob in other.clusters : can(regex(local.as_regex[glob], cluster)) || can(regex(local.as_regex[cluster], glob))
    ]]))
  ] }, {})
  stage_paths_2  = { for index, steps in local.stage_steps : index => distinct(concat(steps, flatten([for step in steps : local.stage_steps[step]]))) }
  stage_paths_4  = { for index, steps in local.stage_paths_2 : index => distinct(concat(steps, flatten([for step in steps : local.stage_paths_2[step]]))) }
  stage_paths_8  = { for index, steps in local.stage_paths_4 : index => distinct(concat(steps, flatten([for step in steps : local.stage_paths_4[step]]))) }
  circular_rules = [for index, steps in local.stage_paths_8 : index if contains(steps, index)]
  as_regex = try({ for glob in distinct(flatten([for rule in local.rules : concat(rule.clusters, rule.after == null ? [] : rule.after.clusters)])) :
    glob => "^${replace(replace(replace(glob, "[!", "[^"), "*", ".*"), "?", ".")}$"
  }, {})

  # How values of a type look in JSON, null aside.
  types = {
    "list(string)" = "^\\[(\"([^\"\\\\]|\\\\.)*\"(,\"([^\"\\\\]|\\\\.)*\")*)?\\]$"
    "map(string)"  = "^\\{(\"([^\"\\\\]|\\\\.)*\":\"([^\"\\\\]|\\\\.)*\"(,\"([^\"\\\\]|\\\\.)*\":\"([^\"\\\\]|\\\\.)*\")*)?\\}$"
    "list(object)" = "^\\[(\\{.*\\})?\\]$"
    string         = "^\""
    bool           = "^(true|false)$"
    number         = "^-?[0-9]"

    "object({ region = string, clusters = list(string), services = list(string), live_minutes = number })" = "^\\{\"clusters\":${local.json_globs}(,\"live_minutes\":[0-9]{1,7})?(,\"region\":\"${local.region_name}\")?(,\"services\":${local.json_services})?\\}$"
    "object({ expires_hours = number })"                                                                   = "^\\{(\"expires_hours\":[1-9][0-9]{0,4})?\\}$"
  }
  region_name   = "[a-z]{2,}(-[a-z]+)+-[0-9]+"
  json_globs    = "\\[\"${local.one_glob}\"(,\"${local.one_glob}\")*\\]"
  json_services = "\\[\"${local.service}\"(,\"${local.service}\")*\\]"

  # The fields of a task of run_before, and those that it must have.
  task_fields        = ["family", "container", "command", "timeout_minutes", "network_configuration", "launch_type"]
  task_needs         = ["family", "container"]
  task_launch_types  = ["EC2", "FARGATE", "EXTERNAL"]
  task_network_names = ["subnets", "security_groups", "assign_public_ip"]

  # The fields of a rule that may be left out, but not be empty.
  never_empty = ["registries", "repositories", "tags", "clusters", "services", "containers"]

  # The fields of a rule that count minutes.
  whole_minutes = ["minimum_image_age", "scan_timeout_minutes"]

  # The fields of a rule that hold pushes back until a scheduled run.
  waiting = ["change_calendars", "minimum_image_age", "after", "approval", "max_scan_severity"]

  one_glob = "([A-Za-z0-9_*?-]|\\[!?[A-Za-z0-9_-]+\\])+"
  glob     = "^${local.one_glob}$"
  glob_fix = "write letters, digits, hyphens and underscores, and among them the wildcards *, ? and [...], as in \"prod-*\""
  # Names of daemons begin so.
  service    = "(daemon/)?${local.one_glob}"
  names      = { pattern = local.glob, fault = "which is no glob of names: ${local.glob_fix}" }
  image_tags = { pattern = "^([A-Za-z0-9_.*?-]|\\[!?[A-Za-z0-9_.-]+\\])+$", fault = "which is no glob of image tags: write letters, digits, dots, hyphens and underscores, and among them the wildcards *, ? and [...], as in \"v1.*\"" }

  # The fields of a rule that hold texts, with what those must look like.
  grammars = {
    registries       = { pattern = "^[0-9]{12}$", fault = "which is no account id: write its 12 digits, as text" }
    repositories     = { pattern = "^([a-z0-9._/*?-]|\\[!?[a-z0-9._/-]+\\])+$", fault = "which is no glob of repository names: write small letters, digits, dots, hyphens, underscores and slashes, and among them the wildcards *, ? and [...], as in \"team/*\"" }
    tags             = local.image_tags
    exclude_tags     = local.image_tags
    semver           = { pattern = local.semver_range, fault = "which is no range of semantic versions: write comparators such as \">=1.4.0 <2.0.0\", \"^1.4\", \"~1.4.2\", \"1.2 - 2.3\" or \"1.x || 2.x\"" }
    clusters         = local.names
    services         = merge(local.names, { pattern = "^${local.service}$" })
    containers       = local.names
    families         = local.names
    change_calendars = { pattern = local.calendar, fault = local.calendar_fault }
    # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanFinding.html
    max_scan_severity = { pattern = "^(NONE|UNTRIAGED|UNDEFINED|INFORMATIONAL|LOW|MEDIUM|HIGH|CRITICAL)$", fault = "which is no severity: write NONE, UNTRIAGED, UNDEFINED, INFORMATIONAL, LOW, MEDIUM, HIGH or CRITICAL" }
    # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageIdentifier.html
    promote_tag = { pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", fault = "which is no image tag: write up to 128 letters, digits, dots, hyphens and underscores" }
  }

  # The grammar of the function's versions.py. Of alternatives the longest comes first.
  semver_number     = "(?:0|[1-9][0-9]{0,31})"
  semver_identifier = "(?:[0-9]*[A-Za-z-][0-9A-Za-z-]*|${local.semver_number})"
  semver_prerelease = "${local.semver_identifier}(?:\\.${local.semver_identifier})*"
  semver_build      = "\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*"
  semver_space      = "[ \\t\\r\\n]"
  semver_x          = "\\.[xX*]"
  semver_partial = join("", [
    "v?(?:${local.semver_number}\\.${local.semver_number}\\.${local.semver_number}(?:-${local.semver_prerelease})?(?:${local.semver_build})?",
    "|${local.semver_number}\\.${local.semver_number}(?:${local.semver_x})?|${local.semver_number}(?:${local.semver_x}){0,2}",
    "|[xX*](?:${local.semver_x}){0,2})",
  ])
  semver_comparator = join("", [
    "(?:${local.semver_partial}${local.semver_space}+-${local.semver_space}+${local.semver_partial}",
    "|(?:(?:>=|=>|<=|=<|~>|!=|[\\^~<>=])${local.semver_space}*)?${local.semver_partial})",
  ])
  semver_separator = "(?:${local.semver_space}*(?:,|\\|\\|)${local.semver_space}*|${local.semver_space}+)"
  semver_range     = "^${local.semver_space}*${local.semver_comparator}(?:${local.semver_separator}${local.semver_comparator})*${local.semver_space}*$"

  # The grammar of the function's order_by.py: what Python and RE2 read alike.
  order_by_escape     = "\\\\[dDwW._-]"
  order_by_atom       = "(?:[A-Za-z0-9_.-]|${local.order_by_escape}|\\[\\^?(?:-?(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.]|${local.order_by_escape})+-?|-)\\])"
  order_by_count      = "(?:0|[1-9][0-9]{0,2})"
  order_by_repetition = "(?:[*+?]|\\{${local.order_by_count}(?:,(?:${local.order_by_count})?)?\\})"
  order_by_piece      = "${local.order_by_atom}${local.order_by_repetition}?"
  order_by_part       = "(?:${local.order_by_piece}|\\(\\?:(?:${local.order_by_piece})+(?:\\|(?:${local.order_by_piece})+)*\\)\\??)"
  order_by = {
    for type, captured in {
      number = "(?:(?:[0-9]|\\\\d|\\[(?:[0-9]-[0-9]|[0-9]|\\\\d)+\\])${local.order_by_repetition}?)+"
      text   = "${local.order_by_part}+(?:\\|${local.order_by_part}+)*"
    } : type => "^\\^?${local.order_by_part}*\\((?:\\?P<[A-Za-z_][A-Za-z0-9_]*>)?${captured}\\)${local.order_by_part}*\\$?$"
  }

  topic       = "^arn:[^:]+:sns:[^:]+:[0-9]{12}:[A-Za-z0-9_-]+$"
  topic_fault = "which is no ARN of a standard topic: give the attribute arn of an aws_sns_topic"

  calendar       = "^([A-Za-z0-9_.-]{3,128}|arn:[^:]+:ssm:[^:]+:[0-9]{12}:document/[A-Za-z0-9_.-]{3,128})$"
  calendar_fault = "which is no change calendar: give the name or the ARN of an aws_ssm_document of the type ChangeCalendar"

  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
  schedule = "^(rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\)|cron\\(([^ ()]+ ){2}([^ ()]+ [^ ()]+ \\?|\\? [^ ()]+ [^ ()]+) [^ ()]+\\))$"
}
