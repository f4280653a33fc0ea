"""Checks of a set-up: function, rules, event source mapping, queue, dead letters, table, key, role."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from ecr_deploy.aws.calls import Maybe, Shape
from ecr_deploy.aws.remote import RemoteItems
from ecr_deploy.cli.patient import WARNING, WRONG, Check, Finding, Patient

_APPLY = "terraform apply"
_DESTINATION = "events.amazonaws.com"


def function(patient: Patient) -> Iterator[Finding]:
    """The function is there, and may run."""
    configuration = patient.configuration
    if (state := configuration.get("State", "Active")) not in ("Active", "Inactive"):
        yield Finding(WRONG, f"{patient.name} is {state}: {configuration.get('StateReason', '')}", _APPLY)
    if configuration.get("LastUpdateStatus") == "Failed":
        yield Finding(WRONG, f"its last update failed: {configuration.get('LastUpdateStatusReason', '')}", _APPLY)
    needs: Shape = {"ReservedConcurrentExecutions": Maybe(int)}
    answer = patient.api("lambda").call("GetFunctionConcurrency", patient.name, needs, FunctionName=patient.name)
    if answer.get("ReservedConcurrentExecutions") == 0:
        mend = f"aws lambda delete-function-concurrency --function-name {patient.name}"
        yield Finding(WRONG, "its reserved concurrency is 0, so that it never runs", mend)


def settings(patient: Patient) -> Iterator[Finding]:
    """Its settings can be read, and it deploys."""
    if patient.settings.dry_run:
        yield Finding(WARNING, "dry_run is on: it deploys nothing", "dry_run = false")
    if not patient.settings.reconcile:
        text = "without a schedule, pushes whose events are lost stay lost, and what waits stays waiting"
        yield Finding(WARNING, text, 'reconcile_schedule = "rate(15 minutes)"')


def rules(patient: Patient) -> Iterator[Finding]:
    """Rules of EventBridge send pushes to the queue."""
    pushes = [rule for rule in patient.rules if "ECR Image Action" in (rule.pattern or "")]
    if not pushes:
        yield Finding(WRONG, "no rule of EventBridge sends pushes to the queue", _APPLY)
    wanted = patient.settings.rules
    # The module makes these rules always, and enables them where something waits for what they report.
    idle = {
        "ECS Task State Change": not wanted.run_before(),
        "ECR Image Scan": not wanted.max_scan_severity(),
        "Deployment Live": not wanted.awaited_regions(),
    }
    for rule in patient.rules:
        is_idle = any(unused and kind in (rule.pattern or "") for kind, unused in idle.items())
        if rule.pattern and rule.state != "ENABLED" and not is_idle:
            yield Finding(WRONG, f"the rule {rule.name} is {rule.state}", f"aws events enable-rule --name {rule.name}")


def mapping(patient: Patient) -> Iterator[Finding]:
    """The event source mapping hands the queue's messages to the function.

    https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html
    """
    needs: Shape = {
        "EventSourceMappings": [
            {
                "UUID": str,
                "FunctionArn": str,
                "State": str,
                "FunctionResponseTypes": Maybe([str]),
                "LastProcessingResult": Maybe(str),
            }
        ]
    }
    arn = patient.queue["QueueArn"]
    answer = patient.api("lambda").call("ListEventSourceMappings", "the queue", needs, EventSourceArn=arn)
    found = [entry for entry in answer["EventSourceMappings"] if entry["FunctionArn"].split(":")[6] == patient.name]
    if not found:
        yield Finding(WRONG, "nothing hands the queue's messages to the function", _APPLY)
    for entry in found:
        if entry["State"] not in ("Enabled", "Enabling", "Creating", "Updating"):
            mend = f"aws lambda update-event-source-mapping --uuid {entry['UUID']} --enabled"
            yield Finding(WRONG, f"the event source mapping is {entry['State']}", mend)
        if "ReportBatchItemFailures" not in (entry.get("FunctionResponseTypes") or ()):
            text = "the event source mapping does not take batchItemFailures: failed messages count as done"
            yield Finding(WRONG, text, _APPLY)
        if (result := entry.get("LastProcessingResult") or "").startswith("PROBLEM"):
            yield Finding(WRONG, f"Lambda can't process the queue: {result}", "ecr-deploy events --errors")


def queue(patient: Patient) -> Iterator[Finding]:
    """The queue takes what EventBridge sends, and gives the function its time."""
    attributes = patient.queue
    if _DESTINATION not in attributes.get("Policy", ""):
        yield Finding(WRONG, "the queue's policy does not let EventBridge send, whose events vanish", _APPLY)
    visibility, timeout = int(attributes.get("VisibilityTimeout", 0)), int(patient.configuration.get("Timeout", 0))
    if visibility < timeout:
        text = f"messages come back after {visibility} s, while the function may still work on them, {timeout} s"
        yield Finding(WRONG, text, _APPLY)
    if "RedrivePolicy" not in attributes:
        yield Finding(WRONG, "the queue has no dead-letter queue: what can't be handled comes back for 14 days", _APPLY)


def dead_letters(patient: Patient) -> Iterator[Finding]:
    """No dead letters lie about."""
    if count := int(patient.dead_letters.get("ApproximateNumberOfMessages", 0)):
        yield Finding(WARNING, f"{count} messages lie in the dead-letter queue", "ecr-deploy dead-letters list")


def table(patient: Patient) -> Iterator[Finding]:
    """The table is there, as the function needs it, and can be restored."""
    found, name = patient.table, patient.settings.table_name
    if found["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield Finding(WRONG, f"the table {name} is {found['TableStatus']}", _APPLY)
    if (keys := [key["AttributeName"] for key in found["KeySchema"]]) != ["target", "item"]:
        yield Finding(WRONG, f"the table {name} has the keys {', '.join(keys)} instead of target, item", _APPLY)
    needs: Shape = {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": Maybe(dict)}}
    answer = patient.api("dynamodb").call("DescribeContinuousBackups", name, needs, TableName=name)
    recovery = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription") or {}
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        yield Finding(WARNING, f"the table {name} can't be restored to a point in time", _APPLY)


def stages(patient: Patient) -> Iterator[Finding]:
    """The regions for which rules wait have reported something."""
    reported = RemoteItems(patient.api("dynamodb"), patient.settings.table_name)
    for region in patient.settings.rules.awaited_regions():
        if not reported.knows(region):
            text = f"rules wait for {region}, from which nothing was reported yet"
            yield Finding(WARNING, text, "a rule there that sends it: docs/how-to.md#a-stage-in-another-region")


def key(patient: Patient) -> Iterator[Finding]:
    """The key may be used by those who need it.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    """
    keys = {patient.queue.get("KmsMasterKeyId"), (patient.table.get("SSEDescription") or {}).get("KMSMasterKeyArn")}
    for name in sorted(filter(None, keys)):
        needs: Shape = {"KeyMetadata": {"KeyState": str}}
        state = patient.api("kms").call("DescribeKey", name, needs, KeyId=name)["KeyMetadata"]["KeyState"]
        if state != "Enabled":
            yield Finding(WRONG, f"the key {name} is {state}", f"aws kms enable-key --key-id {name}")
    if name := patient.queue.get("KmsMasterKeyId"):
        answer = patient.api("kms").call("GetKeyPolicy", name, {"Policy": str}, KeyId=name, PolicyName="default")
        if _DESTINATION not in answer["Policy"]:
            text = f"the policy of key {name} does not let {_DESTINATION} use it, so that events vanish"
            yield Finding(
                WRONG, text, "allow it kms:Decrypt and kms:GenerateDataKey: docs/how-to.md#encryption-and-boundaries"
            )


def role(patient: Patient) -> Iterator[Finding]:
    """The role may do what the inputs need."""
    allowed = [action for statement in patient.statements for action in _texts(statement.get("Action"))]
    for action, reason in _needed(patient):
        if not any(fnmatchcase(action, glob) for glob in allowed):
            yield Finding(WRONG, f"the role may not {action}, which {reason} needs", _APPLY)


def passed_roles(patient: Patient) -> Iterator[Finding]:
    """The role may pass the roles of the tasks that it deploys."""
    if patient.settings.dry_run:
        return
    passing = [entry for entry in patient.statements if "iam:PassRole" in _texts(entry.get("Action"))]
    globs = [glob for statement in passing for glob in _texts(statement.get("Resource"))]
    missing: dict[str, str] = {}
    for member in patient.members:
        for arn in patient.roles_of(member):
            if not any(fnmatchcase(arn, glob) for glob in globs):
                missing.setdefault(arn, f"{member.target.cluster}/{member.target.name}")
    for arn, place in sorted(missing.items()):
        yield Finding(
            WRONG, f"the role may not pass {arn}, which {place} runs with", f"add it to pass_role_arns: {arn}"
        )


def _needed(patient: Patient) -> Iterator[tuple[str, str]]:
    """The actions that the inputs need, each with who needs it."""
    inputs = patient.settings
    yield from (
        (f"ecs:{name}", "every push") for name in ("ListServices", "DescribeServices", "DescribeTaskDefinition")
    )
    yield from (("ecr:DescribeImages", "every push"), ("dynamodb:BatchGetItem", "every push"))
    yield from (
        ("sqs:ReceiveMessage", "the queue"),
        ("sqs:DeleteMessage", "the queue"),
        ("sqs:SendMessage", "the queue"),
    )
    if inputs.rules.exact_clusters() is None:
        yield "ecs:ListClusters", "a cluster with a wildcard"
    if inputs.rules.families():
        yield "ecs:ListTaskDefinitionFamilies", "rules[*].families"
    if inputs.rules.change_calendars():
        yield "ssm:GetCalendarState", "change_calendars"
    if inputs.dry_run:
        return
    for action in ("ecs:RegisterTaskDefinition", "ecs:UpdateService", "iam:PassRole", "dynamodb:PutItem"):
        yield action, "a deployment"
    features: list[tuple[object, str, str]] = [
        (inputs.scheduled_tasks, "events:PutTargets", "scheduled_tasks"),
        (inputs.scheduled_tasks, "scheduler:UpdateSchedule", "scheduled_tasks"),
        (inputs.codedeploy, "codedeploy:CreateDeployment", "codedeploy"),
        (inputs.daemons, "ecs:UpdateDaemon", "daemons"),
        (inputs.express_mode, "ecs:UpdateExpressGatewayService", "express_mode"),
        (inputs.keep_revisions, "ecs:DeregisterTaskDefinition", "keep_revisions"),
        (inputs.image_parameter_prefix, "ssm:PutParameter", "image_parameter_prefix"),
        (inputs.rules.promote(), "ecr:PutImage", "rules[*].promote_tag"),
        (inputs.rules.max_scan_severity(), "ecr:DescribeImageScanFindings", "rules[*].max_scan_severity"),
        (inputs.rules.run_before(), "ecs:RunTask", "rules[*].run_before"),
        (inputs.topics or inputs.chat_topics, "sns:Publish", "notifications"),
    ]
    yield from ((action, f"the input {name}") for is_on, action, name in features if is_on)


def _texts(value: Any) -> list[str]:
    """What IAM writes as one text or as several."""
    return [value] if isinstance(value, str) else list(value or ())


CHECKS: tuple[Check, ...] = (
    *(function, settings, rules, mapping, queue, dead_letters),
    *(table, stages, key, role, passed_roles),
)
