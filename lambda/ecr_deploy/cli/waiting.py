"""Waiting: what rollouts come to, asked again and again."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ecr_deploy.aws.pacing import Clock
from ecr_deploy.core import rollouts
from ecr_deploy.core.fleet import CODE_DEPLOY, Target
from ecr_deploy.core.rollouts import End, State
from ecr_deploy.door import Door

_SECONDS_BETWEEN = 5


class Expected(NamedTuple):
    """A service, and the revision (`family:number`) that it is to be live on; `goes_back` if it ran that before."""

    target: Target
    revision: str
    goes_back: bool = False


def wait(
    door: Door, expected: Sequence[Expected], since: datetime, clock: Clock, tell: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """Wait for the end of each rollout that began after `since`; `tell` hears how many have ended, and of how many.

    One that has not within the setting `deployment_timeout_minutes` stays `started`.

    Raises:
        CallError: AWS does not tell.

    """
    ends: dict[Expected, End] = {}
    limit = door.settings.deployment_timeout
    while True:
        ends |= {one: end for one in expected if one not in ends and (end := _end(door, one, since))}
        tell(len(ends), len(expected))
        if len(ends) == len(expected) or door.now() - since >= limit:
            break
        clock.sleep(_SECONDS_BETWEEN)
    late = End(State.STARTED, f"it has not ended after {limit.total_seconds() / 60:g} minutes")
    return [_spell(one, ends.get(one, late)) for one in expected]


def _end(door: Door, one: Expected, since: datetime) -> End | None:
    service = door.ecs.service(one.target)
    if service is None:
        return End(State.FAILED, "the service was deleted meanwhile")
    revision = f"{service.revision.rpartition('/')[0]}/{one.revision}"
    if service.controller == CODE_DEPLOY:
        return door.codedeploy.end(service, door.ecs.revision(revision), since) if door.codedeploy else None
    if service.revision == revision:
        return rollouts.judge(revision, service.deployments)
    if one.goes_back:
        # Its deployments of this revision are those from before.
        return None
    past = door.ecs.service_deployments(service)
    return rollouts.judge_past(revision, past or service.deployments)


def _spell(one: Expected, end: End) -> dict[str, Any]:
    return {
        "cluster": one.target.cluster,
        "service": one.target.name,
        "to": one.revision,
        "outcome": str(end.state),
        "reason": end.reason,
    }
