"""Old revisions: those of ours beyond the newest few are deregistered, unless something still uses them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ecr_deploy import report
from ecr_deploy.aws.table import Known
from ecr_deploy.core.fleet import Service, Target
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import EVERYTHING
from ecr_deploy.follow_ups import FollowUp

if TYPE_CHECKING:
    from ecr_deploy.rollout_watch import RolloutResult

# DeregisterTaskDefinition takes its tokens from the bucket of RegisterTaskDefinition: pushes are not to wait for it.
_MOST_AT_ONCE = 10
_MOST_LOOKED_AT = 100


def superfluous(
    revisions: Iterable[Revision], ours: Collection[int], keep: int, used: Collection[str]
) -> list[Revision]:
    """Of the revisions of a family, newest first, those of ours that nobody needs any more.

    `ours` are the numbers of those that we registered, `used` the ARNs of those that are needed.
    """
    registered = (revision for revision in revisions if revision.number in ours)
    return [revision for revision in islice(registered, keep, None) if revision.arn not in used]


def used_by(services: Iterable[Service], memories: Iterable[Memory]) -> set[str]:
    """The ARNs of what services run, roll out, or would be rolled back to."""
    used: set[str] = set()
    for service in services:
        used |= {service.revision, *service.task_sets, *(deployment.revision for deployment in service.deployments)}
    for memory in memories:
        used |= {arn for rollout in memory.rollouts for arn in (rollout.revision, rollout.before)}
        used |= {memory.start.revision} if memory.start else set()
    return used


class OldRevisions(FollowUp):
    """Deregisters what is superfluous of each family that has a new revision live."""

    def after_rollouts(self, event_id: str, results: Sequence["RolloutResult"], targets: Sequence[Target]) -> None:
        """Deregister old revisions; what can't be done is for the family's next rollout."""
        del targets
        # Of a daemon task definition nothing can be deregistered: it can only be deleted, for good.
        live = (result for result in results if result.state is State.LIVE)
        families = {result.family for result in live if not result.target.is_daemon}
        for revision in self._deregister(families):
            report.log_deregistered(event_id, revision)

    def _deregister(self, families: Iterable[str]) -> Iterator[Revision]:
        """Deregister what is superfluous of each family, and give it.

        Services and scheduled tasks are looked for in all clusters: others than those in scope may run a family, too.
        """
        ecs, table = self.environment.ecs, self.environment.table
        keep = self.environment.settings.keep_revisions or 0
        ours = {family: table.registered(family).keys() for family in families}
        looked_at = {family: list(islice(ecs.revisions(family), _MOST_LOOKED_AT)) for family in ours if ours[family]}
        looked_at = {family: found for family, found in looked_at.items() if superfluous(found, ours[family], keep, ())}
        if not looked_at:
            return
        services = list(ecs.services(EVERYTHING))
        running = [service for service in services if service.family in looked_at]
        known = table.read(service.target for service in running).values()
        memories = [item.memory for item in known if isinstance(item, Known)]
        if len(memories) < len(running):
            # What can't be read may need any of them.
            return
        used = used_by(services, memories) | self._scheduled()
        for family, found in looked_at.items():
            # The oldest first: they are the least likely to be wanted.
            for revision in superfluous(found, ours[family], keep, used)[::-1][:_MOST_AT_ONCE]:
                ecs.deregister(revision)
                yield revision

    def _scheduled(self) -> set[str]:
        """The ARNs of the revisions that targets in any cluster name."""
        scheduler, clusters = self.environment.scheduler, self.environment.cluster_arns(EVERYTHING)
        rules = dict.fromkeys(rule for cluster in clusters for rule in scheduler.rules(cluster))
        targets = [target for rule in rules for target in scheduler.targets(rule)]
        ours = (schedule for schedule in scheduler.schedules() if schedule["Target"]["Arn"] in clusters)
        targets += [scheduler.schedule(schedule["GroupName"], schedule["Name"])["Target"] for schedule in ours]
        return {target["EcsParameters"]["TaskDefinitionArn"] for target in targets if target.get("EcsParameters")}
