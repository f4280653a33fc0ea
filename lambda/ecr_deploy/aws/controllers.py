"""Deployment controllers: who rolls a service out, chosen once for each by what ECS says of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ecr_deploy.aws.ecs import Ecs
from ecr_deploy.core import rollouts
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry
from ecr_deploy.core.fleet import CODE_DEPLOY, ECS, Deployment, Service, Target
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import End


class Controller(Protocol):
    """What rolls services out."""

    shows_target: bool
    """Whether ECS names the new revision with the service as soon as a rollout has begun."""

    def busy(self, service: Service) -> Reason | None:
        """Why the controller can't roll the service out now, but may later.

        Raises:
            EcrDeployError: it never can, or does not say.

        """

    def update(self, services: Iterable[Service], revision: Revision, *, force: bool) -> Sequence[str | EcrDeployError]:
        """Begin to roll a revision out to services; for each the deployment's id, or the error.

        `force` is for a revision that runs already, whose tag stands for another image now.
        """

    def services(self, application: str, group: str) -> Sequence[Target]:
        """The services that a deployment group of the controller rolls out; none if it has no such group.

        Raises:
            EcrDeployError: that can't be found out.

        """

    def end(self, service: Service, revision: Revision, since: datetime) -> End | None:
        """What came of the rollout of a revision that began at `since`; None while it goes on, or if there is none.

        Raises:
            EcrDeployError: that can't be found out.

        """


class EcsController:
    """ECS itself."""

    shows_target = True

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs

    def busy(self, service: Service) -> Reason | None:
        """None: what ECS is busy with came with the service."""
        del service
        return None

    def update(self, services: Iterable[Service], revision: Revision, *, force: bool) -> Sequence[str | EcrDeployError]:
        """Update services to a revision."""
        return self._ecs.update(services, revision, force=force)

    def services(self, application: str, group: str) -> Sequence[Target]:
        """None: ECS has no such groups."""
        del application, group
        return ()

    def end(self, service: Service, revision: Revision, since: datetime) -> End | None:
        """What the service's deployments say."""
        del since
        if service.revision == revision.arn:
            return rollouts.judge(revision.arn, service.deployments)
        return rollouts.judge_past(revision.arn, self.past(service))

    def past(self, service: Service) -> Sequence[Deployment]:
        """The deployments of a service as ECS keeps them; where it does not give them, those that it has now."""
        try:
            return self._ecs.service_deployments(service) or service.deployments
        except CallError as error:
            if error.retry is not Retry.NEVER:
                raise
            return service.deployments


class ExpressModeController(EcsController):
    """ECS for services in Express Mode, which have an operation of their own; how their rollouts end is the same.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateExpressGatewayService.html
    """

    def update(self, services: Iterable[Service], revision: Revision, *, force: bool) -> Sequence[str | EcrDeployError]:
        """Update services to a revision; one that runs already can't be deployed anew, so that nobody asks for it."""
        del force
        return self._ecs.update_express(services, revision)


class OtherController:
    """Whatever deploys by itself: it is not ours to update."""

    shows_target = True

    def busy(self, service: Service) -> Reason | None:
        """None that we know."""
        del service
        return None

    def update(self, services: Iterable[Service], revision: Revision, *, force: bool) -> Sequence[str | EcrDeployError]:
        """Refuse to."""
        del force
        return [
            CallError(
                f"{service.name} is not updated to {revision}: its deployment controller is {service.controller}",
                "UpdateService",
                "OtherController",
                Retry.NEVER,
            )
            for service in services
        ]

    def services(self, application: str, group: str) -> Sequence[Target]:
        """None that we know."""
        del application, group
        return ()

    def end(self, service: Service, revision: Revision, since: datetime) -> None:
        """Nothing: only the controller knows."""
        del service, revision, since


class Controllers:
    """The controllers of the account, by the name that ECS has for them."""

    def __init__(self, ecs: EcsController, others: Mapping[str, Controller]) -> None:
        self.ecs = ecs
        self._controllers: Mapping[str, Controller] = {ECS: ecs, **others}
        self._other = OtherController()

    def of(self, service: Service) -> Controller:
        """The controller that rolls a service out."""
        return self._controllers.get(service.controller, self._other)

    def ask(self, services: Iterable[Service]) -> tuple[dict[Target, Reason], dict[Target, EcrDeployError]]:
        """Why services can't be rolled out now, but may later; and why others can't be at all, or nobody says."""
        busy: dict[Target, Reason] = {}
        problems: dict[Target, EcrDeployError] = {}
        for service in services:
            try:
                reason = self.of(service).busy(service)
            except EcrDeployError as error:
                problems[service.target] = error
                continue
            if reason:
                busy[service.target] = reason
        return busy, problems

    def services(self, application: str, group: str) -> Sequence[Target]:
        """The services that a deployment group of CodeDeploy rolls out; none unless that may be used."""
        return self._controllers.get(CODE_DEPLOY, self._other).services(application, group)

    def update(
        self, services: Iterable[Service], revision: Revision, *, force: bool = False
    ) -> Iterator[tuple[Service, str | EcrDeployError]]:
        """Begin to roll a revision out to services; gives each with its deployment's id, or the error."""
        by_controller: dict[str, list[Service]] = {}
        for service in services:
            by_controller.setdefault(service.controller, []).append(service)
        for alike in by_controller.values():
            yield from zip(alike, self.of(alike[0]).update(alike, revision, force=force), strict=True)
