"""Other regions: what ecr-deploy reports there on the event bus, and what that says of a stage there.

Of the services of another region nothing is known but what was reported.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ecr_deploy.core.fleet import Target
from ecr_deploy.core.gates import Report, Stage
from ecr_deploy.core.records import format_time, parse_time
from ecr_deploy.core.rules import matches

MOST_DEPLOYMENTS = 30
"""Of a service, so many are kept: as many pushes may wait."""

_LIVE, _ROLLED_BACK = "live", "rolled-back"
_ENDS = (_LIVE, _ROLLED_BACK)


class Deployment(NamedTuple):
    """What was reported of an image on a service: the `outcome`, as events have it, and when."""

    digest: str
    pushed_at: datetime
    outcome: str
    at: datetime


Deployments = tuple[Deployment, ...]
"""Of one service, one for each image, the newest push first."""


def merge(known: Deployments, new: Deployment) -> Deployments:
    """Add what is reported now: of one image the last end of a rollout counts, in whatever order events come."""
    of_image = max([new, *(old for old in known if old.digest == new.digest)], key=_weight)
    others = [old for old in known if old.digest != new.digest]
    return tuple(sorted([of_image, *others], key=_place, reverse=True)[:MOST_DEPLOYMENTS])


def report(stage: Stage, services: Mapping[Target, Deployments]) -> Report:
    """What a stage in another region says of a repository whose deployments to all services there are these.

    An image has to be live on the services that reported it, or the newest push before it that was live anywhere there:
    a service that was deleted holds back one push.
    """
    by_digest: dict[str, dict[str, Deployment]] = {}
    for target, deployments in services.items():
        if matches(target.cluster or "", stage.clusters) and matches(target.name, stage.services):
            for deployment in deployments:
                by_digest.setdefault(deployment.digest, {})[f"{target.cluster}/{target.name}"] = deployment
    live_since = {
        digest: {service: deployment.at for service, deployment in found.items() if deployment.outcome == _LIVE}
        for digest, found in by_digest.items()
    }
    rejected = {
        digest: service
        for digest, found in by_digest.items()
        for service, deployment in found.items()
        if deployment.outcome == _ROLLED_BACK
    }
    before: list[str] = []
    asked: dict[str, tuple[str, ...]] = {}
    for digest in sorted(by_digest, key=lambda digest: max(map(_place, by_digest[digest].values()))):
        asked[digest] = tuple(dict.fromkeys((*sorted(by_digest[digest]), *before)))
        if live_since[digest]:
            before = sorted(by_digest[digest])
    return Report(tuple(before), live_since, rejected, asked)


def to_json(deployments: Deployments) -> list[dict[str, str]]:
    """Write them for the table."""
    return [
        {
            "digest": deployment.digest,
            "pushed_at": format_time(deployment.pushed_at),
            "outcome": deployment.outcome,
            "at": format_time(deployment.at),
        }
        for deployment in deployments
    ]


def from_json(written: Iterable[Mapping[str, Any]]) -> Deployments:
    """Read what `to_json` gave.

    Raises:
        KeyError, ValueError, TypeError, AttributeError: it is not that.

    """
    return tuple(
        Deployment(item["digest"], parse_time(item["pushed_at"]), item["outcome"], parse_time(item["at"]))
        for item in written
    )


def _weight(deployment: Deployment) -> tuple[bool, datetime, str, datetime]:
    # An image that was rolled back in the second in which it was live is rolled back, as the greater word.
    return deployment.outcome in _ENDS, deployment.at, deployment.outcome, deployment.pushed_at


def _place(deployment: Deployment) -> tuple[datetime, str]:
    return deployment.pushed_at, deployment.digest
