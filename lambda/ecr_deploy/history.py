"""History: what was deployed to a service when, as the revisions themselves record it."""

from collections.abc import Iterable
from typing import Any

from ecr_deploy.core import records, rollouts
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.revisions import Revision


def of(target: Target, revisions: Iterable[Revision]) -> list[dict[str, Any]]:
    """What we rolled out to a service, in the order of its revisions."""
    found = ((revision, rollouts.read(revision.tags, target)) for revision in revisions)
    return [
        {
            "from": f"{revision.family}:{rollout.before}",
            "to": str(revision),
            "state": str(rollout.state),
            "since": records.spell_time(rollout.since),
            "images": [
                {
                    "image": f"{record.repository}:{record.tag}",
                    "digest": record.digest,
                    "pushed_at": records.spell_time(record.pushed_at),
                }
                for record in sorted(revision.records.values(), key=lambda one: one.pushed_at, reverse=True)
            ],
        }
        for revision, rollout in found
        if rollout
    ]
