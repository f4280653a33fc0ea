"""Promotion: an image that is live everywhere in a rule gets the rule's `promote_tag` in ECR."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ecr_deploy import deployer, report
from ecr_deploy.aws import ecr
from ecr_deploy.core import admission, rollouts
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.outcomes import Outcome, TargetResult
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Container
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import Rule, Rules
from ecr_deploy.follow_ups import FollowUp
from ecr_deploy.rollout_watch import RolloutResult


class Due(NamedTuple):
    """An image, and the tag that it has earned."""

    image: Record
    tag: str


class _Place(NamedTuple):
    """A container of a service, and the push that is recorded for it."""

    member: Member
    container: Container
    repository: Repository

    @property
    def record(self) -> Record | None:
        return self.member.running.records.get(self.repository)

    def is_live_with(self, image: Record) -> bool:
        """Whether the container runs the image, and its service has no rollout that could still fail."""
        revision = self.member.running
        digest = revision.digest_of(self.container)
        runs = digest == image.digest if digest else revision.tag_of(self.container) == image.tag
        return runs and _is_live(self.member)


class UnknownFleetError(EcrDeployError):
    """A service of which ECS does not say what it runs: nobody can say that an image is live everywhere."""

    kind = "unknown"

    def __init__(self, unknown: TargetResult) -> None:
        super().__init__(str(unknown.reason))
        self.retry = unknown.retry


class Promotion(FollowUp):
    """Gives the tags of rules to what is live everywhere in them."""

    def after_rollouts(self, event_id: str, results: Sequence[RolloutResult], targets: Sequence[Target]) -> None:
        """Promote once a service has a rollout of ours live, however often that is said."""
        del results
        if any(self._is_live(target) for target in targets):
            self._promote(event_id, *deployer.read_fleet(self.environment.ecs, self.environment.settings))

    def on_schedule(self, event_id: str, members: Sequence[Member], unknown: Sequence[TargetResult]) -> None:
        """Promote what an event was lost of."""
        self._promote(event_id, members, unknown)

    def _is_live(self, target: Target) -> bool:
        ecs = self.environment.ecs
        service = ecs.service(target)
        rollout = rollouts.read(ecs.revision(service.revision).tags, target) if service else None
        return rollout is not None and rollout.state is State.LIVE

    def _promote(self, event_id: str, members: Iterable[Member], unknown: Iterable[TargetResult]) -> None:
        settings = self.environment.settings
        for result in unknown:
            if result.outcome is Outcome.FAILED:
                raise UnknownFleetError(result)
        problems: list[EcrDeployError] = []
        managed = [member for member in members if not admission.obstacle(member, settings)]
        for image, tag in due(managed, settings.rules):
            try:
                if ecr.promote(self.environment.registry(image.repository.region), image, tag):
                    report.log_promoted(event_id, image, tag)
            except EcrDeployError as error:
                problems.append(error)
        if problems:
            raise max(problems, key=lambda error: error.retry)


def due(members: Iterable[Member], rules: Rules) -> list[Due]:
    """What is live everywhere in a rule that has a `promote_tag`: on each of the members that would get the push."""
    found: dict[Due, None] = {}
    services = [member for member in members if member.service]
    for rule in rules.rules:
        if rule.promote_tag is None:
            continue
        places = list(_places(services, rule))
        for repository in dict.fromkeys(place.repository for place in places):
            here = [place for place in places if place.repository == repository]
            records = [place.record for place in here if place.record and rule.rejection(place.record) is None]
            if not records:
                continue
            newest = max(records, key=rule.order)
            taking = [
                place for place in here if admission.follows(newest, place.member.running.tag_of(place.container))
            ]
            if all(place.is_live_with(newest) for place in taking):
                found[Due(newest, rule.promote_tag)] = None
    return list(found)


def _places(members: Iterable[Member], rule: Rule) -> Iterable[_Place]:
    for member in members:
        if rule.reaches(member.target):
            for container in member.running.containers:
                if container.repository and rule.covers(container.repository):
                    yield _Place(member, container, container.repository)


def _is_live(member: Member) -> bool:
    rollout = rollouts.read(member.running.tags, member.target)
    if rollout:
        return rollout.state is State.LIVE
    deployments = member.service.deployments if member.service else ()
    end = rollouts.judge(member.running.arn, deployments)
    return end is not None and end.state is State.LIVE
