"""Plans: pushes and what runs, made into revisions to register and services to update.

Everything here is pure. What is done is judged by what a service runs, not by what its family's newest revision says,
so that the same pushes, planned again after a crash, ask only for what is missing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ecr_deploy.core import admission, images, records, revisions, rollouts
from ecr_deploy.core.events import Push
from ecr_deploy.core.fleet import Family, Member, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.outcomes import SEVERITY, Change, Outcome, Reason
from ecr_deploy.core.records import MOST_TAGS, Record
from ecr_deploy.core.revisions import Container, Revision
from ecr_deploy.core.rollouts import Rollout
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings


class Verdict(NamedTuple):
    """What a push means for a service; `deployed` only once the step that it belongs to is done."""

    push: Push
    member: Member
    outcome: Outcome
    reason: Reason | None = None
    changes: tuple[Change, ...] = ()


class Step(NamedTuple):
    """A revision and the services to update to it. It is there already (`revision`), or is to be registered.

    `tags` are to be written on one that is there.
    """

    members: tuple[Member, ...]
    request: Mapping[str, Any]
    revision: Revision | None
    tags: Mapping[str, str]


class Plan(NamedTuple):
    """What to do about one family, and what it will mean for each push and service."""

    steps: tuple[Step, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    refreshed: tuple[tuple[Revision, Mapping[str, str]], ...] = ()
    """Tags to be written on revisions that stay: records of a later push of the image that runs."""


def concerned(pushes: Iterable[Push], target: Target, repositories: Collection[Repository], rules: Rules) -> list[Push]:
    """The pushes to any of the repositories that the rules let go to the target."""
    hits = (push for push in pushes if push.repository in repositories)
    return [
        push for push in hits if (push.targets is None or target in push.targets) and rules.allows(push.record, target)
    ]


def plan(pushes: Sequence[Push], family: Family, settings: Settings) -> Plan:
    """Plan the pushes of one batch for one family: one revision for all services that are to run the same."""
    decisions = [_Decision(member, pushes, family, settings) for member in family.members]
    groups: dict[object, list[_Decision]] = {}
    for decision in decisions:
        if decision.winners:
            same = (decision.base.arn, frozenset(decision.images.items()), frozenset(decision.winners.items()))
            groups.setdefault(same, []).append(decision)
    refreshed = {
        one.member.running.arn: (one.member.running, {records.key(record.repository): str(record) for record in found})
        for one in decisions
        if (found := one.refreshed)
    }
    return Plan(
        steps=tuple(_step(group, family, settings.rules.moment.now) for group in groups.values()),
        verdicts=tuple(verdict for decision in decisions for verdict in decision.verdicts),
        refreshed=tuple(refreshed.values()),
    )


def needs_older(pushes: Sequence[Push], family: Family, settings: Settings) -> bool:
    """Whether a push would be deployed only because no revision at hand records its repository.

    A revision that Terraform registered and deployed records nothing; the one before it may.
    """
    recorded = {record.repository for record in family.records}
    decisions = (_Decision(member, pushes, family, settings) for member in family.members)
    return any(not decision.winners.keys() <= recorded for decision in decisions)


class _Decision:
    """What one service is to run: images and records of the revision to come, and the pushes that changed it."""

    def __init__(self, member: Member, pushes: Sequence[Push], family: Family, settings: Settings) -> None:
        self.member = member
        self.images: dict[str, str] = {}
        self.records: dict[Repository, Record] = {}
        self.winners: dict[Repository, Push] = {}
        self.refreshed: list[Record] = []
        self._settings = settings
        self._known = family.records
        self.rejected = _rejected(family, member.target)
        latest = settings.base_revision == "latest"
        self.base = family.newest if latest else member.running
        # Of several revisions that services run, the newest tells which images are kept, but for one that this
        # service was taken back from.
        running = [one.running for one in family.members if not admission.obstacle(one, settings)]
        running = [one for one in running if not self._is_rejected(one)] or [member.running]
        self._kept = max(running, key=lambda one: one.number) if latest else member.running
        concerning = concerned(pushes, member.target, member.running.repositories, settings.rules)
        self._found: dict[Push, list[Verdict]] = {push: [] for push in concerning}
        self._obstacle = admission.obstacle(member, settings)
        if self._found and not self._obstacle:
            for container in self.base.containers:
                if container.repository:
                    self._decide(container, container.repository)
        self.records.update({repository: winner.record for repository, winner in self.winners.items()})

    @property
    def verdicts(self) -> list[Verdict]:
        """One verdict for each push that concerns the service."""
        return [self._sum_up(push, found) for push, found in self._found.items()]

    def _decide(self, container: Container, repository: Repository) -> None:
        """Choose the image of one container: that of a push, or the one that the service runs, or that of the base."""
        covered = self._settings.rules.covers(repository, self.member.target)
        kept = _counterpart(self._kept, container) if covered else None
        current, source = (kept, self._kept) if kept else (container, self.base)
        self.images[container.name] = current.image
        if record := source.records.get(repository):
            self.records.setdefault(repository, record)
        own = _counterpart(self.member.running, container)
        runs = self.member.running.tag_of(own) if own else source.tag_of(current)
        candidates = [
            push for push in self._found if push.repository == repository and admission.follows(push.record, runs)
        ]
        if not candidates:
            return
        winner = self._pick(candidates)
        reference = images.parse(current.image)
        after = str(reference.pointing_to(winner.record.tag, winner.record.digest, self._settings.image_reference))
        # A version takes a container off latest for good, also where it is the same image: else the end would depend on
        # which of the two came first.
        leaves_latest = runs == "latest" != winner.record.tag and own and own.image != after
        if own and self.member.running.digest_of(own) == winner.record.digest and not leaves_latest:
            self._find(winner, Outcome.UNCHANGED, Reason("same-image", "it runs this image already"))
            self._refresh(winner.record)
        elif newer := self._newer(winner, self._known):
            self._find(winner, Outcome.SUPERSEDED, _by(newer))
        elif reason := self._waits(winner):
            self._find(winner, Outcome.WAITING, reason)
        elif reason := self._rejects(winner):
            self._find(winner, Outcome.SKIPPED, reason)
        else:
            change = Change(container.name, own.image if own else container.image, after)
            self._find(winner, Outcome.DEPLOYED, None, change)
            self.images[container.name] = after
            self.winners[repository] = winner

    def _pick(self, candidates: Sequence[Push]) -> Push:
        """The newest of the pushes to one container, as the rules count; one that an operator forces comes first."""
        forced = [push for push in candidates if push.force]
        rivals = {push.record: push for push in forced or candidates}
        winner = rivals[self._settings.rules.newest(list(rivals), self.member.target)]
        for push in candidates:
            if push is winner:
                continue
            if push.record.digest == winner.record.digest:
                reason = Reason("same-image", f"the push of {winner.record.tag} brings the same image")
                self._find(push, Outcome.UNCHANGED, reason)
            else:
                self._find(push, Outcome.SUPERSEDED, _by(winner.record))
        return winner

    def _newer(self, push: Push, records: Iterable[Record]) -> Record | None:
        """The newest record that keeps the push out of the service; one of the same image keeps nothing out."""
        if push.force:
            return None
        rivals = (one for one in records if one.repository == push.repository and one.digest != push.record.digest)
        target = self.member.target
        superseding = (one for one in rivals if self._settings.rules.supersedes(one, push.record, target))
        return max(superseding, key=lambda one: one.order, default=None)

    def _waits(self, push: Push) -> Reason | None:
        """Why a push must not reach the service now, but may later."""
        waits = self.member.service.waits if self.member.service else None
        return waits or self._settings.rules.holds(push.record, self.member.target)

    def _rejects(self, push: Push) -> Reason | None:
        """Why a push that the service was taken back from must not come again by itself; a new push of it may."""
        bad = self.rejected.get(push.repository)
        if push.origin == "request" or bad is None or bad.digest != push.record.digest:
            return None
        if push.origin == "event" and push.record.pushed_at > bad.pushed_at:
            return None
        text = f"it was rolled back: a new push of {bad.tag}, or a request, deploys it again"
        return Reason("rolled-back-before", text)

    def _is_rejected(self, revision: Revision) -> bool:
        bad = self.rejected
        return any(one in bad and bad[one].digest == record.digest for one, record in revision.records.items())

    def _refresh(self, push: Record) -> None:
        """Record the latest time at which the image that runs already was pushed: nothing older may come after that."""
        running = self.member.running
        record = running.records.get(push.repository)
        if record is None and len(running.tags) < MOST_TAGS:
            self.refreshed.append(push)
        if record and record.digest == push.digest and record.order < push.order:
            # Written by its digest alone, an image has the tag that is recorded.
            by_digest = self._settings.image_reference == "digest"
            self.refreshed.append(push if by_digest else record._replace(pushed_at=push.pushed_at))

    def _find(self, push: Push, outcome: Outcome, reason: Reason | None, *changes: Change) -> None:
        self._found[push].append(Verdict(push, self.member, outcome, reason, changes))

    def _sum_up(self, push: Push, verdicts: Sequence[Verdict]) -> Verdict:
        """One verdict for all containers of the service."""
        if not verdicts:
            return Verdict(push, self.member, Outcome.SKIPPED, self._obstacle or self._why_nothing(push))
        first = min(verdicts, key=lambda verdict: SEVERITY[verdict.outcome])
        return first._replace(changes=tuple(change for verdict in verdicts for change in verdict.changes))

    def _why_nothing(self, push: Push) -> Reason:
        if push.repository in self.base.repositories:
            return admission.ONLY_LATEST
        return Reason("moved", f"{self.base}, the newest revision of its family, runs the repository no longer")


def _rejected(family: Family, target: Target) -> dict[Repository, Record]:
    """The newest push of each repository that the target was rolled back from, as the revisions at hand tell."""
    newest: dict[Repository, Record] = {}
    for revision in family.revisions:
        rollout = rollouts.read(revision.tags, target)
        bad = revision.records if rollout and rollout.state in rollouts.BAD else {}
        for record in (*revision.rejected.values(), *bad.values()):
            if record.repository not in newest or newest[record.repository].pushed_at < record.pushed_at:
                newest[record.repository] = record
    return newest


def _counterpart(revision: Revision, container: Container) -> Container | None:
    """The container of the same name in another revision, if it runs the same repository there."""
    other = revision.container(container.name)
    return other if other and other.repository == container.repository else None


def _by(record: Record) -> Reason:
    return Reason("newer", f"{record.tag} ({record.digest[:19]}) was pushed later")


def _step(group: Sequence[_Decision], family: Family, now: datetime) -> Step:
    decision = group[0]
    started = {
        one.member.target: Rollout(rollouts.State.STARTED, now, one.member.running.number)
        for one in group
        if one.member.service
    }
    bad = {record.repository: record for one in group for record in one.rejected.values()}
    request = revisions.following(
        decision.base,
        decision.images,
        decision.records.values(),
        [record for repository, record in bad.items() if repository not in decision.winners],
        {records.BASE: str(decision.base.number)}
        | {rollouts.key(target): str(rollout) for target, rollout in started.items()},
    )
    winners = [push.record for push in decision.winners.values()]
    revision = family.newest if _is_done(family.newest, request, winners) else None
    return Step(
        members=tuple(one.member for one in group),
        request=request,
        revision=revision,
        tags=_missing_tags(revision, winners, started) if revision else {},
    )


def _missing_tags(revision: Revision, winners: Iterable[Record], started: Mapping[Target, Rollout]) -> dict[str, str]:
    """What a revision that is there already does not tell of the pushes and rollouts to come."""
    newer = [winner for winner in winners if winner.pushed_at > revision.records[winner.repository].pushed_at]
    tags = {records.key(record.repository): str(record) for record in newer}
    for target, rollout in started.items():
        known = rollouts.read(revision.tags, target)
        if known is None or known.state is not rollouts.State.STARTED:
            tags[rollouts.key(target)] = str(rollout)
    return tags


def _is_done(revision: Revision, request: Mapping[str, Any], winners: Collection[Record]) -> bool:
    """Whether the revision is what the request would register, made by the same pushes: a crash left it behind."""
    recorded = (revision.records.get(winner.repository) for winner in winners)
    same_pushes = all(one and one.digest == winner.digest for one, winner in zip(recorded, winners, strict=True))
    return same_pushes and revisions.is_like(revision, request)
