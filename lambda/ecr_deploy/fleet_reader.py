"""The fleet reader: what is in scope, what it runs, and what is known of it."""

import logging
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from ecr_deploy.aws import ecr
from ecr_deploy.aws.table import Known
from ecr_deploy.core import admission, memory, planner
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry
from ecr_deploy.core.fleet import Member, Service, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.outcomes import Reason, TargetResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment

logger = logging.getLogger("ecr_deploy")

Memories = Mapping[Target, Known | EcrDeployError]


class Reading(NamedTuple):
    """What is known of some families: the newest ACTIVE revision of each, and the memories of all that they hold."""

    newest: Mapping[str, Revision | EcrDeployError | None]
    memories: Memories


class Hit(NamedTuple):
    """A family that pushes concern: all services in scope that run it, and which push concerns which target.

    What a push concerns comes with what that runs, as `family:number`. `newest` is there where no service runs it.
    """

    family: str
    services: Sequence[Service]
    concerned: Sequence[tuple[Push, Target, str]]
    waits: Mapping[Target, Reason]
    newest: Revision | None = None

    @property
    def targets(self) -> list[Target]:
        """All that it holds."""
        return [Target(None, self.family)] if self.newest else [service.target for service in self.services]


def read_fleet(environment: Environment, settings: Settings) -> tuple[list[Member], list[TargetResult]]:
    """What is in scope, with the revisions that run; and what came of services whose revision ECS does not give.

    Raises:
        CallError: ECS does not say what is in scope.
        OutOfTimeError: the invocation ends before that is known.

    """
    services = list(environment.ecs.services(settings.rules))
    members, unknown = read_members(services, environment)
    standalone = _standalone({service.family for service in services}, environment, settings.rules)
    return [*members, *(Member(None, revision) for revision in standalone)], unknown


def read_members(services: Sequence[Service], environment: Environment) -> tuple[list[Member], list[TargetResult]]:
    """The services with the revisions that they run; and what came of those whose revision ECS does not give."""
    running = environment.ecs.running(services)
    members: list[Member] = []
    unknown: list[TargetResult] = []
    for service in services:
        revision = running[service.revision]
        if isinstance(revision, Revision):
            members.append(Member(service, revision))
        else:
            unknown.append(_unknown(service, revision))
    return members, unknown


def find_hits(
    pushes: Sequence[Push], environment: Environment, settings: Settings, *, everything: bool = False
) -> tuple[list[Hit], list[TargetResult]]:
    """The families that the pushes concern; and what came of services of which nobody knows what they run.

    With `everything`, also those that run the repository and are in no rule's scope.

    Raises:
        CallError: ECS does not say what is in scope.
        OutOfTimeError: the invocation ends before that is known.

    """
    rules = settings.rules.everywhere() if everything else settings.rules
    families: dict[str, list[Service]] = {}
    concerned: dict[str, list[tuple[Push, Target, str]]] = {}
    unknown: list[TargetResult] = []

    def concerning(target: Target, repositories: Collection[Repository]) -> list[Push]:
        if everything:
            return [push for push in pushes if push.repository in repositories]
        return planner.concerned(pushes, target, repositories, settings)

    for service, repositories in environment.ecs.repositories(environment.ecs.services(rules)):
        families.setdefault(service.family, []).append(service)
        if isinstance(repositories, CallError):
            unknown.append(_unknown(service, repositories))
            continue
        for push in concerning(service.target, repositories):
            concerned.setdefault(service.family, []).append((push, service.target, service.runs))
    standalone = {}
    for newest in _standalone(families, environment, rules):
        target = Target(None, newest.family)
        standalone[newest.family] = newest
        for push in concerning(target, newest.repositories):
            concerned.setdefault(newest.family, []).append((push, target, str(newest)))
    hit = [service for family in concerned for service in families.get(family, ())]
    waits = environment.ecs.waiting(hit)
    return [
        Hit(family, families.get(family, ()), found, waits, standalone.get(family))
        for family, found in concerned.items()
    ], unknown


def read_memories(
    members: Iterable[Member], news: Iterable[Push], environment: Environment, settings: Settings
) -> Memories:
    """What is known of members, brought in line with what they run: what was begun and went through is settled.

    What nobody recorded is asked of ECR, one call for all images of a repository that the news is of; all repositories
    of the members where there is no news.
    """
    members = list(members)
    known = environment.table.read(member.target for member in members)
    return _in_line(members, known, list(news), environment, settings)


def read_families(hits: Sequence[Hit], news: Sequence[Push], environment: Environment, settings: Settings) -> Reading:
    """What is known of families, and of all that they hold."""
    # Asked for at once, while ECS says what the services run.
    reading = environment.table.start_read(target for hit in hits for target in hit.targets)
    # The newest revision first, because it is mostly what the services run, too.
    newest = environment.ecs.all_newest([hit.family for hit in hits if hit.newest is None])
    newest |= {hit.family: hit.newest for hit in hits if hit.newest}
    members = [member for hit in hits for member in members_of(hit, environment)[0]]
    return Reading(newest, _in_line(members, reading(), news, environment, settings))


def _in_line(
    members: Iterable[Member],
    known: Memories,
    news: Sequence[Push],
    environment: Environment,
    settings: Settings,
) -> Memories:
    """What is known of members, once it agrees with what they run."""
    members = [
        as_deployed(member, read.memory, environment) if isinstance(read := known[member.target], Known) else member
        for member in members
    ]
    settled: dict[Target, Known | EcrDeployError] = {}
    for member in members:
        read = known[member.target]
        if isinstance(read, Known):
            read = read._replace(memory=memory.settle(read.memory, member))
        settled[member.target] = read
    found = {
        repository: _ask(repository, images, environment)
        for repository, images in _unrecorded(members, settled, news, settings).items()
    }
    for member in members:
        read = settled[member.target]
        if isinstance(read, Known):
            settled[member.target] = _adopt(member, read, news, found, environment)
    return settled


def _unrecorded(
    members: Sequence[Member], known: Memories, news: Iterable[Push], settings: Settings
) -> dict[Repository, dict[str, set[str]]]:
    """The tags and digests that members run and nobody recorded, of repositories that rules cover."""
    wanted = {push.repository for push in news} or {
        repository for member in members for repository in member.running.repositories
    }
    images: dict[Repository, dict[str, set[str]]] = {}
    for member in members:
        read = known[member.target]
        if not isinstance(read, Known):
            continue
        for container in member.running.containers:
            repository = container.repository
            is_ours = repository in wanted and settings.rules.covers(repository, member.target)
            if repository and is_ours and not memory.is_known(container, read.memory):
                unknown = images.setdefault(repository, {"tags": set(), "digests": set()})
                if container.digest:
                    unknown["digests"].add(container.digest)
                elif container.tag:
                    unknown["tags"].add(container.tag)
    return images


def members_of(hit: Hit, environment: Environment) -> tuple[list[Member], list[TargetResult]]:
    """What is in a family, and what came of what ECS does not say of it."""
    if hit.newest:
        return [Member(None, hit.newest)], []
    return read_members(hit.services, environment)


def as_deployed(member: Member, known: Memory, environment: Environment) -> Member:
    """The member as if it ran what its controller deploys to it, where ECS shows that only at the end."""
    rollout, service = known.rollout, member.service
    if service is None or rollout is None or rollout.state is not State.STARTED:
        return member
    if environment.controllers.of(service).shows_target:
        return member
    return Member(service._replace(revision=rollout.revision), environment.ecs.revision(rollout.revision))


def _adopt(
    member: Member,
    known: Known,
    news: Iterable[Push],
    found: Mapping[Repository, list[Record] | EcrDeployError],
    environment: Environment,
) -> Known | EcrDeployError:
    records: list[Record] = []
    for repository in member.running.repositories:
        answer = found.get(repository, [])
        if isinstance(answer, EcrDeployError):
            return answer
        records += answer
    pushed = [push.record for push in news]
    repositories = found.keys()
    return known._replace(memory=memory.adopt(known.memory, member, repositories, records, pushed, environment.now()))


def _ask(
    repository: Repository, images: Mapping[str, Collection[str]], environment: Environment
) -> list[Record] | EcrDeployError:
    try:
        return ecr.describe(environment.registry(repository.region), repository, images["tags"], images["digests"])
    except EcrDeployError as error:
        if error.retry is not Retry.NEVER:
            return error
        # A registry that we may not ask says nothing of the age of what runs: what is pushed counts as newer.
        logger.warning("when the images that run were pushed is unknown: %s", error)
        return []


def _standalone(run: Container[str], environment: Environment, rules: Rules) -> list[Revision]:
    """The newest revisions of the families that rules reach, but for those that services run."""
    globs = rules.families()
    if not globs:
        return []
    newest = environment.ecs.all_newest(name for name in environment.ecs.families(globs) if name not in run)
    for revision in newest.values():
        if isinstance(revision, EcrDeployError):
            raise revision
    return [revision for revision in newest.values() if isinstance(revision, Revision)]


def _unknown(service: Service, error: CallError) -> TargetResult:
    return TargetResult(service.target, *admission.by_unknown(error), retry=error.retry)
