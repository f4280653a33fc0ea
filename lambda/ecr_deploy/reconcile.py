"""Reconciling: what the registries hold and the table remembers, against what runs. Found pushes are returned."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ecr_deploy.core import admission, decisions, desires, memory
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.gates import OVER
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Container
from ecr_deploy.core.rules import Place, Rules

# What still has something to be done for it: the end of the wait is reported, a task is begun.
_NOT_IDLE = OVER | {"task"}


def repositories(members: Iterable[Member], rules: Rules) -> set[Repository]:
    """The repositories that services run and rules cover."""
    return {
        container.repository
        for member in members
        for container in member.running.containers
        if container.repository and rules.covers(container.repository, member.target)
    }


def remembered(members: Iterable[Member], memories: Mapping[Target, Memory], rules: Rules, event_id: str) -> list[Push]:
    """The pushes that had to wait or were never finished, each for just the targets that don't run them yet."""
    return _collect(
        ((member.target, push) for member in members for push in _remembered(member, memories[member.target], rules)),
        lambda record, targets: Push(record, event_id, "memory", targets=targets),
    )


def waits(
    members: Iterable[Member], memories: Mapping[Target, Memory], rules: Rules
) -> Iterator[tuple[Target, Record, Reason]]:
    """The pushes that have to wait, each with its target and what it waits for."""
    for member in members:
        for push, held in _unfinished(member, memories[member.target], rules):
            if held and held.kind not in OVER:
                yield member.target, push, held


def missing(
    members: Iterable[Member],
    memories: Mapping[Target, Memory],
    tagged: Mapping[Repository, Sequence[Record]],
    rules: Rules,
    event_id: str,
) -> list[Push]:
    """The pushes that should have reached targets and of which no event came, each for just those targets.

    `tagged` gives all tags that a repository holds. Only what was pushed after a target was first seen can be missing.
    A tag that was moved to an image pushed before what runs counts as pushed now, because ECR does not say when that
    was.
    """

    def lost() -> Iterable[tuple[Target, Record]]:
        for member in members:
            known = memories[member.target]
            for container in member.running.containers:
                held = tagged.get(container.repository) if container.repository else None
                if held and (push := _missing(member, container, known, held, rules)):
                    yield member.target, push

    return _collect(lost(), lambda record, targets: Push(record, event_id, "reconciliation", targets=targets))


def _collect(found: Iterable[tuple[Target, Record]], push: Callable[[Record, frozenset[Target]], Push]) -> list[Push]:
    targets_of: dict[Record, set[Target]] = {}
    for target, record in found:
        targets_of.setdefault(record, set()).add(target)
    return [push(record, frozenset(targets)) for record, targets in targets_of.items()]


def _remembered(member: Member, known: Memory, rules: Rules) -> list[Record]:
    return [push for push, held in _unfinished(member, known, rules) if held is None or held.kind in _NOT_IDLE]


def _unfinished(member: Member, known: Memory, rules: Rules) -> Iterator[tuple[Record, Reason | None]]:
    """The pushes that are greater than what a member runs, each with why it has to wait, if it has."""
    found: dict[Record, Reason | None] = {}
    for container in member.running.containers:
        repository = container.repository
        if repository is None or repository not in known.desires:
            continue
        order = rules.order(repository, member.target)
        desire = decisions.allowed(known, repository, rules, member.target, container.name)
        passed = decisions.passed(desire, repository, rules, member.target, container.name)
        running = memory.image_of(container, known)
        current = decisions.running_place(running, repository, passed, order)
        for standing in desires.standings(desire, repository, order):
            if standing.place <= current:
                break
            held = rules.holds(standing.record, member.target, container.name, desire.approvals)
            if not standing.rejection and admission.follows(standing.record.tag, running.tag):
                # Of two containers, the one that need not wait.
                found[standing.record] = found.get(standing.record, held) and held
    yield from found.items()


def _missing(
    member: Member, container: Container, known: Memory, held: Sequence[Record], rules: Rules
) -> Record | None:
    """The push that one container should run instead of what it runs."""
    repository = held[0].repository
    order = rules.order(repository, member.target)
    allowed = decisions.allowed(known, repository, rules, member.target, container.name)
    desire = decisions.passed(allowed, repository, rules, member.target, container.name)
    running = memory.image_of(container, known)
    current = decisions.running_place(running, repository, desire, order)
    behind_tag = next((record for record in held if record.tag == running.tag), None)
    newest: tuple[Place, Record] | None = None
    for push in held:
        if push.digest == running.digest or push.digest in desire.rejections or push.pushed_at <= desire.since:
            continue
        if not admission.follows(push.tag, running.tag) or not rules.allows(push, member.target, container.name):
            continue
        place = desires.place_of(push, desire, order)
        # What has to wait is found once, because somebody may have to approve it.
        hold = rules.holds(push, member.target, container.name, desire.approvals)
        is_over = hold and (hold.kind in OVER or desires.Name(push.tag, push.digest) in allowed.pushes)
        if place > current and (newest is None or place > newest[0]) and not is_over:
            newest = place, push
    if newest:
        return newest[1]
    is_moved = behind_tag and running.digest and behind_tag.digest != running.digest
    if (
        behind_tag
        and is_moved
        and behind_tag.digest not in desire.rejections
        and rules.allows(behind_tag, member.target, container.name)
    ):
        moved = (behind_tag, behind_tag._replace(pushed_at=rules.facts.now))
        return next((push for push in moved if desires.place_of(push, desire, order) > current), None)
    return None
