"""Rollouts: what became of a revision on each service that was updated to it, kept in the tags of the revision itself.

    ecr-deploy:rollout/prod/api = live 2026-11-23T06:17:18Z 41

is the state of the rollout, since when, and the number of the revision that the service ran before.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from ecr_deploy.core import records
from ecr_deploy.core.fleet import Deployment, Target

_PREFIX = f"{records.PREFIX}rollout/"
_PARTS = 3


class State(StrEnum):
    """Where a rollout stands; all but `started` are ends."""

    STARTED = "started"
    LIVE = "live"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    SUPERSEDED = "superseded"


BAD = (State.ROLLED_BACK, State.FAILED)


class Rollout(NamedTuple):
    """A rollout of a revision to one service; `before` is the number of the revision that the service ran."""

    state: State
    since: datetime
    before: int

    def __str__(self) -> str:
        """Spell the rollout as a tag's value."""
        return f"{self.state} {records.spell_time(self.since.replace(microsecond=0))} {self.before}"


class End(NamedTuple):
    """What a rollout came to, and why, where ECS says it."""

    state: State
    reason: str | None


def key(target: Target) -> str:
    """The tag key for a service."""
    return records.fit(f"{_PREFIX}{target.cluster}/{target.name}")


def read(tags: Mapping[str, str], target: Target) -> Rollout | None:
    """The rollout of a revision with these tags to a service; None if we never updated the service to it."""
    parts = tags.get(key(target), "").split(" ")
    if len(parts) != _PARTS or parts[0] not in list(State) or not records.is_time(parts[1]) or not parts[2].isdigit():
        return None
    return Rollout(State(parts[0]), records.parse_time(parts[1]), int(parts[2]))


def judge(revision: str, deployments: Sequence[Deployment]) -> End | None:
    """What a service's `deployments` tell of the revision (an ARN) that it is told to run; None while it rolls out.

    A completed deployment says nothing until it is known of which revision: the circuit breaker's way back ends in a
    completed one, too.
    """
    primary = _primary(deployments)
    if primary is None or primary.revision != revision:
        return None
    if primary.rollout_state == "COMPLETED":
        return End(State.LIVE, None)
    return End(State.FAILED, primary.reason) if primary.rollout_state == "FAILED" else None


def judge_past(revision: str, deployments: Sequence[Deployment]) -> End | None:
    """The same for a revision that the service is told to run no more; None while it is on its way back.

    `deployments` are the service deployments of the last 90 days, newest first; where ECS keeps none, those that it
    tells with the service, among them one that failed for as long as the way back takes.
    """
    past = next((one for one in deployments if one.revision == revision), None)
    if past is None:
        return None
    if past.rollout_state == "FAILED":
        return End(State.ROLLED_BACK, past.reason)
    return End(_ENDS[past.status], past.reason) if past.status in _ENDS else None


def is_rolling_out(deployments: Iterable[Deployment]) -> bool:
    """Whether a service rolls out, be it forward or on its way back."""
    primary = _primary(deployments)
    return primary is not None and primary.rollout_state == "IN_PROGRESS"


def is_rolling_back(deployments: Iterable[Deployment], service_deployment: str | None) -> bool:
    """Whether a service that rolls out is on its way back: a deployment begun now would have nothing to fall back to.

    `service_deployment` is the status of its newest, where ECS keeps those.
    """
    if service_deployment:
        return service_deployment in ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
    primary = _primary(deployments)
    return primary is not None and "rolling back" in (primary.reason or "")


def _primary(deployments: Iterable[Deployment]) -> Deployment | None:
    return next((one for one in deployments if one.status == "PRIMARY"), None)


# Of service deployments.
_ENDS = {
    "SUCCESSFUL": State.LIVE,
    "ROLLBACK_SUCCESSFUL": State.ROLLED_BACK,
    "ROLLBACK_FAILED": State.FAILED,
    # A newer deployment stops the one that runs: that is no failure.
    "STOPPED": State.SUPERSEDED,
}
