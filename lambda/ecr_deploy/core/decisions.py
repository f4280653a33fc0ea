"""Decisions: what one target is to run, of all that was pushed to it and what it runs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from ecr_deploy.core import admission, desires, images, memory, pushes, revisions, rollouts
from ecr_deploy.core.admission import Arrival
from ecr_deploy.core.desires import Desire, Standing
from ecr_deploy.core.fleet import DAEMONS, EXPRESS_MODE, Member, Target
from ecr_deploy.core.gates import OVER, Approval, Facts
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Image, Memory, Start
from ecr_deploy.core.outcomes import SEVERITY, Change, Outcome, Reason
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Container, Revision
from ecr_deploy.core.rules import Order, Place, Rules
from ecr_deploy.core.settings import Settings


class Verdict(NamedTuple):
    """What a push means for a target; `deployed` only once the step that it belongs to is done.

    `gates` are those that it has to pass there, in a dry run.
    """

    push: Push
    member: Member
    outcome: Outcome
    reason: Reason | None = None
    changes: tuple[Change, ...] = ()
    gates: Mapping[str, Reason | None] = MappingProxyType({})


def allowed(known: Memory, repository: Repository, rules: Rules, target: Target, container: str) -> Desire:
    """What is known of the pushes that rules allow to go to a container."""
    desire = known.desires.get(repository, Desire())
    return desires.narrowed(desire, repository, lambda record: rules.allows(record, target, container))


def passed(desire: Desire, repository: Repository, rules: Rules, target: Target, container: str) -> Desire:
    """Of allowed pushes, those that need not wait: what waits gives no image a place yet, also where that runs."""
    return desires.narrowed(
        desire, repository, lambda record: rules.holds(record, target, container, desire.approvals) is None
    )


def running_place(image: Image, repository: Repository, desire: Desire, order: Order) -> Place:
    """The place of what a container runs among the pushes to its repository: the greatest that its image has."""
    return place_of_image(Record(repository, image.tag or "", image.digest or "", image.pushed_at), desire, order)


def place_of_image(record: Record, desire: Desire, order: Order) -> Place:
    """The greatest place that an image has, under whichever of its tags."""
    same = (
        desires.place_of(Record(record.repository, *name, times.pushed_at), desire, order)
        for name, times in desire.pushes.items()
        if name.digest == record.digest
    )
    place = desires.place_of(record, desire, order)
    return max(place, max(same, default=place))


class Decision:
    """What one target is to run: the images of the revision to come, and the pushes that changed them."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that a decision depends on
        self,
        member: Member,
        base: Revision,
        pushes: Sequence[Push],
        known: Memory,
        settings: Settings,
        waits: Reason | None,
    ) -> None:
        self.member = member
        self.base = base
        self._settings = settings
        self._waits = waits
        self._found: dict[Push, list[Verdict]] = {
            push: []
            for push in pushes
            if push.repository in {*member.running.repositories, *revisions.moved(member.running, base)}
            and (push.targets is None or member.target in push.targets)
        }
        self._rejections = {
            push: reason for push in self._found if (reason := admission.to_target(push.record, member, settings))
        }
        self.images: dict[str, str] = {}
        self.winners: dict[str, Standing] = {}
        self._expired: set[tuple[Repository, desires.Name]] = set()
        self._memory = known
        reaching = [push for push in self._found if push not in self._rejections]
        if reaching:
            self._memory = _heard(known, reaching, settings.rules.facts)
            for container in base.containers:
                self._decide(container, reaching)

    @cached_property
    def request(self) -> dict[str, Any]:
        """What registers the revision to come."""
        return revisions.following(self.base, self.images)

    @cached_property
    def force(self) -> bool:
        """Whether the revision that runs is what is to run, and only its tag stands for another image now."""
        service, running = self.member.service, self.member.running
        # What is in Express Mode, or a daemon, takes no forced deployment: it gets a copy of the revision.
        can_be_forced = service is not None and service.controller not in {EXPRESS_MODE, DAEMONS}
        return can_be_forced and running.is_active and revisions.is_like(running, self.request)

    @property
    def same(self) -> str:
        """What is equal for all targets that one revision can serve."""
        return self.member.running.arn if self.force else json.dumps(self.request, sort_keys=True)

    @property
    def verdicts(self) -> list[Verdict]:
        """One verdict for each push that concerns the target."""
        return [self._sum_up(push, found) for push, found in self._found.items()]

    @property
    def remembered(self) -> Memory:
        """What to remember of the target before anything is done."""
        orders = {
            repository: self._settings.rules.order(repository, self.member.target)
            for repository in self._memory.desires
        }
        known = memory.compact(self._memory, self.member, orders)
        for repository, name in self._expired:
            # What nobody approved, or scanned, in time is reported once.
            known = known.without_push(repository, name)
        if not self.winners:
            return known
        service = self.member.service
        primary = rollouts.primary_of(service.deployments) if service else None
        won = {standing.record.digest for standing in self.winners.values()}
        return known._replace(
            start=Start(
                at=self._settings.rules.facts.now,
                revision=self.member.running.arn,
                base=self.base.arn,
                deployment=primary.id if primary else None,
                images={
                    name: Image(
                        self.images[name], standing.record.tag, standing.record.digest, standing.record.pushed_at
                    )
                    for name, standing in self.winners.items()
                },
                pushes=tuple(dict.fromkeys(standing.record for standing in self.winners.values())),
                by=next((push.by for push in self._found if push.by), None),
                trigger=pushes.trigger_of(push for push in self._found if push.record.digest in won),
            )
        )

    def _decide(self, container: Container, reaching: Iterable[Push]) -> None:
        """Choose the image of one container: that of a push, or the one that the target runs, or that of the base."""
        repository = container.repository
        if repository is None:
            return
        covered = self._settings.rules.covers(repository, self.member.target)
        own = _counterpart(self.member.running, container) if covered else None
        kept = own or container
        self.images[container.name] = kept.image
        pushes = [push for push in reaching if push.repository == repository]
        if not pushes:
            return
        running = memory.image_of(kept, self._memory)
        rules, target = self._settings.rules, self.member.target
        order = rules.order(repository, target)
        all_allowed = allowed(self._memory, repository, rules, target, container.name)
        all_passed = passed(all_allowed, repository, rules, target, container.name)
        current = running_place(running, repository, all_passed, order)
        ranked = desires.standings(all_passed, repository, order)
        waiting = desires.standings(all_allowed, repository, order)
        winner = None if self._waits else self._winner(kept, running, current, ranked)
        if winner:
            self.images[container.name] = self._written(kept, winner.record)
            self.winners[container.name] = winner
        for push in pushes:
            if not rules.allows(push.record, target, container.name):
                continue
            held = rules.holds(push.record, target, container.name, all_allowed.approvals)
            image = None if held else _of_image(ranked, push.record)
            if image is None:
                # Held, or it was pushed again meanwhile, and that push is.
                image = _of_image(waiting, push.record)
                if image is None:
                    # It waited, and expired meanwhile.
                    continue
                held = held or rules.holds(image.record, target, container.name, all_allowed.approvals)
            leaves_latest = self._leaves_latest(kept, running, image.record)
            if held and held.kind in OVER:
                self._expired.add((repository, desires.Name(push.record.tag, push.record.digest)))
            hold = self._waits or held
            arrival = Arrival(push.record, running, current, image, winner, leaves_latest, hold)
            decision = admission.to_container(arrival)
            outcome, reason = decision or (Outcome.DEPLOYED, None)
            changes = () if decision else (self._change(container, own, winner or image),)
            gates = self._gates(image.record, container.name, all_allowed.approvals)
            self._found[push].append(Verdict(push, self.member, outcome, reason, changes, gates))
        if winner and not any(winner.record[:3] == push.record[:3] for push in pushes):
            # It had to wait, and comes with this news.
            late = Push(winner.record, "", "memory", targets=frozenset({self.member.target}))
            verdict = Verdict(late, self.member, Outcome.DEPLOYED, None, (self._change(container, own, winner),))
            self._found.setdefault(late, []).append(verdict)

    def _gates(self, push: Record, container: str, approvals: Mapping[str, Approval]) -> Mapping[str, Reason | None]:
        """The gates that a push has to pass, where somebody wants to see them."""
        rules, target = self._settings.rules, self.member.target
        return rules.gates(push, target, container, approvals) if self._settings.dry_run else {}

    def _winner(self, kept: Container, running: Image, current: Place, ranked: Sequence[Standing]) -> Standing | None:
        """The greatest image that may run now, if it is not what runs."""
        for standing in ranked:
            leaves_latest = self._leaves_latest(kept, running, standing.record)
            if standing.place <= current and not leaves_latest:
                return None
            if standing.is_superseded or standing.rejection or not admission.follows(standing.record.tag, running.tag):
                continue
            return None if standing.record.digest == running.digest and not leaves_latest else standing
        return None

    def _leaves_latest(self, kept: Container, running: Image, record: Record) -> bool:
        """Whether the image takes the container off `latest`, also where it is the same one.

        Else the end would depend on which of the two tags came first.
        """
        leaves = running.tag == "latest" != record.tag and running.digest == record.digest
        return leaves and self._written(kept, record) != kept.image

    def _written(self, kept: Container, record: Record) -> str:
        reference = images.parse(kept.image)
        return str(reference.pointing_to(record.tag, record.digest, self._settings.image_reference))

    def _change(self, container: Container, own: Container | None, winner: Standing) -> Change:
        before, after = (own or container).image, self.images[container.name]
        if before == after:
            # The tag was moved: only the digests differ.
            known = memory.image_of(own or container, self._memory).digest
            before, after = f"{before}@{known}" if known else before, f"{after}@{winner.record.digest}"
        return Change(container.name, before, after)

    def _sum_up(self, push: Push, verdicts: Sequence[Verdict]) -> Verdict:
        """One verdict for all containers of the target, with every container whose image changes."""
        if not verdicts:
            decision = admission.to_no_container(push.record, self.base, self._rejections.get(push))
            return Verdict(push, self.member, *decision)
        first = min(verdicts, key=lambda verdict: SEVERITY[verdict.outcome])
        closed = {name: hold for verdict in verdicts for name, hold in verdict.gates.items() if hold}
        gates = {name: closed.get(name) for verdict in verdicts for name in verdict.gates}
        changes = {change.container: change for verdict in verdicts for change in verdict.changes}
        if first.outcome is Outcome.DEPLOYED:
            changes |= {change.container: change for change in self._others() if change.container not in changes}
        return first._replace(changes=tuple(changes.values()), gates=gates)

    def _others(self) -> Iterable[Change]:
        """The containers whose images change because the base has other ones, as Terraform wrote them."""
        for container in self.base.containers:
            own = self.member.running.container(container.name)
            after = self.images.get(container.name, container.image)
            if own and own.image != after and container.name not in self.winners:
                yield Change(container.name, own.image, after)


def _of_image(standings: Iterable[Standing], push: Record) -> Standing | None:
    """The standing of what was pushed, under whichever tag."""
    return next((standing for standing in standings if standing.record.digest == push.digest), None)


def _heard(known: Memory, pushes: Iterable[Push], facts: Facts) -> Memory:
    """The memory once it knows of the pushes."""
    now = facts.now
    for push in pushes:
        if push.origin != "memory":
            asked_at = now if push.origin == "request" and not push.answer else None
            known = known.with_desire(push.repository, desires.of_push(push.record, asked_at, force=push.force))
        if push.answer == "reject":
            rejected = desires.rejecting(known.desires[push.repository], push.record, now, push.by or "somebody")
            known = known.with_desire(push.repository, rejected)
        if push.answer == "approve":
            approval = desires.of_approval(push.record, Approval(now, push.by or "somebody"))
            known = known.with_desire(push.repository, approval)
        needed = facts.brakes.get((push.repository, push.record.digest))
        if needed and push.record.digest not in known.desires.get(push.repository, Desire()).approvals:
            approval = desires.of_approval(push.record, Approval(now, "", needed))
            known = known.with_desire(push.repository, approval)
    return known


def _counterpart(revision: Revision, container: Container) -> Container | None:
    """The container of the same name in another revision, if it runs the same repository there."""
    other = revision.container(container.name)
    return other if other and other.repository == container.repository else None
