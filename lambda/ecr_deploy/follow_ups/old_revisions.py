"""Old revisions: those of ours beyond the newest few are deregistered, unless something still uses them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ecr_deploy.aws.ecs import Ecs
from ecr_deploy.core import records, rollouts
from ecr_deploy.core.fleet import Service
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rules import EVERYTHING
from ecr_deploy.core.settings import Settings

if TYPE_CHECKING:
    from ecr_deploy.follow_ups.scheduled_tasks import ScheduledTasks

# DeregisterTaskDefinition takes its tokens from the bucket of RegisterTaskDefinition: pushes are not to wait for it.
_MOST_AT_ONCE = 10
_MOST_LOOKED_AT = 100


def superfluous(revisions: Iterable[Revision], keep: int, used: Collection[str]) -> list[Revision]:
    """Of the revisions of a family, newest first, those of ours that nobody needs any more; `used` are ARNs."""
    ours = (one for one in revisions if records.BASE in one.tags)
    return [one for one in islice(ours, keep, None) if one.arn not in used]


def used_by(services: Iterable[Service], revisions: Sequence[Revision]) -> set[str]:
    """The ARNs of what services run, roll out, or would be taken back to."""
    known = {one.arn: one for one in revisions}
    used: set[str] = set()
    for service in services:
        arns = {service.revision, *service.task_sets, *(one.revision for one in service.deployments)}
        going = {arn: rollouts.read(known[arn].tags, service.target) for arn in arns & known.keys()}
        used |= arns | {f"{arn.rpartition(':')[0]}:{one.before}" for arn, one in going.items() if one}
    return used


def deregister(
    families: Iterable[str], keep: int, ecs: Ecs, tasks: "ScheduledTasks", settings: Settings
) -> Iterator[Revision]:
    """Deregister what is superfluous of each family, and give it.

    Services and scheduled tasks are looked for in all clusters: others than those in scope may run a family, too.

    Raises:
        EcrDeployError: not all of them could be read, or a revision not be deregistered.

    """
    looked_at = {family: list(islice(ecs.revisions(family), _MOST_LOOKED_AT)) for family in families}
    looked_at = {family: found for family, found in looked_at.items() if superfluous(found, keep, ())}
    if not looked_at:
        return
    services = list(ecs.services(EVERYTHING))
    scheduled = tasks.revisions(settings._replace(rules=EVERYTHING))
    for found in looked_at.values():
        used = used_by(services, found) | scheduled
        # The oldest first: they are the least likely to be wanted.
        for revision in superfluous(found, keep, used)[::-1][:_MOST_AT_ONCE]:
            ecs.deregister(revision)
            yield revision
