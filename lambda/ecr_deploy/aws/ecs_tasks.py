"""ECS: single tasks, and what it tells of those that stopped."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ecr_deploy.aws import ecs_services
from ecr_deploy.aws.calls import Api, Maybe, Shape
from ecr_deploy.core import stops
from ecr_deploy.core.errors import CallError, Retry
from ecr_deploy.core.fleet import Service, Target
from ecr_deploy.core.revisions import DAEMON, Revision
from ecr_deploy.core.stops import ServiceEvent

NOTHING_STARTED = "NothingStarted"
"""The code of a RunTask that ECS had no room for."""

# How many DescribeTasks takes at once.
_PER_DESCRIBE = 100
_MOST_LINES = 20
_TASK: Shape = {
    "taskArn": str,
    "taskDefinitionArn": str,
    "lastStatus": str,
    "containers": Maybe([{"name": str}]),
}


def why_stopped(api: Api, service: Service, revision: str, since: datetime) -> str | None:
    """Why the tasks of a service's revision (an ARN) stopped; else what its events from a moment on tell of trouble.

    None where ECS says neither. `api` is a client that leaves the events in DescribeServices' answers.

    Raises:
        CallError: ECS refuses or does not answer.
        OutOfTimeError: the invocation would end first.

    """
    subject = f"service {service.name} in cluster {service.cluster}"
    is_daemon = service.target.is_daemon
    of_service: dict[str, Any] = {"serviceName": service.name}
    if is_daemon:
        of_service = {"daemonName": service.name.removeprefix(DAEMON)}
    # ECS tells of them for an hour.
    listed = api.call(
        "ListTasks",
        subject,
        {"taskArns": [str]},
        cluster=service.cluster,
        desiredStatus="STOPPED",
        maxResults=_PER_DESCRIBE,
        **of_service,
    )["taskArns"]
    tasks = describe(api, service.cluster, listed) if listed else []
    reasons = stops.describe([task for task in tasks if task["taskDefinitionArn"] == revision])
    return reasons or (None if is_daemon else stops.describe_events(_events(api, service, subject), since))


def describe(api: Api, cluster: str, arns: Sequence[str]) -> list[dict[str, Any]]:
    """Up to 100 tasks of a cluster, as DescribeTasks gives them; those that ECS has forgotten are missing.

    Raises:
        CallError: ECS refuses or does not answer.
        OutOfTimeError: the invocation would end first.

    """
    answer = api.call("DescribeTasks", f"cluster {cluster}", {"tasks": [_TASK]}, cluster=cluster, tasks=list(arns))
    return list(answer["tasks"])


def _events(api: Api, service: Service, subject: str) -> Iterator[ServiceEvent]:
    shape: Shape = {"services": [{"events": Maybe([{"message": str}])}]}
    answer = api.call("DescribeServices", subject, shape, cluster=service.cluster, services=[service.name])
    for described in answer["services"]:
        for event in described.get("events") or ():
            if created_at := ecs_services.time_of(event.get("createdAt")):
                yield ServiceEvent(created_at, event["message"])


def launch_settings(api: Api, target: Target, *, awsvpc: bool) -> dict[str, Any]:
    """Where a service's tasks run, as RunTask takes it: its network, capacity and platform.

    Raises:
        CallError: ECS refuses or does not answer.
        OutOfTimeError: the invocation would end first.

    """
    subject = f"service {target.name} in cluster {target.cluster}"
    shape: Shape = {"services": [dict]}
    answer = api.call("DescribeServices", subject, shape, cluster=target.cluster, services=[target.name])
    [service] = answer["services"][:1] or [{}]
    sets = [task_set for task_set in service.get("taskSets") or () if task_set.get("status") == "PRIMARY"]
    place = {**service, **(sets[0] if sets else {})}
    # RunTask takes one of the two.
    capacity = "capacityProviderStrategy" if place.get("capacityProviderStrategy") else "launchType"
    names = ["networkConfiguration"] * awsvpc + [capacity, "platformVersion"]
    return {name: place[name] for name in names if place.get(name)}


def run(api: Api, request: Mapping[str, Any], token: str) -> str:
    """Start one task, once for a token; gives its ARN.

    Raises:
        CallError: ECS refuses, has no room for it, or does not answer.
        OutOfTimeError: the invocation would end first.

    """
    subject = f"{request['taskDefinition'].rpartition('/')[2]} in cluster {request['cluster']}"
    shape: Shape = {"tasks": [{"taskArn": str}], "failures": Maybe([dict])}
    answer = api.call("RunTask", subject, shape, count=1, clientToken=token, startedBy=token, **request)
    if not answer["tasks"]:
        reasons = ", ".join(str(failure.get("reason")) for failure in answer.get("failures") or ())
        message = f"RunTask of {subject} started nothing: {reasons}"
        raise CallError(message, "RunTask", NOTHING_STARTED, Retry.LATER)
    return str(answer["tasks"][0]["taskArn"])


def stop(api: Api, cluster: str, arn: str, reason: str) -> None:
    """Ask a task to stop.

    Raises:
        CallError: ECS refuses or does not answer.
        OutOfTimeError: the invocation would end first.

    """
    api.call("StopTask", f"cluster {cluster}", {}, cluster=cluster, task=arn, reason=reason)


def last_lines(logs: Callable[[str], Api], revision: Revision, container: str, arn: str) -> list[str]:
    """The last lines, 20 at most, of what a container of a task wrote by the driver awslogs; none by another one.

    `logs` gives CloudWatch Logs in a region.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html

    Raises:
        CallError: CloudWatch Logs refuses or does not answer.
        OutOfTimeError: the invocation would end first.

    """
    definitions = json.loads(revision.source).get("containerDefinitions", ())
    found: dict[str, Any] = next((found for found in definitions if found["name"] == container), {})
    configuration = found.get("logConfiguration") or {}
    options = configuration.get("options") or {}
    group, prefix, region = (options.get(f"awslogs-{name}") for name in ("group", "stream-prefix", "region"))
    if configuration.get("logDriver") != "awslogs" or not (group and prefix and region):
        return []
    stream = f"{prefix}/{container}/{arn.rpartition('/')[2]}"
    shape: Shape = {"events": [{"message": str}]}
    answer = logs(region).call(
        "GetLogEvents",
        f"log group {group}",
        shape,
        logGroupName=group,
        logStreamName=stream,
        limit=_MOST_LINES,
        startFromHead=False,
    )
    return [event["message"].rstrip() for event in answer["events"]][-_MOST_LINES:]
