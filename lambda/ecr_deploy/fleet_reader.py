"""The fleet reader: what is in scope, what it runs, and what is known of it."""

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from ecr_deploy.core import admission, planner
from ecr_deploy.core.errors import CallError, EcrDeployError
from ecr_deploy.core.fleet import Member, Service, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.outcomes import Reason, TargetResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment

# A service, and the repositories that it runs, or why ECS does not say it.
Run = tuple[Service, tuple[Repository, ...] | CallError]

# About as many as a slice can update.
_MOST_FRESH = 200


class Hit(NamedTuple):
    """A family that pushes concern: all services in scope that run it, and which push concerns which target.

    What a push concerns comes with what that runs, as `family:number`. `newest` is there where no service runs it.
    One that `is_late` is for a later slice, before which its services are to be described again.
    """

    family: str
    services: Sequence[Service]
    concerned: Sequence[tuple[Push, Target, str]]
    waits: Mapping[Target, Reason]
    newest: Revision | None = None
    is_late: bool = False

    @property
    def targets(self) -> list[Target]:
        """All that it holds."""
        return [Target(None, self.family)] if self.newest else [service.target for service in self.services]


def read_fleet(
    environment: Environment, settings: Settings, since: datetime | None = None
) -> tuple[list[Member], list[TargetResult]]:
    """What is in scope, with the revisions that run; and what came of services whose revision ECS does not give.

    Services that were described `since` a time are as they were then.

    Raises:
        CallError: ECS does not say what is in scope.
        OutOfTimeError: the invocation ends before that is known.

    """
    services = list(environment.ecs.services(settings.rules, since))
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


def read_sketches(environment: Environment, rules: Rules) -> tuple[list[Member], list[TargetResult]]:
    """What is in scope, with just the images that run, to look at; and what came of what ECS does not say.

    Raises:
        CallError: ECS does not say what is in scope.
        OutOfTimeError: the invocation ends before that is known.

    """
    services = list(environment.ecs.services(rules))
    known = environment.ecs.sketches(services)
    members = [Member(service, known[service.revision]) for service in services if service.revision in known]
    others, unknown = read_members([service for service in services if service.revision not in known], environment)
    return [*members, *others], unknown


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

    @cache
    def concerning(target: Target, repositories: tuple[Repository, ...]) -> list[Push]:
        if everything:
            return [push for push in pushes if push.repository in repositories]
        return planner.concerned(pushes, target, repositories, settings)

    runs, later = _runs(environment, rules, concerning)
    for service, repositories in runs:
        families.setdefault(service.family, []).append(service)
        if isinstance(repositories, CallError):
            unknown.append(_unknown(service, repositories))
            continue
        for push in concerning(service.target, repositories):
            concerned.setdefault(service.family, []).append((push, service.target, service.runs))
    for family, hits in _moved(pushes, environment, families, concerned, concerning).items():
        concerned.setdefault(family, []).extend(hits)
    standalone = {}
    for newest in _standalone(families, environment, rules):
        target = Target(None, newest.family)
        standalone[newest.family] = newest
        for push in concerning(target, newest.repositories):
            concerned.setdefault(newest.family, []).append((push, target, str(newest)))
    hit = [service for family in concerned if family not in later for service in families.get(family, ())]
    waits = environment.ecs.waiting(hit)
    return [
        Hit(family, families.get(family, ()), found, waits, standalone.get(family), is_late=family in later)
        for family, found in concerned.items()
    ], unknown


def _moved(
    pushes: Iterable[Push],
    environment: Environment,
    families: Mapping[str, Iterable[Service]],
    concerned: Mapping[str, Iterable[tuple[Push, Target, str]]],
    concerning: Callable[[Target, tuple[Repository, ...]], Iterable[Push]],
) -> dict[str, list[tuple[Push, Target, str]]]:
    """What pushes that nothing runs concern by the newest revisions of families, which services may be behind."""
    strange = set(pushes) - {push for hits in concerned.values() for push, _, _ in hits}
    moved = environment.ecs.moved(families) if strange else {}
    found: dict[str, list[tuple[Push, Target, str]]] = {}
    for family, repositories in moved.items():
        for service in families[family]:
            hits = (push for push in concerning(service.target, repositories) if push in strange)
            found.setdefault(family, []).extend((push, service.target, service.runs) for push in hits)
    return {family: hits for family, hits in found.items() if hits}


def running(environment: Environment, rules: Rules, is_wanted: Callable[[Repository], bool]) -> list[Target]:
    """The services in scope that run certain repositories, as far as ECS said it within the last minutes.

    Raises:
        CallError: ECS does not say what is in scope.
        OutOfTimeError: the invocation ends before that is known.

    """
    services = (service for service, _ in environment.ecs.known_services(rules))
    return [
        service.target
        for service, found in environment.ecs.repositories(services)
        if not isinstance(found, CallError) and any(map(is_wanted, found))
    ]


def _runs(
    environment: Environment, rules: Rules, concerning: Callable[[Target, tuple[Repository, ...]], Collection[Push]]
) -> tuple[Collection[Run], set[str]]:
    """The services in scope with the repositories that they run, or why ECS does not say it.

    For a batch of the queue, those that nothing concerns may be as they were some minutes ago; so may those of the
    families that are named with them, which are too many for a slice.
    """
    ecs = environment.ecs
    if not environment.slices:
        return ecs.repositories(ecs.services(rules)), set()
    fresh: set[Target] = set()

    def services() -> Iterator[Service]:
        for service, is_fresh in ecs.known_services(rules):
            if is_fresh:
                fresh.add(service.target)
            yield service

    runs = {service.target: (service, found) for service, found in ecs.repositories(services())}
    while True:
        stale, later = _stale(runs.values(), fresh, concerning)
        if not stale:
            return runs.values(), later
        described = ecs.describe(stale)
        fresh.update(service.target for service in stale)
        gone = {service.target for service in stale} - described.keys()
        again = {service.target: (service, found) for service, found in ecs.repositories(described.values())}
        runs = {target: again.get(target, run) for target, run in runs.items() if target not in gone}


def _stale(
    runs: Iterable[Run],
    fresh: Container[Target],
    concerning: Callable[[Target, tuple[Repository, ...]], Collection[Push]],
) -> tuple[list[Service], set[str]]:
    """The services of families that are concerned, but for those that ECS has described just now.

    Of more than a slice can update, those that pushes concern few of; and the families of the others.
    """
    members: dict[str, list[Service]] = {}
    concerned: dict[str, set[Push]] = {}
    size: Counter[Push] = Counter()
    for service, repositories in runs:
        members.setdefault(service.family, []).append(service)
        pushes = () if isinstance(repositories, CallError) else concerning(service.target, repositories)
        if pushes or isinstance(repositories, CallError):
            concerned.setdefault(service.family, set()).update(pushes)
            size.update(pushes)
    stale: list[Service] = []
    later: set[str] = set()
    count = 0
    for family in sorted(concerned, key=lambda family: min((size[push] for push in concerned[family]), default=0)):
        old = [service for service in members[family] if service.target not in fresh]
        if old and count >= _MOST_FRESH:
            later.add(family)
        else:
            stale += old
            count += len(members[family])
    return stale, later


def members_of(hit: Hit, environment: Environment) -> tuple[list[Member], list[TargetResult]]:
    """What is in a family, and what came of what ECS does not say of it."""
    if hit.newest:
        return [Member(None, hit.newest)], []
    return read_members(hit.services, environment)


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
