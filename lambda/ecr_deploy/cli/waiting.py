"""Waiting: what rollouts come to, asked again and again."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ecr_deploy.aws.pacing import Clock
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.rollouts import End, State
from ecr_deploy.environment import Environment

_SECONDS_BETWEEN = 5


class Expected(NamedTuple):
    """A service, and the revision (`family:number`) that it is to be live on; `goes_back` if it ran that before."""

    target: Target
    revision: str
    goes_back: bool = False


def wait(
    environment: Environment,
    expected: Sequence[Expected],
    since: datetime,
    clock: Clock,
    report: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """Wait for the end of each rollout that began after `since`; `report` gets how many have ended, and of how many.

    One that has not within the setting `deployment_timeout_minutes` stays `started`.

    Raises:
        CallError: AWS does not say.

    """
    ends: dict[Expected, End] = {}
    limit = environment.settings.deployment_timeout
    while True:
        ends |= {
            rollout: end for rollout in expected if rollout not in ends and (end := _end(environment, rollout, since))
        }
        report(len(ends), len(expected))
        if len(ends) == len(expected) or environment.now() - since >= limit:
            break
        clock.sleep(_SECONDS_BETWEEN)
    late = End(State.STARTED, f"it has not ended after {limit.total_seconds() / 60:g} minutes")
    return [_format(rollout, ends.get(rollout, late)) for rollout in expected]


def _end(environment: Environment, rollout: Expected, since: datetime) -> End | None:
    service = environment.ecs.service(rollout.target)
    if service is None:
        return End(State.FAILED, "the service was deleted meanwhile")
    revision = f"{service.revision.rpartition('/')[0]}/{rollout.revision}"
    if rollout.goes_back and service.revision != revision and environment.controllers.of(service).shows_target:
        # Its deployments of this revision are those from before.
        return None
    return environment.controllers.of(service).end(service, environment.ecs.revision(revision), since)


def _format(rollout: Expected, end: End) -> dict[str, Any]:
    return {
        "cluster": rollout.target.cluster,
        "service": rollout.target.name,
        "to": rollout.revision,
        "outcome": str(end.state),
        "reason": end.reason,
    }
