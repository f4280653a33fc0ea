"""Image parameters: what services are to run, in Systems Manager, for Terraform or whoever else reads it back.

PREFIX/CLUSTER/SERVICE/CONTAINER = 123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v2
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ecr_deploy.aws import parameters
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.outcomes import Outcome, PushResult, TargetResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.settings import Settings
from ecr_deploy.follow_ups import FollowUp

if TYPE_CHECKING:
    from ecr_deploy.rollout_watch import RolloutResult


class ImageParameters(FollowUp):
    """Writes the images of services, whatever happens to them."""

    def after_push(self, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings) -> list[PushResult]:
        """Write what the services run that pushes reached."""
        del pushes
        reached = {Outcome.DEPLOYED, Outcome.UNCHANGED}
        targets = (target.target for result in results for target in result.targets if target.outcome in reached)
        if not settings.dry_run:
            self._refresh(dict.fromkeys(targets))
        return list(results)

    def after_rollouts(self, event_id: str, results: Sequence["RolloutResult"], targets: Sequence[Target]) -> None:
        """Write what the services run now."""
        del event_id, results
        self._refresh(targets)

    def on_schedule(self, event_id: str, members: Sequence[Member], unknown: Sequence[TargetResult]) -> None:
        """Write what somebody may have changed by hand."""
        del event_id, unknown
        self._write(members)

    def _refresh(self, targets: Iterable[Target]) -> None:
        ecs = self.environment.ecs
        services = [ecs.service(target) for target in targets if target.cluster]
        self._write([Member(service, ecs.revision(service.revision)) for service in services if service])

    def _write(self, members: Iterable[Member]) -> None:
        settings = self.environment.settings
        prefix = settings.image_parameter_prefix
        images = {
            f"{prefix}/{member.target.cluster}/{member.target.name}/{container.name}": container.image
            for member in members
            for container in member.running.containers
            if member.service and container.repository and settings.rules.covers(container.repository, member.target)
        }
        parameters.write(self.environment.systems_manager, images, f"{prefix}/*")
