"""ECS: single tasks, and what it tells of those that stopped."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ecr_deploy.aws import ecs_services
from ecr_deploy.aws.calls import Api, Maybe, Shape
from ecr_deploy.core import stops
from ecr_deploy.core.fleet import Service
from ecr_deploy.core.stops import ServiceEvent

# How many DescribeTasks takes at once.
_PER_DESCRIBE = 100
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
    # ECS tells of them for an hour.
    listed = api.call(
        "ListTasks",
        subject,
        {"taskArns": [str]},
        cluster=service.cluster,
        serviceName=service.name,
        desiredStatus="STOPPED",
        maxResults=_PER_DESCRIBE,
    )["taskArns"]
    tasks = describe(api, service.cluster, listed) if listed else []
    told = stops.describe([task for task in tasks if task["taskDefinitionArn"] == revision])
    return told or stops.describe_events(_events(api, service, subject), since)


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
