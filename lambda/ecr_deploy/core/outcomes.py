"""Outcomes: what came of a push, for each service and in all, and why."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from ecr_deploy.core.errors import EcrDeployError, Retry
from ecr_deploy.core.fleet import Target


class Outcome(StrEnum):
    """How a push ended; of several outcomes, the one that stands first here speaks for all."""

    FAILED = "failed"
    DEPLOYED = "deployed"
    WAITING = "waiting"
    SUPERSEDED = "superseded"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"


SEVERITY = {outcome: rank for rank, outcome in enumerate(Outcome)}


class Reason(NamedTuple):
    """Why a push ended as it did: a `kind` for programs, lower-case words with hyphens, and a `text` for people."""

    kind: str
    text: str

    def __str__(self) -> str:
        """Give the text alone."""
        return self.text

    @classmethod
    def of(cls, error: EcrDeployError) -> "Reason":
        """The reason of whatever failed by an error."""
        return cls(error.kind, str(error))


class Change(NamedTuple):
    """A container's image before and after."""

    container: str
    before: str
    after: str


class TargetResult(NamedTuple):
    """What came of a push for one service or family; `before` and `after` are revisions as `family:number`.

    `base` is the one that `after` is made from, which has all but the images, `deployment` the id of what was begun.
    `gates` are those that the push has to pass there, each with why it is closed, or None: in a dry run, which shows
    them.
    """

    target: Target
    outcome: Outcome
    reason: Reason | None
    before: str | None = None
    after: str | None = None
    changes: tuple[Change, ...] = ()
    retry: Retry = Retry.NEVER
    base: str | None = None
    deployment: str | None = None
    gates: Mapping[str, Reason | None] = MappingProxyType({})


class TaskResult(NamedTuple):
    """What came of one target of a rule or schedule; `before` and `after` are revisions as `family:number`.

    `place` says where the target is: `rule` and `target`, or `schedule`. Each is None where it could not be read.
    """

    place: Mapping[str, str | None]
    outcome: Outcome
    reason: Reason | None = None
    before: str | None = None
    after: str | None = None
    retry: Retry = Retry.NEVER


class PushResult(NamedTuple):
    """What came of a push.

    `retry` says, for a failed one, whether doing it again can help. `suspicious` is one that nobody should send us.
    `scheduled_tasks` is None where nobody asked for them.
    """

    outcome: Outcome
    reason: Reason | None
    targets: tuple[TargetResult, ...] = ()
    retry: Retry = Retry.NEVER
    suspicious: bool = False
    scheduled_tasks: tuple[TaskResult, ...] | None = None

    @property
    def progress(self) -> bool:
        """Whether anything was deployed."""
        moved = [task.outcome for task in self.scheduled_tasks or ()]
        return Outcome.DEPLOYED in [*moved, *(target.outcome for target in self.targets)]

    @classmethod
    def failed(cls, error: EcrDeployError) -> "PushResult":
        """A push that failed before it reached a service."""
        return cls(Outcome.FAILED, Reason.of(error), retry=error.retry)


def sum_up(targets: Iterable[TargetResult]) -> PushResult:
    """One result for all targets, at least one: the outcome that stands first in Outcome, and its reason."""
    targets = tuple(targets)
    first = min(targets, key=lambda target: SEVERITY[target.outcome])
    retry = max((target.retry for target in targets if target.outcome is Outcome.FAILED), default=Retry.NEVER)
    return PushResult(first.outcome, first.reason, targets, retry)
