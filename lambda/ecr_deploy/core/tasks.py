"""Tasks first: what has to run and end well with an image before services get it."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from ecr_deploy.core import rollouts
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.records import Record, format_time, parse_time

STARTED_BY = "ecr-deploy/"
"""What `startedBy` of our tasks begins with."""

MOST_RUNS = 50
"""How many images a slot remembers."""


class Task(NamedTuple):
    """A task that has to end with exit code 0; `command` replaces the container's, `launch` is RunTask's own JSON."""

    family: str
    container: str
    command: tuple[str, ...] = ()
    timeout: timedelta = timedelta(minutes=15)
    launch: Mapping[str, Any] = MappingProxyType({})

    def slot(self, cluster: str) -> str:
        """Where one task at a time runs, and what the table calls that."""
        return f"{cluster}/{self.family}/{self.container}"


class RunState(StrEnum):
    """Where the task of an image stands; `begun` may have reached ECS, or not."""

    BEGUN = "begun"
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


ACTIVE = (RunState.BEGUN, RunState.STARTED)


class Run(NamedTuple):
    """The task of one image. `request` is what RunTask gets, `since` when it first got it, `reason` why it failed."""

    push: Record
    state: RunState
    token: str
    since: datetime
    attempt: int = 1
    request: Mapping[str, Any] = MappingProxyType({})
    arn: str | None = None
    reason: str | None = None
    timeout: timedelta = timedelta(minutes=15)


class Slot(NamedTuple):
    """The runs of a task in a cluster, the newest first; `version` is that of the table, 0 for none."""

    runs: tuple[Run, ...] = ()
    version: int = 0

    def of(self, push: Record) -> Run | None:
        """The run of an image."""
        return next((run for run in self.runs if _image(run.push) == _image(push)), None)

    @property
    def active(self) -> Run | None:
        """The run that has not ended."""
        return next((run for run in self.runs if run.state in ACTIVE), None)

    def having(self, run: Run) -> "Slot":
        """The same with a run in the place of that of its image."""
        others = (other for other in self.runs if _image(other.push) != _image(run.push))
        return self._replace(runs=(run, *others)[:MOST_RUNS])

    def without(self, run: Run) -> "Slot":
        """The same without a run."""
        return self._replace(runs=tuple(other for other in self.runs if other != run))


def hold(task: Task, push: Record, slot: Slot) -> Reason | None:
    """Why an image has to wait for a task; None once that has ended well."""
    run, active = slot.of(push), slot.active
    if run is None or run.state is RunState.BEGUN:
        if active and active is not run:
            return Reason("task", f"the task {task.family} of {active.push.tag} has not ended yet")
        return Reason("task", f"the task {task.family} has not run yet")
    if run.state is RunState.STARTED:
        return Reason("task", f"the task {task.family} runs since {format_time(run.since)}")
    if run.state is RunState.FAILED:
        return Reason("task-failed", f"{run.reason}: a request tries again")
    return None


def token(instance: str, slot: str, push: Record, attempt: int) -> str:
    """What makes RunTask start the task of an image only once; `startedBy`, too, which takes 36 characters."""
    text = "\n".join((instance, slot, *_image(push), str(attempt)))
    return STARTED_BY + hashlib.sha256(text.encode()).hexdigest()[:24]


def judge(task: Mapping[str, Any], container: str) -> str | None:
    """Why a task that has stopped failed; None if its container ended with 0."""
    found = [found for found in task.get("containers") or () if found.get("name") == container]
    code = found[0].get("exitCode") if found else None
    if code == 0:
        return None
    parts = [f"exit {code}"] if code is not None else ["no exit code"]
    parts += [str(found[0]["reason"])] if found and found[0].get("reason") else []
    parts += [str(task["stoppedReason"])] if task.get("stoppedReason") else []
    return f"container {container}: {', '.join(dict.fromkeys(parts))}"


def to_json(slot: Slot) -> list[dict[str, Any]]:
    """Give the runs of a slot as the table holds them."""
    return [
        {
            "push": rollouts.record_to_json(run.push),
            "state": str(run.state),
            "token": run.token,
            "since": format_time(run.since),
            "attempt": run.attempt,
            "request": dict(run.request) if run.state in ACTIVE else {},
            "arn": run.arn,
            "reason": run.reason,
            "timeout": run.timeout.total_seconds(),
        }
        for run in slot.runs
    ]


def from_json(written: list[Mapping[str, Any]], version: int) -> Slot:
    """Read what `to_json` gave.

    Raises:
        KeyError, ValueError, TypeError: it is not that.

    """
    runs = (
        Run(
            push=rollouts.record_from_json(run["push"]),
            state=RunState(run["state"]),
            token=run["token"],
            since=parse_time(run["since"]),
            attempt=run["attempt"],
            request=run["request"],
            arn=run["arn"],
            reason=run["reason"],
            timeout=timedelta(seconds=run["timeout"]),
        )
        for run in written
    )
    return Slot(tuple(runs), version)


def _image(push: Record) -> tuple[str, str]:
    return rollouts.repository_key(push.repository), push.digest
