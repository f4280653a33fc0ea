"""Plans: pushes, what runs and what is known, made into revisions to register and services to update.

Everything here is pure. What is done is judged by what a service runs, so that the same pushes, planned again after a
crash, ask only for what is missing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ecr_deploy.core import revisions
from ecr_deploy.core.decisions import Decision, Verdict
from ecr_deploy.core.fleet import Family, Member, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.settings import Settings

# Of the settings that a family had in common: who is further behind is taken for another program.
_MOST_SETTINGS = 10


class Step(NamedTuple):
    """A revision and the targets to update to it. It is there already (`revision`), or is to be registered.

    `force` begins a deployment of what runs already: the tag that is written there stands for another image now.
    """

    members: tuple[Member, ...]
    base: Revision
    request: Mapping[str, Any]
    revision: Revision | None
    force: bool


class Plan(NamedTuple):
    """What to do about one family, what it means for each push and target, and what to remember before it is done."""

    steps: tuple[Step, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    memories: Mapping[Target, Memory] = {}


def concerned(
    pushes: Iterable[Push], target: Target, repositories: Collection[Repository], settings: Settings
) -> list[Push]:
    """The pushes to any of the repositories that the rules allow to go to the target."""
    hits = (push for push in pushes if push.repository in repositories)
    return [
        push
        for push in hits
        if (push.targets is None or target in push.targets) and settings.rules.allows(push.record, target)
    ]


def plan(
    pushes: Sequence[Push],
    family: Family,
    memories: Mapping[Target, Memory],
    settings: Settings,
    waits: Mapping[Target, Reason],
) -> Plan:
    """Plan the pushes of one batch for one family: one revision for all services that are to run the same.

    `memories` has one for each member; `waits` says which targets must not be updated now, and why.
    """
    line = tuple(dict.fromkeys(settings_had for known in memories.values() for settings_had in known.line))
    bases = _bases(family, line, settings)
    decisions = [
        Decision(member, bases[member.target], pushes, memories[member.target], settings, waits.get(member.target))
        for member in family.members
    ]
    groups: dict[str, list[Decision]] = {}
    for decision in decisions:
        if decision.winners:
            groups.setdefault(decision.same, []).append(decision)
    return Plan(
        steps=tuple(_step(group, family) for group in groups.values()),
        verdicts=tuple(verdict for decision in decisions for verdict in decision.verdicts),
        memories={decision.member.target: _with_line(decision, family, line) for decision in decisions},
    )


def _with_line(decision: Decision, family: Family, line: Sequence[str]) -> Memory:
    """What to remember of a target, with the settings that it has in common with its family, if it has."""
    if len(family.members) == 1 or not decision.winners or not _is_one_line(family, line):
        return decision.remembered
    now = map(revisions.fingerprint, (decision.base, decision.member.running))
    return decision.remembered._replace(line=tuple(dict.fromkeys((*now, *line)))[:_MOST_SETTINGS])


def _bases(family: Family, known: Collection[str], settings: Settings) -> dict[Target, Revision]:
    """What the next revision of each member starts from; `known` are the settings that they had in common."""
    has_line = settings.base_revision == "latest" and _is_one_line(family, known)
    bases = {}
    for member in family.members:
        newest = family.newest
        if any(other.running.arn == newest.arn for other in family.members if other is not member):
            # What is meant for another is in it; its owner's has the same settings.
            is_same = family.origin is not None and revisions.fingerprint(family.origin) == revisions.fingerprint(
                newest
            )
            newest = family.origin if family.origin and is_same else member.running
        own_line = has_line and (newest.number > member.running.number or family.is_hidden)
        begun = family.begun.get(member.target)
        if not own_line and begun and settings.base_revision == "latest" and begun.number > member.running.number:
            # Others of the family have what it was to get, too.
            bases[member.target] = begun
        else:
            bases[member.target] = newest if own_line else member.running
    return bases


def _is_one_line(family: Family, known: Collection[str]) -> bool:
    """Whether all members run the same program: they differ in images alone, or in how far behind they are.

    A family that is shared by different programs or environments has no line that is all of theirs.
    """
    running = {member.running.arn: member.running for member in family.members}
    if len(running) == 1:
        return True
    settings = {revisions.fingerprint(revision) for revision in running.values()}
    return len(settings) == 1 or settings <= set(known)


def _step(group: Sequence[Decision], family: Family) -> Step:
    first = group[0]
    members = tuple(decision.member for decision in group)
    if first.force:
        return Step(members, first.base, first.request, first.member.running, force=True)
    running = {member.running.arn for member in members if member.service}
    there = (spare for spare in (family.newest, *family.spare) if spare.is_active and spare.arn not in running)
    revision = next((spare for spare in there if revisions.is_like(spare, first.request)), None)
    return Step(members, first.base, first.request, revision, force=False)
