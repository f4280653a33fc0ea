"""Rollouts: what became of the revisions that a service was updated to."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from ecr_deploy.core.fleet import Deployment
from ecr_deploy.core.images import Repository
from ecr_deploy.core.records import Record, format_time, parse_time
from ecr_deploy.core.revisions import name_of


class State(StrEnum):
    """Where a rollout stands; all but `started` are ends."""

    STARTED = "started"
    LIVE = "live"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    SUPERSEDED = "superseded"


BAD = (State.ROLLED_BACK, State.FAILED)


class Rollout(NamedTuple):
    """One update of a service to a revision (an ARN), and what the service ran before.

    `id` is the deployment's as UpdateService answers it. `pushes` are those that it was made for, `images` what each of
    their containers ran before, by digest where that is known. `since` is when it came into its state, `by` who asked
    for it, if somebody did, and `trigger` what began it, in the words of events.
    """

    id: str
    revision: str
    before: str
    pushes: tuple[Record, ...]
    images: Mapping[str, str]
    state: State
    started_at: datetime
    since: datetime
    reason: str | None = None
    by: str | None = None
    trigger: str | None = None

    @property
    def key(self) -> str:
        """What identifies it among all rollouts of the service, and sorts by time."""
        return f"{format_time(self.started_at)}/{self.id or self.after_name}"

    @property
    def after_name(self) -> str:
        """The revision as `family:number`."""
        return name_of(self.revision)

    @property
    def before_name(self) -> str:
        """What it ran before as `family:number`."""
        return name_of(self.before)


class End(NamedTuple):
    """What a rollout came to, and why, where ECS says it."""

    state: State
    reason: str | None


def judge(revision: str, deployments: Sequence[Deployment]) -> End | None:
    """What a service's `deployments` say of the revision (an ARN) that it is to run; None while it rolls out.

    A completed deployment says nothing until it is known of which revision: the circuit breaker's way back ends in a
    completed one, too.
    """
    primary = primary_of(deployments)
    if primary is None or primary.revision != revision:
        return None
    if primary.rollout_state == "COMPLETED":
        return End(State.LIVE, None)
    return End(State.FAILED, primary.reason) if primary.rollout_state == "FAILED" else None


def judge_past(revision: str, deployments: Sequence[Deployment]) -> End | None:
    """The same for a revision that the service is to run no more; None while it is on its way back.

    `deployments` are the service deployments of the last 90 days, newest first; where ECS keeps none, those that
    DescribeServices gives, among them one that failed for as long as the way back takes.
    """
    past = next((deployment for deployment in deployments if deployment.revision == revision), None)
    if past is None:
        return None
    if past.rollout_state == "FAILED":
        return End(State.ROLLED_BACK, past.reason)
    return End(_ENDS[past.status], past.reason) if past.status in _ENDS else None


def is_rolling_out(deployments: Iterable[Deployment]) -> bool:
    """Whether a service rolls out, be it forward or on its way back."""
    primary = primary_of(deployments)
    return primary is not None and primary.rollout_state == "IN_PROGRESS"


def is_rolling_back(deployments: Iterable[Deployment], service_deployment: str | None) -> bool:
    """Whether a service that rolls out is on its way back: a deployment begun now would have nothing to fall back to.

    `service_deployment` is the status of its newest, where ECS keeps those.
    """
    if service_deployment:
        return service_deployment in ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
    primary = primary_of(deployments)
    return primary is not None and "rolling back" in (primary.reason or "")


def primary_of(deployments: Iterable[Deployment]) -> Deployment | None:
    """The deployment that a service is to run."""
    return next((deployment for deployment in deployments if deployment.status == "PRIMARY"), None)


def to_json(rollout: Rollout) -> dict[str, Any]:
    """Give a rollout as the table holds it."""
    return {
        "id": rollout.id,
        "revision": rollout.revision,
        "before": rollout.before,
        "pushes": [record_to_json(push) for push in rollout.pushes],
        "images": dict(rollout.images),
        "state": str(rollout.state),
        "started_at": format_time(rollout.started_at),
        "since": format_time(rollout.since),
        "reason": rollout.reason,
        "by": rollout.by,
        "trigger": rollout.trigger,
    }


def from_json(written: Mapping[str, Any]) -> Rollout:
    """Read what `to_json` gave.

    Raises:
        KeyError, ValueError, TypeError: it is not that.

    """
    return Rollout(
        id=written["id"],
        revision=written["revision"],
        before=written["before"],
        pushes=tuple(record_from_json(push) for push in written["pushes"]),
        images=written["images"],
        state=State(written["state"]),
        started_at=parse_time(written["started_at"]),
        since=parse_time(written["since"]),
        reason=written["reason"],
        by=written["by"],
        trigger=written["trigger"],
    )


def record_to_json(push: Record) -> dict[str, str]:
    """Give a push as the table holds it."""
    return {
        "repository": repository_key(push.repository),
        "tag": push.tag,
        "digest": push.digest,
        "pushed_at": format_time(push.pushed_at),
    }


def record_from_json(written: Mapping[str, str]) -> Record:
    """Read what `record_to_json` gave."""
    repository = repository_from_key(written["repository"])
    return Record(repository, written["tag"], written["digest"], parse_time(written["pushed_at"]))


def repository_key(repository: Repository) -> str:
    """Name a repository in the table: ACCOUNT/REGION/NAME."""
    return f"{repository.account}/{repository.region}/{repository.name}"


def repository_from_key(key: str) -> Repository:
    """Read what `repository_key` gave."""
    return Repository(*key.split("/", 2))


# Of service deployments.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
_ENDS = {
    "SUCCESSFUL": State.LIVE,
    "STOPPED": State.SUPERSEDED,
    "ROLLBACK_SUCCESSFUL": State.ROLLED_BACK,
    "ROLLBACK_FAILED": State.FAILED,
}
