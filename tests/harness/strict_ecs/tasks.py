"""Single tasks, which no service runs: RunTask, DescribeTasks, StopTask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .state import Account, Revision, Service
    from .validation import Json

MAX_DESCRIBED = 100
MAX_RUN = 10
MAX_STARTED_BY = 36
STOPPED_SECONDS = 3600
"""How long a task that has stopped can be described."""
TOKEN_SECONDS = 86400


@dataclass
class Run:
    """What a client token stands for: the request, its tasks, and since when."""

    request: Json
    tasks: list[Json]
    at: float

    def is_known(self, now: float) -> bool:
        """Tell whether the token still counts: for 24 hours, or for an hour after its tasks have stopped.

        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
        """
        stopped_at: float = max(task.get("stoppedAt", now) for task in self.tasks)
        return now < min(self.at + TOKEN_SECONDS, stopped_at + STOPPED_SECONDS)


def run_task(account: Account, request: Json) -> Json:
    """Start up to 10 tasks of a revision.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    """
    cluster = account.cluster(request.get("cluster"))
    count = 1 if request.get("count") is None else request["count"]
    if not 1 <= count <= MAX_RUN:
        message = f"count must be between 1 and {MAX_RUN}."
        raise errors.invalid_parameter(message)
    if len(request.get("startedBy") or "") > MAX_STARTED_BY:
        message = f"startedBy can be at most {MAX_STARTED_BY} characters."
        raise errors.invalid_parameter(message)
    token = request.get("clientToken")
    if token is not None and not re.fullmatch(r"[!-~]{1,64}", token):
        message = "clientToken must be 1 to 64 ASCII characters in the range 33-126."
        raise errors.invalid_parameter(message)
    now = account.clock.time()
    known = account.runs.get((cluster.name, token))
    if token is not None and known is not None and known.is_known(now):
        if known.request != request:
            code, message = "ConflictException", "The clientToken is already in use with a different RunTask request."
            error = errors.EcsError(code, message)
            error.members["resourceIds"] = [task["taskArn"] for task in known.tasks]
            raise error
        return {"tasks": known.tasks, "failures": []}
    revision = account.launchable(request["taskDefinition"])
    tasks = [_start(account, cluster.name, cluster.arn, revision, request) for _ in range(count)]
    if token is not None:
        account.runs[cluster.name, token] = Run(request, tasks, now)
    return {"tasks": tasks, "failures": []}


def start_for_service(account: Account, service: Service) -> Json:
    """Start a task of what a service is to run, as its scheduler does."""
    cluster, revision = service.cluster, account.revision(service.task_definition or "")
    assert revision is not None
    request = {"group": f"service:{service.name}", "startedBy": service.rollouts[0]["id"]}
    return _start(account, cluster.name, cluster.arn, revision, request)


def _start(account: Account, cluster: str, cluster_arn: str, revision: Revision, request: Json) -> Json:
    identifier = f"{int(account.number()):032x}"
    arn = f"{account.prefix}task/{cluster}/{identifier}"
    task: Json = {
        "taskArn": arn,
        "clusterArn": cluster_arn,
        "taskDefinitionArn": revision.arn,
        "lastStatus": "PROVISIONING",
        "desiredStatus": "RUNNING",
        "createdAt": account.clock.time(),
        "group": request.get("group") or f"family:{revision.family}",
        "launchType": request.get("launchType") or "FARGATE",
        "overrides": request.get("overrides") or {"containerOverrides": []},
        "containers": [
            {
                "containerArn": f"{account.prefix}container/{cluster}/{identifier}/{index}",
                "taskArn": arn,
                "name": container.get("name", ""),
                "image": container["image"],
                "lastStatus": "PENDING",
            }
            for index, container in enumerate(revision.definition["containerDefinitions"])
        ],
    }
    if request.get("startedBy"):
        task["startedBy"] = request["startedBy"]
    account.tasks[arn] = task
    return task


def list_tasks(account: Account, request: Json) -> list[str]:
    """Name the tasks of a cluster that are to run, or those that are to stop, as far as they can be described.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
    """
    cluster = account.cluster(request.get("cluster"))
    asked = {name: request[name] for name in ("family", "serviceName", "startedBy", "launchType") if request.get(name)}
    if "startedBy" in asked and len(asked) > 1:
        message = "startedBy must be the only filter."
        raise errors.invalid_parameter(message)
    if "serviceName" in asked and account.service(cluster, asked["serviceName"]) is None:
        raise errors.service_not_found()
    status = request.get("desiredStatus") or "RUNNING"
    return [
        arn
        for arn, task in account.tasks.items()
        if task["clusterArn"] == cluster.arn and find_task(account, cluster.name, arn)
        if task["desiredStatus"] == status
        if all(_filters(task)[name] == value for name, value in asked.items())
    ]


def _filters(task: Json) -> dict[str, str | None]:
    kind, _, name = task["group"].partition(":")
    return {
        "family": task["taskDefinitionArn"].rpartition("/")[2].rpartition(":")[0],
        "serviceName": name if kind == "service" else None,
        "startedBy": task.get("startedBy"),
        "launchType": task["launchType"],
    }


def describe_tasks(account: Account, request: Json) -> Json:
    """Describe up to 100 tasks of a cluster; those that have stopped, for an hour."""
    cluster = account.cluster(request.get("cluster"))
    if not 1 <= len(request["tasks"]) <= MAX_DESCRIBED:
        message = f"tasks must have 1 to {MAX_DESCRIBED} items."
        raise errors.invalid_parameter(message)
    tasks, failures = [], []
    for identifier in request["tasks"]:
        task = find_task(account, cluster.name, identifier)
        if task is None:
            failures.append({"arn": _arn(account, cluster.name, identifier), "reason": "MISSING"})
        else:
            tasks.append(task)
    return {"tasks": tasks, "failures": failures}


def stop_task(account: Account, request: Json) -> Json:
    """Ask a task to stop, which it does later."""
    cluster = account.cluster(request.get("cluster"))
    task = find_task(account, cluster.name, request["task"])
    if task is None:
        message = "The referenced task was not found."
        raise errors.invalid_parameter(message)
    if task["lastStatus"] != "STOPPED":
        reason = request.get("reason") or "Task stopped by user"
        task.update(desiredStatus="STOPPED", stopCode="UserInitiated", stoppedReason=reason)
    return {"task": task}


def find_task(account: Account, cluster: str, identifier: str) -> Json | None:
    """Find a task that can still be described."""
    task = account.tasks.get(_arn(account, cluster, identifier))
    if task is None or account.clock.time() - task.get("stoppedAt", float("inf")) > STOPPED_SECONDS:
        return None
    return task


def end_task(account: Account, task: Json, exit_codes: Mapping[str, int | None], reason: str) -> None:
    """Let a task stop; a container without an exit code has never run."""
    for container in task["containers"]:
        container["lastStatus"] = "STOPPED"
        if exit_codes.get(container["name"]) is not None:
            container["exitCode"] = exit_codes[container["name"]]
    ran = any(code is not None for code in exit_codes.values())
    task.setdefault("stopCode", "EssentialContainerExited" if ran else "TaskFailedToStart")
    task.setdefault("stoppedReason", reason)
    task.update(lastStatus="STOPPED", desiredStatus="STOPPED", stoppedAt=account.clock.time())


def _arn(account: Account, cluster: str, identifier: str) -> str:
    return identifier if identifier.startswith("arn:") else f"{account.prefix}task/{cluster}/{identifier}"
