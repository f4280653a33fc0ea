"""IAM: whether a policy allows a call, and which permissions a call of the function needs.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tests.harness.road import ACCOUNT, REGION

Context = dict[str, list[str]]

# The statement of whoever may do anything.
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


class Permission(NamedTuple):
    """An action on a resource, and what conditions can ask of the request."""

    action: str
    resource: str
    context: Context


def allows(statements: Iterable[Mapping[str, Any]], needed: Permission) -> bool:
    """Whether any statement, none of which denies, allows it."""
    return any(_applies(statement, needed) for statement in statements)


def _applies(statement: Mapping[str, Any], needed: Permission) -> bool:
    assert statement["Effect"] == "Allow"
    return (
        needed.action in statement["Action"]
        and any(fnmatchcase(needed.resource, _bare(one)) for one in statement["Resource"])
        and all(
            _holds(operator, values if isinstance(values, list) else [values], needed.context.get(key))
            for operator, asked in statement.get("Condition", {}).items()
            for key, values in asked.items()
        )
    )


def _holds(operator: str, values: Sequence[str], given: list[str] | None) -> bool:
    if operator == "Null":
        return (given is None) == (values == ["true"])
    _, _, kind = operator.rpartition(":")
    matching = [
        any(one == value if kind == "StringEquals" else fnmatchcase(one, _bare(value)) for value in values)
        for one in given or ()
    ]
    # Without ForAllValues a key has one value, and must be there.
    return all(matching) if operator.startswith("ForAllValues:") else matching == [True]


def _bare(pattern: str) -> str:
    """IAM has no [...]: a bracket is a bracket."""
    return pattern.replace("[", "[[]")


def needed(service: str, operation: str, request: Mapping[str, Any], region: str = REGION) -> list[Permission]:
    """The permissions that a call of boto3 needs, those that AWS asks for on the way included."""
    action = f"{service}:{operation.removesuffix('Batch') if service == 'sqs' else operation}"
    resources, context = _about(service, operation, request, region)
    return [Permission(action, resource, context) for resource in resources] + _on_the_way(operation, request)


def _about(service: str, operation: str, request: Mapping[str, Any], region: str) -> tuple[list[str], Context]:
    """The resources of a call, and its condition keys; `*` where the action takes no resource."""
    arn = f"arn:aws:{service}:{region}:{ACCOUNT}"
    resources, context = _RESOURCES.get(operation), _CONTEXTS.get(operation)
    return resources(arn, request) if resources else ["*"], context(arn, request) if context else {}


def _last(name: object) -> str:
    return str(name).rpartition("/")[2]


def _service(arn: str, request: Mapping[str, Any], name: str) -> str:
    return f"{arn}:service/{_last(request['cluster'])}/{_last(name)}"


def _in_cluster(arn: str, request: Mapping[str, Any]) -> Context:
    return {"ecs:cluster": [f"{arn}:cluster/{_last(request['cluster'])}"]}


def _of_deployment(arn: str, request: Mapping[str, Any]) -> Context:
    return {"ecs:cluster": [f"{arn}:cluster/{request['serviceDeploymentArn'].split('/')[1]}"]}


def _image(arn: str, request: Mapping[str, Any]) -> list[str]:
    return [f"{arn.rpartition(':')[0]}:{request['registryId']}:repository/{request['repositoryName']}"]


def _rule(arn: str, request: Mapping[str, Any]) -> list[str]:
    return [f"{arn}:rule/{request['Rule']}"]


def _schedule(arn: str, request: Mapping[str, Any]) -> list[str]:
    return [f"{arn}:schedule/{request['GroupName']}/{request['Name']}"]


def _group(arn: str, request: Mapping[str, Any]) -> list[str]:
    return [f"{arn}:deploymentgroup:{request['applicationName']}/{request['deploymentGroupName']}"]


def _table(arn: str, request: Mapping[str, Any]) -> list[str]:
    return [f"{arn}:table/{name}" for name in request.get("RequestItems") or [request["TableName"]]]


def _queue(arn: str, request: Mapping[str, Any]) -> list[str]:
    return [f"{arn}:{_last(request['QueueUrl'])}"]


_RESOURCES: dict[str, Callable[[str, Mapping[str, Any]], list[str]]] = {
    "DescribeClusters": lambda arn, request: [f"{arn}:cluster/{name}" for name in request["clusters"]],
    "DescribeServices": lambda arn, request: [_service(arn, request, name) for name in request["services"]],
    "DescribeServiceRevisions": lambda _, request: request["serviceRevisionArns"],
    "ListServiceDeployments": lambda arn, request: [_service(arn, request, request["service"])],
    "DescribeServiceDeployments": lambda _, request: request["serviceDeploymentArns"],
    "DescribeTasks": lambda _, request: request["tasks"],
    **dict.fromkeys(
        ("StopServiceDeployment", "ContinueServiceDeployment"), lambda _, request: [request["serviceDeploymentArn"]]
    ),
    "RunTask": lambda _, request: [request["taskDefinition"]],
    "StopTask": lambda _, request: [request["task"]],
    "GetLogEvents": lambda arn, request: [
        f"{arn}:log-group:{request['logGroupName']}:log-stream:{request['logStreamName']}"
    ],
    "UpdateService": lambda arn, request: [_service(arn, request, request["service"])],
    "UpdateExpressGatewayService": lambda _, request: [request["serviceArn"]],
    "RegisterTaskDefinition": lambda arn, request: [f"{arn}:task-definition/{request['family']}:1"],
    **dict.fromkeys(("TagResource", "ListTagsForResource"), lambda _, request: [request["resourceArn"]]),
    **dict.fromkeys(
        ("DescribeDaemon", "ListDaemonDeployments", "UpdateDaemon"), lambda _, request: [request["daemonArn"]]
    ),
    "DescribeDaemonDeployments": lambda _, request: request["daemonDeploymentArns"],
    "DescribeDaemonRevisions": lambda _, request: request["daemonRevisionArns"],
    "DescribeDaemonTaskDefinition": lambda arn, request: [
        f"{arn}:daemon-task-definition/{_last(request['daemonTaskDefinition']).partition(':')[0]}:1"
    ],
    "RegisterDaemonTaskDefinition": lambda arn, request: [f"{arn}:daemon-task-definition/{request['family']}:1"],
    "DescribeImages": _image,
    "DescribeImageScanFindings": _image,
    "BatchGetImage": _image,
    "PutImage": _image,
    "GetCalendarState": lambda arn, request: [
        one if one.startswith("arn:") else f"{arn}:document/{one}" for one in request["CalendarNames"]
    ],
    "GetParameters": lambda arn, request: [f"{arn}:parameter{name}" for name in request["Names"]],
    "PutParameter": lambda arn, request: [f"{arn}:parameter{request['Name']}"],
    "SendMessage": _queue,
    "SendMessageBatch": _queue,
    "ChangeMessageVisibility": _queue,
    "ChangeMessageVisibilityBatch": _queue,
    **dict.fromkeys(("BatchGetItem", "Query", "PutItem", "UpdateItem"), _table),
    "PutEvents": lambda arn, _: [f"{arn}:event-bus/default"],
    "Publish": lambda _, request: [request["TopicArn"]],
    "ListTargetsByRule": _rule,
    "PutTargets": _rule,
    "GetSchedule": _schedule,
    "UpdateSchedule": _schedule,
    "BatchGetApplications": lambda arn, request: [f"{arn}:application:{one}" for one in request["applicationNames"]],
    "ListDeploymentGroups": lambda arn, request: [f"{arn}:application:{request['applicationName']}"],
    # Of the groups of the deployments, which the request does not name.
    "BatchGetDeployments": lambda arn, _: [f"{arn}:deploymentgroup:any/any"],
    "GetDeploymentGroup": _group,
    "ListDeployments": _group,
    "CreateDeployment": _group,
}
_CONTEXTS: dict[str, Callable[[str, Mapping[str, Any]], Context]] = {
    "ListTasks": _in_cluster,
    "RunTask": _in_cluster,
    "StopTask": _in_cluster,
    "DescribeTasks": _in_cluster,
    "ListDaemons": lambda _, request: {"ecs:cluster": [request["clusterArn"]]},
    "ListServices": _in_cluster,
    "DescribeServices": _in_cluster,
    "ListServiceDeployments": _in_cluster,
    "UpdateService": _in_cluster,
    **dict.fromkeys(("StopServiceDeployment", "ContinueServiceDeployment"), _of_deployment),
    "TagResource": lambda _, request: {"aws:TagKeys": [tag["key"] for tag in request["tags"]]},
    "PutEvents": lambda _, request: {"events:source": [request["Entries"][0]["Source"]]},
    "PutTargets": lambda _, request: {"events:TargetArn": [one["Arn"] for one in request["Targets"]]},
}


def _on_the_way(operation: str, request: Mapping[str, Any]) -> list[Permission]:  # noqa: PLR0911 - one for each
    match operation:
        case "RegisterTaskDefinition" | "RegisterDaemonTaskDefinition":
            kind = "task-definition" if operation == "RegisterTaskDefinition" else "daemon-task-definition"
            arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:{kind}/{request['family']}:1"
            context = {"ecs:CreateAction": [operation], "aws:TagKeys": [tag["key"] for tag in request.get("tags", ())]}
            tagging = [Permission("ecs:TagResource", arn, context)] if request.get("tags") else []
            # Made-up definitions have made-up roles.
            roles = [
                one for key in ("executionRoleArn", "taskRoleArn") if (one := request.get(key, "")).startswith("arn:")
            ]
            return tagging + [_pass(role, "ecs-tasks") for role in roles]
        case "PutTargets":
            return [_pass(one["RoleArn"], "events") for one in request["Targets"]]
        case "UpdateSchedule":
            return [_pass(request["Target"]["RoleArn"], "scheduler"), *_key("DescribeKey", "GenerateDataKey")]
        case "DescribeImageScanFindings":
            return [Permission(f"inspector2:{name}", "*", {}) for name in ("ListCoverage", "ListFindings")]
        case "GetSchedule":
            return _key("Decrypt")
        case "CreateDeployment":
            arn = f"arn:aws:codedeploy:{REGION}:{ACCOUNT}"
            return [
                Permission("codedeploy:GetDeploymentConfig", f"{arn}:deploymentconfig:any", {}),
                Permission(
                    "codedeploy:RegisterApplicationRevision", f"{arn}:application:{request['applicationName']}", {}
                ),
            ]
    return []


def _key(*operations: str) -> list[Permission]:
    """What Scheduler asks of its caller for a schedule that is encrypted with a key of its own."""
    arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    context = {"kms:ViaService": [f"scheduler.{REGION}.amazonaws.com"]}
    return [Permission(f"kms:{one}", arn, context) for one in operations]


def _pass(role: str, service: str) -> Permission:
    return Permission("iam:PassRole", role, {"iam:PassedToService": [f"{service}.amazonaws.com"]})
