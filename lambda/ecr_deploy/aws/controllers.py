"""Deployment controllers: who rolls a service out, chosen once for each by what ECS says of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ecr_deploy.aws.ecs import Ecs
from ecr_deploy.core import rollouts
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry
from ecr_deploy.core.fleet import CODE_DEPLOY, Family, Member, Service, Target
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.planner import Plan
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import End


class Controller(Protocol):
    """What rolls services out."""

    shows_target: bool
    """Whether ECS names the new revision with the service as soon as a rollout has begun."""

    def prepare(self, member: Member, service: Service, known: Iterable[Revision]) -> Member:
        """The member as it is to be planned for: waiting where the controller is busy with it.

        Raises:
            EcrDeployError: the service can't be rolled out.

        """

    def update(self, services: Iterable[Service], revision: Revision) -> Sequence[EcrDeployError | None]:
        """Begin to roll a revision out to services; for each the error, or None."""

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

    def prepare(self, member: Member, service: Service, known: Iterable[Revision]) -> Member:
        """The member as it is: what ECS is busy with came with the service."""
        del service, known
        return member

    def update(self, services: Iterable[Service], revision: Revision) -> Sequence[EcrDeployError | None]:
        """Update services to a revision."""
        return self._ecs.update(services, revision)

    def services(self, application: str, group: str) -> Sequence[Target]:
        """None: ECS has no such groups."""
        del application, group
        return ()

    def end(self, service: Service, revision: Revision, since: datetime) -> End | None:
        """What the service's deployments say."""
        del since
        if service.revision == revision.arn:
            return rollouts.judge(revision.arn, service.deployments)
        past = self._ecs.service_deployments(service)
        return rollouts.judge_past(revision.arn, past or service.deployments)


class OtherController:
    """Whatever deploys by itself: it is not ours to update."""

    shows_target = True

    def prepare(self, member: Member, service: Service, known: Iterable[Revision]) -> Member:
        """The member as it is."""
        del service, known
        return member

    def update(self, services: Iterable[Service], revision: Revision) -> Sequence[EcrDeployError | None]:
        """Refuse to."""
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

    def __init__(self, controllers: Mapping[str, Controller]) -> None:
        self._controllers = controllers
        self._other = OtherController()

    def of(self, service: Service) -> Controller:
        """The controller that rolls a service out."""
        return self._controllers.get(service.controller, self._other)

    def prepare(self, family: Family, plan: Callable[[], Plan]) -> tuple[Family, dict[str, EcrDeployError]]:
        """The family, with services waiting whose controllers are busy; and why others can't be rolled out, by ARN.

        Only services that the plan would update are asked for; ECS's own need no question, and so no plan.
        """
        asked = {
            one.arn: one.service for one in family.members if one.service and not self.of(one.service).shows_target
        }
        if not asked:
            return family, {}
        due = {member.arn for step in plan().steps for member in step.members}
        members: list[Member] = []
        problems: dict[str, EcrDeployError] = {}
        for member in family.members:
            prepared, service = member, asked.get(member.arn)
            if service and member.arn in due:
                try:
                    prepared = self.of(service).prepare(member, service, family.revisions)
                except EcrDeployError as error:
                    problems[service.arn] = error
                    prepared = member._replace(service=service._replace(waits=Reason.of(error)))
            members.append(prepared)
        return family._replace(members=tuple(members)), problems

    def services(self, application: str, group: str) -> Sequence[Target]:
        """The services that a deployment group of CodeDeploy rolls out; none unless that may be used."""
        return self._controllers.get(CODE_DEPLOY, self._other).services(application, group)

    def update(self, services: Iterable[Service], revision: Revision) -> dict[str, EcrDeployError]:
        """Begin to roll a revision out to services; gives those that it can't be, by their ARN, with the error."""
        by_controller: dict[str, list[Service]] = {}
        for service in services:
            by_controller.setdefault(service.controller, []).append(service)
        return {
            service.arn: error
            for alike in by_controller.values()
            for service, error in zip(alike, self.of(alike[0]).update(alike, revision), strict=True)
            if error
        }
