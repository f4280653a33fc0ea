"""Promotion: an image that is live everywhere in a rule gets the rule's `promote_tag` in ECR."""

from collections.abc import Iterable
from typing import NamedTuple

from ecr_deploy.core import planner, rollouts
from ecr_deploy.core.fleet import Member
from ecr_deploy.core.images import Repository
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Container
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import Rule, Rules


class Promotion(NamedTuple):
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


def due(members: Iterable[Member], rules: Rules) -> list[Promotion]:
    """What is live everywhere in a rule that has a `promote_tag`: on each of the members that would take the push."""
    found: dict[Promotion, None] = {}
    services = [member for member in members if member.service]
    for rule in rules.rules:
        if rule.promote_tag is None:
            continue
        places = list(_places(services, rule))
        for repository in dict.fromkeys(place.repository for place in places):
            here = [place for place in places if place.repository == repository]
            records = [one.record for one in here if one.record and rule.rejection(one.record) is None]
            if not records:
                continue
            newest = max(records, key=rule.order)
            taking = [one for one in here if planner.follows(newest, one.member.running.tag_of(one.container))]
            if all(place.is_live_with(newest) for place in taking):
                found[Promotion(newest, rule.promote_tag)] = None
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
