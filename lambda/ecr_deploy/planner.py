"""Plans: pushes and what runs, made into revisions to register and services to update.

Everything here is pure. What is done is judged by what a service runs, not by what its family's newest revision says,
so that the same pushes, planned again after a crash, ask only for what is missing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from . import images, revisions
from .events import Push
from .images import Repository
from .records import Record
from .revisions import Container, Revision
from .rules import Rules, Target
from .settings import Settings


class Outcome(StrEnum):
    """How a push ended; of several outcomes, the one that stands first here speaks for all."""

    FAILED = "failed"
    DEPLOYED = "deployed"
    SUPERSEDED = "superseded"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"


SEVERITY = {outcome: rank for rank, outcome in enumerate(Outcome)}


@dataclass(frozen=True, slots=True)
class Service:
    """An ACTIVE service: where it is, what it is told to run (a revision's ARN), and who rolls it out."""

    cluster: str
    name: str
    arn: str
    revision: str
    controller: str = "ECS"

    @property
    def target(self) -> Target:
        """The service as the rules see it."""
        return Target(self.cluster, self.name)


@dataclass(frozen=True, slots=True)
class Member:
    """A service and the revision that it runs."""

    service: Service
    running: Revision


@dataclass(frozen=True, slots=True)
class Family:
    """A task definition family: its newest ACTIVE revision, the services that run it, and older revisions."""

    newest: Revision
    members: tuple[Member, ...]
    older: tuple[Revision, ...] = ()

    @property
    def records(self) -> set[Record]:
        """Every push that any of the revisions at hand records."""
        known = (self.newest, *(member.running for member in self.members), *self.older)
        return {record for revision in known for record in revision.records.values()}


@dataclass(frozen=True, slots=True)
class Change:
    """A container's image before and after."""

    container: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a push means for a service; `deployed` only once the step that it belongs to is done."""

    push: Push
    member: Member
    outcome: Outcome
    reason: str | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A revision and the services to update to it. It is there already (`revision`), or is to be registered."""

    members: tuple[Member, ...]
    request: Mapping[str, Any]
    revision: Revision | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about one family, and what it will mean for each push and service."""

    steps: tuple[Step, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


@dataclass(slots=True)
class _Decision:
    """What one service is to run: images and records of the revision to come, and the pushes that changed it."""

    member: Member
    base: Revision
    images: dict[str, str] = field(default_factory=dict)
    records: dict[Repository, Record] = field(default_factory=dict)
    winners: dict[Repository, Push] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)


def concerned(pushes: Iterable[Push], member: Member, rules: Rules) -> list[Push]:
    """The pushes that the rules let go to a service, and whose repository it runs."""
    target = member.service.target
    return [push for push in pushes if member.running.references(push.repository) and rules.lets(push.record, target)]


def plan(pushes: Sequence[Push], family: Family, settings: Settings) -> Plan:
    """Plan the pushes of one batch for one family: one revision for all services that are to run the same."""
    decisions = [_decide(member, pushes, family, settings) for member in family.members]
    verdicts = tuple(verdict for decision in decisions for verdict in decision.verdicts)
    groups: dict[object, list[_Decision]] = {}
    for decision in decisions:
        if decision.winners:
            same = (decision.base.arn, frozenset(decision.images.items()), frozenset(decision.winners.items()))
            groups.setdefault(same, []).append(decision)
    return Plan(tuple(_step(group, family) for group in groups.values()), verdicts)


def needs_older(pushes: Sequence[Push], family: Family, settings: Settings) -> bool:
    """Whether a push would be deployed only because no revision at hand records its repository.

    A revision that Terraform registered and deployed records nothing; the one before it may.
    """
    recorded = {record.repository for record in family.records}
    decisions = (_decide(member, pushes, family, settings) for member in family.members)
    return any(not decision.winners.keys() <= recorded for decision in decisions)


def _decide(member: Member, pushes: Sequence[Push], family: Family, settings: Settings) -> _Decision:
    rules, target = settings.rules, member.service.target
    hits = concerned(pushes, member, rules)
    if hits and (obstacle := _obstacle(member.service)):
        skipped = [Verdict(push, member, Outcome.SKIPPED, obstacle) for push in hits]
        return _Decision(member, member.running, verdicts=skipped)
    latest = settings.base_revision == "latest"
    decision = _Decision(member, family.newest if latest else member.running)
    # Of several revisions that services run, the newest tells which images are kept.
    kept = max((one.running for one in family.members), key=lambda one: one.number) if latest else member.running
    found: dict[Push, list[Verdict]] = {push: [] for push in hits}
    for container in decision.base.containers:
        repository = container.repository
        if repository is None:
            continue
        keeper = kept if rules.covers(repository, target) and _counterpart(kept, container) else decision.base
        current = _counterpart(keeper, container) or container
        decision.images[container.name] = current.image
        if repository in keeper.records:
            decision.records.setdefault(repository, keeper.records[repository])
        own = _counterpart(member.running, container)
        runs = member.running.tag_of(own) if own else keeper.tag_of(current)
        candidates = [push for push in hits if push.repository == repository and _follows(push, runs)]
        if not candidates:
            continue
        winner = _winner(candidates, rules, target)
        for push in candidates:
            if push is not winner:
                found[push].append(_lost(push, winner, member))
        if own and member.running.digest_of(own) == winner.record.digest:
            found[winner].append(Verdict(winner, member, Outcome.UNCHANGED, "it runs this image already"))
            continue
        if newer := _newer(winner, family.records, rules, target):
            found[winner].append(Verdict(winner, member, Outcome.SUPERSEDED, _by(newer)))
            continue
        reference = images.parse(current.image)
        after = str(reference.pointing_to(winner.record.tag, winner.record.digest, settings.image_reference))
        change = Change(container.name, own.image if own else container.image, after)
        found[winner].append(Verdict(winner, member, Outcome.DEPLOYED, None, (change,)))
        decision.images[container.name] = after
        decision.winners[repository] = winner
    decision.records.update({repository: winner.record for repository, winner in decision.winners.items()})
    decision.verdicts = [_sum_up(push, member, verdicts, decision.base) for push, verdicts in found.items()]
    return decision


def _obstacle(service: Service) -> str | None:
    """Why we must not update the service, if there is a reason."""
    if service.controller == "ECS":
        return None
    return f"its deployment controller is {service.controller}, which deploys by itself"


def _counterpart(revision: Revision, container: Container) -> Container | None:
    """The container of the same name in another revision, if it runs the same repository there."""
    other = revision.container(container.name)
    return other if other and other.repository == container.repository else None


def _follows(push: Push, running_tag: str | None) -> bool:
    """Whether a container that runs some tag takes the push: `latest` is only for those who run `latest`."""
    return push.record.tag != "latest" or running_tag == "latest"


def _winner(candidates: Sequence[Push], rules: Rules, target: Target) -> Push:
    """The newest of the pushes to one container, as its rules count; one that an operator forces comes first."""
    ranked = sorted(candidates, key=lambda push: (push.force, push.record.order), reverse=True)
    for push in ranked:
        others = {other.record for other in ranked if other is not push}
        if push.force or not _newer(push, others, rules, target):
            return push
    return ranked[0]


def _newer(push: Push, records: Iterable[Record], rules: Rules, target: Target) -> Record | None:
    """The newest record that keeps the push out of the target; one of the same image keeps nothing out."""
    if push.force:
        return None
    rivals = (one for one in records if one.repository == push.repository and one.digest != push.record.digest)
    superseding = (one for one in rivals if rules.supersedes(one, push.record, target))
    return max(superseding, key=lambda one: one.order, default=None)


def _lost(push: Push, winner: Push, member: Member) -> Verdict:
    """What becomes of a push that another one of the same batch beats."""
    if push.record.digest == winner.record.digest:
        reason = f"the push of {winner.record.tag} brings the same image"
        return Verdict(push, member, Outcome.UNCHANGED, reason)
    return Verdict(push, member, Outcome.SUPERSEDED, _by(winner.record))


def _by(record: Record) -> str:
    return f"{record.tag} ({record.digest[:19]}) was pushed later"


def _sum_up(push: Push, member: Member, verdicts: Sequence[Verdict], base: Revision) -> Verdict:
    """One verdict for all containers of a service."""
    if not verdicts:
        return Verdict(push, member, Outcome.SKIPPED, _why_nothing(push, base))
    first = min(verdicts, key=lambda verdict: SEVERITY[verdict.outcome])
    return replace(first, changes=tuple(change for verdict in verdicts for change in verdict.changes))


def _why_nothing(push: Push, base: Revision) -> str:
    if base.references(push.repository):
        return "latest goes only to containers that run latest"
    return f"{base}, the newest revision of its family, runs the repository no longer"


def _step(group: Sequence[_Decision], family: Family) -> Step:
    decision = group[0]
    request = revisions.following(decision.base, decision.images, decision.records.values())
    return Step(
        members=tuple(one.member for one in group),
        request=request,
        revision=family.newest if _is_done(family.newest, request, decision.winners.values()) else None,
    )


def _is_done(revision: Revision, request: Mapping[str, Any], winners: Collection[Push]) -> bool:
    """Whether the revision is what the request would register, made by the same pushes: a crash left it behind."""
    recorded = (revision.records.get(winner.repository) for winner in winners)
    same_pushes = all(one and one.digest == winner.record.digest for one, winner in zip(recorded, winners, strict=True))
    return same_pushes and revisions.is_like(revision, request)
