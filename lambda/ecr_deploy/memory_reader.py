"""The memory reader: what is known of what is in scope, brought in line with what it runs."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ecr_deploy.aws.table import Known
from ecr_deploy.core import memory
from ecr_deploy.core.errors import EcrDeployError, Retry
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.fleet_reader import Hit, members_of

logger = logging.getLogger("ecr_deploy")

Memories = Mapping[Target, Known | EcrDeployError]


class Reading(NamedTuple):
    """What is known of some families: the newest ACTIVE revision of each, and the memories of all that they hold."""

    newest: Mapping[str, Revision | EcrDeployError | None]
    memories: Memories


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


def start_read(hits: Sequence[Hit], environment: Environment) -> Callable[[], Memories]:
    """Begin to read what the table holds of families; the function that it gives waits for the answers."""
    return environment.table.start_read(target for hit in hits for target in hit.targets)


def read_families(
    hits: Sequence[Hit],
    reading: Callable[[], Memories],
    news: Sequence[Push],
    environment: Environment,
    settings: Settings,
) -> Reading:
    """What is known of families, and of all that they hold, once the table has been read."""
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
    settled = _settled(members, known)
    found = {
        repository: _ask(repository, images, environment)
        for repository, images in _unrecorded(members, settled, news, settings).items()
    }
    for member in members:
        read = settled[member.target]
        if isinstance(read, Known):
            settled[member.target] = _adopt(member, read, news, found, environment)
    return settled


def recall(members: Iterable[Member], environment: Environment) -> Memories:
    """What the table holds of members; what was begun and went through is settled, and ECR is not asked."""
    members = list(members)
    return _settled(members, environment.table.read(member.target for member in members))


def _settled(members: Iterable[Member], known: Memories) -> dict[Target, Known | EcrDeployError]:
    settled: dict[Target, Known | EcrDeployError] = {}
    for member in members:
        read = known[member.target]
        if isinstance(read, Known):
            read = read._replace(memory=memory.settle(read.memory, member))
        settled[member.target] = read
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
    from ecr_deploy.aws import ecr  # noqa: PLC0415 - once for each image that nobody recorded

    try:
        return ecr.describe(environment.registry(repository.region), repository, images["tags"], images["digests"])
    except EcrDeployError as error:
        if error.retry is not Retry.NEVER:
            return error
        # A registry that we may not ask says nothing of the age of what runs: what is pushed counts as newer.
        logger.warning("when the images that run were pushed is unknown: %s", error)
        return []
