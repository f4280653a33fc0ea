"""Progress: how far the deployments of one image have come, and what was notified of it.

A round begins with the first deployment and is over once all have ended. Whatever comes, in any order and however
often: of a round each kind of message is made once.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from ecr_deploy.core import rollouts
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.messages import Message
from ecr_deploy.core.records import LONG_AGO, Record, format_time, parse_time
from ecr_deploy.core.sentences import DUE, STARTED, Part

BAD = frozenset({"failed", "rolled-back"})

# A rollout that ends this soon may have ended before anybody could say that it began.
_SOON = timedelta(minutes=2)
# A round of whose end nothing was heard for so long is over; at a hook of ECS a deployment may be paused for 14 days.
_LONGEST = timedelta(days=15)
# What was asked for is asked again afterwards; a round that is over only has to outlast late news of it.
_KEPT = timedelta(days=30)
_KEPT_OVER = timedelta(days=2)
# Of what a reason says, kept for each service: an item of the table holds 400 KiB.
_LONGEST_REASON = 1500


class Progress(NamedTuple):
    """How far the deployments of an image have come in their round.

    `has_begun` and `is_over` say whether that was notified, `has_failed` whether a failure was. `asked` names what
    somebody was asked for. `unsent` are messages that may not have been sent, each with when it was due. `why` is who
    or what asked for the round. `version` is 0 for what the table does not hold.
    """

    image: Record
    parts: Mapping[Target, Part] = MappingProxyType({})
    since: datetime = LONG_AGO
    why: str | None = None
    has_begun: bool = False
    is_over: bool = False
    has_failed: bool = False
    asked: tuple[tuple[Target, str], ...] = ()
    unsent: tuple[tuple[datetime, Message], ...] = ()
    version: int = 0

    @property
    def key(self) -> str:
        """What identifies the push, under whichever tag."""
        return key_of(self.image)

    @property
    def open_targets(self) -> list[Target]:
        """The services whose deployments are under way."""
        return [] if self.is_over else [target for target, part in self.parts.items() if part.is_open]

    @property
    def kept(self) -> timedelta:
        """For how long it matters from now on."""
        return _KEPT_OVER if self.is_over and not self.asked else _KEPT

    def is_old(self, now: datetime) -> bool:
        """Whether nothing was heard of its end for so long that it is over."""
        return now - self.since > _LONGEST

    def sent(self, messages: Iterable[Message]) -> "Progress":
        """The same once messages were sent."""
        done = tuple(messages)
        return self._replace(unsent=tuple(entry for entry in self.unsent if entry[1] not in done))

    def begun(self, parts: Mapping[Target, Part], why: str | None, now: datetime) -> "Progress":
        """The same with what became of services of a push; one whose end is known already keeps it."""
        known = self.parts
        news = {
            target: part
            for target, part in parts.items()
            if not (target in known and part.deployment and part.deployment == known[target].deployment)
        }
        if not news:
            return self
        fresh = self._fresh(now)
        return fresh._replace(parts={**fresh.parts, **news}, why=fresh.why or why)

    def without(self, targets: Iterable[Target]) -> "Progress":
        """The same without services that were due, and get the image no more."""
        gone = {target for target in targets if target in self.open_targets and self.parts[target].state == DUE}
        return self._replace(parts={target: part for target, part in self.parts.items() if target not in gone})

    def ended(self, parts: Mapping[Target, Part], now: datetime) -> "Progress":
        """The same with how rollouts ended."""
        known = {(target, part.state, part.deployment) for target, part in self.parts.items()}
        news = {target: part for target, part in parts.items() if (target, part.state, part.deployment) not in known}
        if not news:
            return self
        fresh = self._fresh(now)
        return fresh._replace(parts={**fresh.parts, **news})

    def _fresh(self, now: datetime) -> "Progress":
        """The round that goes on, or a new one."""
        if not self.is_over and not self.is_old(now):
            return self
        return Progress(self.image, since=now, asked=self.asked, unsent=self.unsent, version=self.version)

    def notifying(self, before: "Progress", now: datetime, began_at: datetime | None = None) -> "Progress":
        """The same with the messages that are due since it was as `before`.

        `began_at` is when the newest of the rollouts began that have ended.
        """
        if self.parts == before.parts:
            return self
        news = {target: part for target, part in self.parts.items() if before.parts.get(target) != part}
        failures = [target for target, part in news.items() if part.state in BAD and not part.is_requested]
        requested = [target for target, part in news.items() if part.is_requested]
        if not any(part.is_open for part in self.parts.values()):
            is_early = before.version == 0 and began_at is not None and now - began_at < _SOON
            return self if is_early else self.closed(now)
        if not self.has_begun and any(part.state == STARTED for part in self.parts.values()):
            failed = self.has_failed or bool(failures)
            return self.announcing("started", now)._replace(has_begun=True, has_failed=failed)
        if requested:
            return self.announcing("rolled-back", now, requested)
        if failures and not self.has_failed:
            return self.announcing("failed", now, failures)._replace(has_failed=True)
        return self

    def closed(self, now: datetime) -> "Progress":
        """The same once its deployments have ended, or nobody knows of the others, with the message that says so."""
        ended = self._replace(parts={target: part for target, part in self.parts.items() if not part.is_open})
        return (ended.announcing("ended", now) if ended.parts else ended)._replace(is_over=True)

    def asking(self, kind: str, waits: Mapping[Target, str], by: str | None, now: datetime) -> "Progress":
        """The same once people are asked for what services wait for, each with why; each is asked for once."""
        # A deployment may be paused at one hook after the other, which the text names.
        questions = {target: f"{kind}: {text}" if kind == "hook" else kind for target, text in waits.items()}
        new = {target: question for target, question in questions.items() if (target, question) not in self.asked}
        if not new:
            return self
        parts = {target: Part("waiting", reason=waits[target]) for target in new}
        return self._with(Message.of(kind, self.image, parts, by), now)._replace(asked=(*self.asked, *new.items()))

    def answered(self, targets: Iterable[Target]) -> "Progress":
        """The same once services wait no more: should they wait again, people are asked again."""
        done = set(targets)
        return self._replace(asked=tuple(entry for entry in self.asked if entry[0] not in done))

    def saying(self, kind: str, parts: Mapping[Target, Part], why: str | None, now: datetime) -> "Progress":
        """The same with a message that is no part of a round."""
        return self._with(Message.of(kind, self.image, parts, why), now)

    def announcing(self, kind: str, now: datetime, targets: Iterable[Target] = ()) -> "Progress":
        """The same with a message about some services of the round, or about all."""
        parts = {target: self.parts[target] for target in targets} or self.parts
        still_open = sum(part.is_open for part in self.parts.values())
        return self._with(Message.of(kind, self.image, parts, self.why, len(self.parts), still_open), now)

    def _with(self, message: Message, now: datetime) -> "Progress":
        return self._replace(unsent=(*self.unsent, (now, message)))


def key_of(image: Record) -> str:
    """What identifies a push in the table, under whichever of its tags."""
    return f"{rollouts.repository_key(image.repository)}@{image.digest}"


def to_json(progress: Progress) -> dict[str, Any]:
    """Give it as the table holds it."""
    return {
        "image": rollouts.record_to_json(progress.image),
        "parts": [
            [target.cluster, target.name, part.state, part.deployment, _cut(part.reason), part.is_requested]
            for target, part in progress.parts.items()
        ],
        "since": format_time(progress.since),
        "why": progress.why,
        "flags": [progress.has_begun, progress.is_over, progress.has_failed],
        "asked": [[target.cluster, target.name, text] for target, text in progress.asked],
        "unsent": [[format_time(at), message.to_json()] for at, message in progress.unsent],
    }


def from_json(written: Mapping[str, Any], version: int) -> Progress:
    """Read what `to_json` gave.

    Raises:
        KeyError, ValueError, TypeError: it is not that.

    """
    has_begun, is_over, has_failed = written["flags"]
    return Progress(
        image=rollouts.record_from_json(written["image"]),
        parts={
            Target(cluster, name): Part(state, deployment, reason, requested)
            for cluster, name, state, deployment, reason, requested in written["parts"]
        },
        since=parse_time(written["since"]),
        why=written["why"],
        has_begun=has_begun,
        is_over=is_over,
        has_failed=has_failed,
        asked=tuple((Target(cluster, name), text) for cluster, name, text in written["asked"]),
        unsent=tuple((parse_time(at), Message.from_json(message)) for at, message in written["unsent"]),
        version=version,
    )


def _cut(reason: str | None) -> str | None:
    return reason[:_LONGEST_REASON] if reason else reason
