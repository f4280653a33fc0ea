"""Notifications of pushes, by topics of SNS: for mail, and for chats.

One message when a push begins to be rolled out, one when all of its rollouts have ended, one for the first that fails,
and one for whatever waits for a person. A message is written down before it is sent, and crossed out afterwards: it
is sent at least once, and after that only where the crossing out was lost.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from ecr_deploy.aws import sns
from ecr_deploy.aws.table import Known
from ecr_deploy.core import progress
from ecr_deploy.core.errors import EcrDeployError, OvertakenError, Retry
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.messages import Message, Sender
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult
from ecr_deploy.core.progress import Progress
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.rollouts import Rollout, State
from ecr_deploy.core.sentences import DUE, STARTED, Part
from ecr_deploy.core.settings import Settings
from ecr_deploy.follow_ups import FollowUp

if TYPE_CHECKING:
    from ecr_deploy.rollout_watch import RolloutResult

# Enough for all the rollouts of a push that end at the same time.
_MOST_TRIES = 20
# What nobody has sent by then was lost with an invocation.
_LOST_AFTER = timedelta(minutes=5)
# A service that was to be updated, and of which nothing was heard for so long, was lost with its message.
_LONGEST_DUE = timedelta(days=1)
# What waits for a person.
_ASKING = frozenset({"approval", "hook"})

_Change = Callable[[Progress], Progress]
_Rollouts = Mapping[Target, Sequence[Rollout]]


class Notifications(FollowUp):
    """Notifies people of what becomes of pushes."""

    def after_push(self, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings) -> list[PushResult]:
        """Notify of what begins, what failed, and what waits for a person."""
        if not settings.dry_run:
            self._take_in(list(zip(pushes, results, strict=True)), given_up=False)
        return list(results)

    def after_giving_up(self, push: Push, result: PushResult) -> None:
        """Notify of what is retried no more."""
        if not self.environment.settings.dry_run:
            self._take_in([(push, result)], given_up=True)

    def after_rollouts(self, event_id: str, results: Sequence["RolloutResult"], targets: Sequence[Target]) -> None:
        """Notify of the first rollout that failed, and once all have ended."""
        del event_id, targets
        ended: dict[Record, dict[Target, Part]] = {}
        for result in results:
            for record in result.rollout.pushes:
                part = _part_of(result.rollout)._replace(is_requested=result.is_requested)
                ended.setdefault(record, {})[result.target] = part
        now = self.environment.now()
        began = max((result.rollout.started_at for result in results), default=now)
        self._change_all(
            (record, partial(_ended, parts=parts, now=now, began=began)) for record, parts in ended.items()
        )

    def on_waits(self, event_id: str, waits: Sequence[tuple[Target, Record, Reason]]) -> None:
        """Ask for approvals that are awaited now."""
        del event_id
        asked: dict[Record, dict[Target, str]] = {}
        for target, record, reason in waits:
            if reason.kind == "approval":
                asked.setdefault(record, {})[target] = reason.text
        now = self.environment.now()
        self._change_all((record, partial(_asking, texts=texts, now=now)) for record, texts in asked.items())

    def on_schedule(self, event_id: str, members: Sequence[Member], unknown: Sequence[TargetResult]) -> None:
        """Notify of what was lost: ends of which nobody heard, and messages that were never sent."""
        del event_id, members, unknown
        now = self.environment.now()
        known = self.environment.progress.all()
        rollouts = self._rollouts({target for hit in known.values() for target in hit.open_targets})
        self._change_all(
            ((hit.image, partial(_settled, ends=dict(self._ends(hit, rollouts)), now=now)) for hit in known.values()),
            known,
        )

    def _take_in(self, pushes: Iterable[tuple[Push, PushResult]], *, given_up: bool) -> None:
        noteworthy = [(push, result) for push, result in pushes if _may_notify(push, result)]
        known = self._read(push.record for push, _ in noteworthy)
        changes: list[tuple[Record, _Change]] = []
        for push, result in noteworthy:
            begun = {} if progress.key_of(push.record) in known else self._begun(push, result)
            change = partial(
                _after, push=push, result=result, begun=begun, given_up=given_up, now=self.environment.now()
            )
            changes.append((push.record, change))
        self._change_all(changes, known)

    def _begun(self, push: Push, result: PushResult) -> dict[Target, Part]:
        """The rollouts of a push that were begun by an invocation that could not say so."""
        unchanged = [hit.target for hit in result.targets if hit.outcome is Outcome.UNCHANGED and hit.target.cluster]
        return {
            target: _part_of(rollout)
            for target, rollouts in self._rollouts(unchanged).items()
            for rollout in rollouts[:1]
            if rollout.state is State.STARTED and push.record.digest in {record.digest for record in rollout.pushes}
        }

    def _ends(self, known: Progress, rollouts: _Rollouts) -> Iterator[tuple[Target, Part]]:
        """What became of the services that are under way as far as people know."""
        for target in known.open_targets:
            part = known.parts[target]
            if part.state == DUE and self.environment.now() - known.since > _LONGEST_DUE:
                yield target, Part("failed", reason="it was not updated within a day")
            if part.state == DUE or target not in rollouts:
                continue
            found = _find(known, part, rollouts[target]) or _find(known, part, self.environment.table.history(target))
            if found is None or found.state is not State.STARTED:
                yield target, _part_of(found) if found else part._replace(state=str(State.SUPERSEDED))

    def _rollouts(self, targets: Iterable[Target]) -> _Rollouts:
        """What the table remembers of services, but of those that it can't say."""
        targets = list(targets)
        found = self.environment.table.read(targets) if targets else {}
        return {target: known.memory.rollouts for target, known in found.items() if isinstance(known, Known)}

    def _read(self, records: Iterable[Record]) -> dict[str, Progress]:
        keys = list(map(progress.key_of, records))
        return self.environment.progress.read(keys) if keys else {}

    def _change_all(
        self, changes: Iterable[tuple[Record, _Change]], known: Mapping[str, Progress] | None = None
    ) -> None:
        """Change what is known of pushes, each whatever becomes of the others."""
        changes = list(changes)
        if known is None:
            known = self._read(record for record, _ in changes)
        grouped: dict[str, tuple[Record, list[_Change]]] = {}
        for record, change in changes:
            grouped.setdefault(progress.key_of(record), (record, []))[1].append(change)
        problems = []
        for key, (record, all_changes) in grouped.items():
            try:
                self._change(record, known.get(key), partial(_run, changes=all_changes))
            except EcrDeployError as error:
                problems.append(error)
        if problems:
            raise problems[0]

    def _change(self, record: Record, known: Progress | None, change: _Change) -> None:
        """Change what is known of a push, and send the messages that follow from it."""
        for _ in range(_MOST_TRIES):
            before = known or Progress(record)
            after = change(before)
            if after == before:
                return
            try:
                written = self.environment.progress.write(after, self.environment.now())
            except OvertakenError as error:
                overtaken = error
                known = self._read([record]).get(before.key)
                continue
            self._send(written, [message for at, message in after.unsent if (at, message) not in before.unsent])
            return
        raise overtaken

    def _send(self, known: Progress, messages: Iterable[Message]) -> None:
        """Send messages, and cross out what was sent."""
        sent: list[Message] = []
        problem = None
        for message in messages:
            try:
                self._publish(message)
                sent.append(message)
            except EcrDeployError as error:
                problem = error
        for _ in range(_MOST_TRIES if sent else 0):
            try:
                self.environment.progress.write(known.sent(sent), self.environment.now())
                break
            except OvertakenError:
                known = self._read([known.image]).get(known.key, known)
        if problem:
            raise problem

    def _publish(self, message: Message) -> None:
        environment, settings = self.environment, self.environment.settings
        name = environment.function_name
        log_group = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", f"/aws/lambda/{name}")
        sender = Sender(name, log_group, settings.account_id, environment.region)
        for topic in settings.topics:
            api = environment.sns(sns.region_of(topic))
            sns.publish(api, topic, message.mail(sender), message.subject())
        for topic in settings.chat_topics:
            sns.publish(environment.sns(sns.region_of(topic)), topic, message.chat(sender))


def _after(  # noqa: PLR0913 - all that it depends on
    known: Progress, *, push: Push, result: PushResult, begun: Mapping[Target, Part], given_up: bool, now: datetime
) -> Progress:
    """What is known of a push after its result, with the messages that follow from it."""
    services = [hit for hit in result.targets if hit.target.cluster]
    news = {hit.target: part for hit in services if (part := _part(hit, known, given_up=given_up))}
    parts = {**begun, **news}
    is_under_way = known.open_targets or any(part.state == STARTED for part in parts.values())
    if not is_under_way:
        # Nothing was begun: it is tried again.
        parts = {target: part for target, part in parts.items() if part.state != DUE}
    after = known.begun(parts, _why(push), now)
    after = after.without(hit.target for hit in services if hit.target not in parts).notifying(known, now)
    after = after.answered(target for target, part in parts.items() if part.state == STARTED)
    for kind in _ASKING:
        waits = (hit for hit in services if hit.outcome is Outcome.WAITING)
        texts = {hit.target: str(hit.reason) for hit in waits if hit.reason and hit.reason.kind == kind}
        after = after.asking(kind, texts, _why(push), now)
    rejected = {hit.target: Part("rejected") for hit in services if hit.reason and hit.reason.kind == "rejected"}
    if push.answer == "reject" and rejected:
        after = after.answered(rejected).saying("rejected", rejected, f"by {push.by or 'somebody'}", now)
    if push.answer and any(hit.reason and hit.reason.kind == "hook" for hit in services):
        # The deployment was paused: its end says who let it go on, or rolled it back.
        after = after._replace(why=_why(push))
    is_explained = any(hit.outcome is Outcome.FAILED for hit in result.targets)
    if result.outcome is Outcome.FAILED and not is_explained and (given_up or result.retry is Retry.NEVER):
        after = after.saying("failed", {}, str(result.reason), now)
    return after


def _part(result: TargetResult, known: Progress, *, given_up: bool) -> Part | None:
    """What a result means for a service, if the push goes on there or failed."""
    if result.outcome is Outcome.DEPLOYED:
        return Part(STARTED, result.deployment)
    if result.outcome is Outcome.UNCHANGED and result.target in known.open_targets:
        # It was updated although nobody could say so.
        return known.parts[result.target]._replace(state=STARTED)
    if result.outcome is not Outcome.FAILED:
        return None
    return Part("failed", reason=str(result.reason)) if given_up or result.retry is Retry.NEVER else Part(DUE)


def _may_notify(push: Push, result: PushResult) -> bool:
    """Whether a push may give a message: most of what is pushed reaches nothing."""
    outcomes = {result.outcome, *(hit.outcome for hit in result.targets)}
    asks = any(hit.reason and hit.reason.kind in _ASKING for hit in result.targets)
    acts = not outcomes.isdisjoint({Outcome.DEPLOYED, Outcome.FAILED, Outcome.UNCHANGED})
    return acts or asks or push.answer is not None or push.targets is not None


def _why(push: Push) -> str | None:
    """Who or what asked for what is done."""
    if push.answer:
        return f"{'approved' if push.answer == 'approve' else 'rejected'} by {push.by or 'somebody'}"
    if push.origin == "request":
        return f"requested by {push.by}" if push.by else "on request"
    return "found by a scheduled run" if push.origin == "reconciliation" else None


def _ended(known: Progress, *, parts: Mapping[Target, Part], now: datetime, began: datetime) -> Progress:
    return known.ended(parts, now).notifying(known, now, began)


def _asking(known: Progress, *, texts: Mapping[Target, str], now: datetime) -> Progress:
    return known.asking("approval", texts, None, now)


def _settled(known: Progress, *, ends: Mapping[Target, Part], now: datetime) -> Progress:
    """What is known of a push with the ends of which nobody heard, and with messages that are to be sent again."""
    again = tuple((now, message) if now - at > _LOST_AFTER else (at, message) for at, message in known.unsent)
    after = known._replace(unsent=again)
    if known.is_over:
        return after
    ended = after.ended(ends, now).notifying(known, now)
    is_late = not ended.is_over and (not ended.open_targets or ended.is_old(now))
    return ended.closed(now) if is_late else ended


def _find(known: Progress, part: Part, rollouts: Iterable[Rollout]) -> Rollout | None:
    """The rollout of a push that is meant."""
    for rollout in rollouts:
        is_ours = known.image.digest in {record.digest for record in rollout.pushes}
        if is_ours and part.deployment in {None, rollout.id}:
            return rollout
    return None


def _part_of(rollout: Rollout) -> Part:
    return Part(str(rollout.state), rollout.id or None, rollout.reason)


def _run(known: Progress, *, changes: Iterable[_Change]) -> Progress:
    for change in changes:
        known = change(known)
    return known
