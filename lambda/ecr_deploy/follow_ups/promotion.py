"""Promotion: an image that is live everywhere in a rule gets the rule's `promote_tag` in ECR."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ecr_deploy import fleet_reader, memory_reader, report
from ecr_deploy.aws import ecr
from ecr_deploy.aws.table import Known
from ecr_deploy.core import admission, memory, rollouts
from ecr_deploy.core.errors import EcrDeployError, Retry
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.outcomes import Outcome, TargetResult
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Container
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import Rule, Rules, by_time, by_version
from ecr_deploy.follow_ups import FollowUp

if TYPE_CHECKING:
    from ecr_deploy.rollout_watch import RolloutResult


class Due(NamedTuple):
    """An image, and the tag that it has earned."""

    image: Record
    tag: str


class _Place(NamedTuple):
    """A container of a service, and what is known of the service."""

    member: Member
    container: Container
    repository: Repository
    known: Memory

    @property
    def record(self) -> Record | None:
        """The push that the container runs, as far as that is known."""
        image = memory.image_of(self.container, self.known)
        if image.tag is None or image.digest is None:
            return None
        return Record(self.repository, image.tag, image.digest, image.pushed_at)

    def is_live_with(self, image: Record) -> bool:
        """Whether the container runs the image, and its service has no rollout that could still fail."""
        record = self.record
        return record is not None and record.digest == image.digest and _is_live(self.member, self.known)


class UnknownFleetError(EcrDeployError):
    """A service of which ECS does not say what it runs: nobody can say that an image is live everywhere."""

    kind = "unknown"

    def __init__(self, unknown: TargetResult) -> None:
        super().__init__(str(unknown.reason))
        self.retry = unknown.retry


class Promotion(FollowUp):
    """Gives the tags of rules to what is live everywhere in them."""

    def after_rollouts(self, event_id: str, results: Sequence["RolloutResult"], targets: Sequence[Target]) -> None:
        """Promote once a service has a rollout of ours live, however often that is said."""
        del results
        read = self.environment.table.read(targets).values()
        rollouts_of = [known.memory.rollout for known in read if isinstance(known, Known)]
        if any(rollout and rollout.state is State.LIVE for rollout in rollouts_of):
            self._promote(event_id, *fleet_reader.read_fleet(self.environment, self.environment.settings))

    def on_schedule(self, event_id: str, members: Sequence[Member], unknown: Sequence[TargetResult]) -> None:
        """Promote what an event was lost of."""
        self._promote(event_id, members, unknown)

    def _promote(self, event_id: str, members: Iterable[Member], unknown: Iterable[TargetResult]) -> None:
        settings = self.environment.settings
        for result in unknown:
            if result.outcome is Outcome.FAILED:
                raise UnknownFleetError(result)
        problems: list[EcrDeployError] = []
        managed = admission.managed(members, settings)
        read = memory_reader.read_memories(managed, (), self.environment, settings)
        memories = {target: known.memory for target, known in read.items() if isinstance(known, Known)}
        if error := next((known for known in read.values() if not isinstance(known, Known)), None):
            raise error
        for image, tag in due(managed, memories, settings.rules):
            try:
                if ecr.promote(self.environment.registry(image.repository.region), image, tag):
                    report.log_promoted(event_id, image, tag)
            except EcrDeployError as error:
                if error.retry is not Retry.NEVER or self._is_first(error, image, tag):
                    problems.append(error)
        if problems:
            raise max(problems, key=lambda error: error.retry)

    def _is_first(self, error: EcrDeployError, image: Record, tag: str) -> bool:
        """Whether a refusal for good, as where tags are immutable or the image is gone, was not reported yet."""
        subject = f"{rollouts.repository_key(image.repository)}:{tag}"
        return self.environment.table.is_first(subject, f"{image.digest} {error}", self.environment.now())


def due(members: Iterable[Member], memories: Mapping[Target, Memory], rules: Rules) -> list[Due]:
    """What is live everywhere in a rule that has a `promote_tag`: on each of the members that would get the push."""
    found: dict[Due, None] = {}
    services = [member for member in members if member.service]
    for rule in rules.rules:
        if rule.promote_tag is None:
            continue
        places = list(_places(services, memories, rule))
        for repository in dict.fromkeys(place.repository for place in places):
            here = [place for place in places if place.repository == repository]
            records = [record for place in here if (record := place.record) and rule.rejection(record) is None]
            if not records:
                continue
            newest = max(records, key=by_version if rule.semver else by_time)
            taking = [
                place for place in here if admission.follows(newest.tag, place.record.tag if place.record else None)
            ]
            if all(place.is_live_with(newest) for place in taking):
                found[Due(newest, rule.promote_tag)] = None
    return list(found)


def _places(members: Iterable[Member], memories: Mapping[Target, Memory], rule: Rule) -> Iterable[_Place]:
    for member in members:
        if rule.reaches(member.target):
            for container in member.running.containers:
                if container.repository and rule.covers(container.repository):
                    yield _Place(member, container, container.repository, memories[member.target])


def _is_live(member: Member, known: Memory) -> bool:
    rollout = known.rollout
    if rollout and rollout.revision == member.running.arn:
        return rollout.state is State.LIVE
    deployments = member.service.deployments if member.service else ()
    end = rollouts.judge(member.running.arn, deployments)
    return end is not None and end.state is State.LIVE
