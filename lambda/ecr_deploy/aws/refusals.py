"""What mends a refusal of IAM: AWS says which kind of policy refused, the module knows which statement should allow.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

import re

_PASS_ROLE = re.compile(r"iam:PassRole on resource: (\S+)")
_ACTION = re.compile(r"perform: ([a-z0-9-]+:[A-Za-z]+)")
# By what AWS calls the policy, in the order in which it would have to be mended.
_POLICIES = {
    "service control policy": "a service control policy of the organization refuses it, which no input can change",
    "resource control policy": "a resource control policy of the organization refuses it, which no input can change",
    "permissions boundary": "the role's permissions boundary must allow it, too: widen permissions_boundary",
    "VPC endpoint policy": "the policy of the VPC endpoint must allow it",
    "resource-based policy": "the policy of that resource must allow the function's role",
    "explicit deny in an identity-based policy": "a policy that somebody attached to the function's role denies it",
}
# The statement of the role's policy that allows an action, and the input that says for what.
GRANTS = {
    "codedeploy:CreateDeployment": ("AllowCreateCodeDeployDeployments", "codedeploy"),
    "ecr:BatchGetImage": ("AllowReadScans", "max_scan_severity or promote_tag of rules"),
    "ecr:DescribeImageScanFindings": ("AllowReadScans", "max_scan_severity of rules"),
    "ecr:DescribeImages": ("AllowDescribeImages", "registries and repositories of rules"),
    "ecr:PutImage": ("AllowPromoteImages", "promote_tag of rules"),
    "ecs:ContinueServiceDeployment": ("AllowStopServiceDeployments", "clusters"),
    "ecs:DeregisterTaskDefinition": ("AllowDeregisterTaskDefinitions", "keep_revisions"),
    "ecs:DescribeClusters": ("AllowDescribeClusters", "clusters"),
    "ecs:DescribeServices": ("AllowDescribeServices", "clusters"),
    "ecs:DescribeTasks": ("AllowDescribeTasks", "clusters"),
    "ecs:ListServices": ("AllowListServices", "clusters"),
    "ecs:ListTasks": ("AllowListTasks", "clusters"),
    "ecs:StopServiceDeployment": ("AllowStopServiceDeployments", "clusters"),
    "ecs:UpdateDaemon": ("AllowUpdateDaemons", "daemons and clusters"),
    "ecs:UpdateExpressGatewayService": ("AllowUpdateServices", "express_mode and clusters"),
    "ecs:UpdateService": ("AllowUpdateServices", "clusters"),
    "events:PutTargets": ("AllowPutTargets", "scheduled_tasks"),
    "sns:Publish": ("AllowNotify", "notifications"),
    "scheduler:UpdateSchedule": ("AllowUpdateSchedules", "scheduled_tasks"),
    "ssm:GetCalendarState": ("AllowGetCalendarState", "change_calendars"),
    "ssm:GetParameters": ("AllowImageParameters", "image_parameter_prefix"),
    "ssm:PutParameter": ("AllowImageParameters", "image_parameter_prefix"),
}


def explain(call: str, code: str, detail: str) -> str:
    """Say that a call is not allowed, and what would mend it, from AWS's code and message."""
    if role := _PASS_ROLE.search(detail):
        return f"the role {role[1]} may not be passed: add it to the module's input pass_role_arns"
    return "; ".join(filter(None, (f"{call} is not allowed: {detail}", _mend(code, detail))))


def _mend(code: str, detail: str) -> str:
    if text := next((text for policy, text in _POLICIES.items() if policy in detail), ""):
        return text
    action = match[1] if (match := _ACTION.search(detail)) else ""
    if action.startswith("kms:") or code.startswith("KMS"):
        return "the policy of the key (kms_key_arn) must let the function's role use it"
    if action in GRANTS:
        statement, inputs = GRANTS[action]
        return f"the statement {statement} of the role's policy, made from {inputs}, should allow it: apply the module"
    return ""
