"""Desires: what a target is to run, as a join of all that was heard of one repository.

Whatever the order in which news comes, however often, in whatever batches, `merge` gives the same desire. What follows
from it - the greatest push, what it supersedes, what was rolled back - is worked out when it is asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from ecr_deploy.core.gates import Approval
from ecr_deploy.core.images import Repository
from ecr_deploy.core.records import LONG_AGO, Record, format_time, parse_time
from ecr_deploy.core.rules import Order, Place

# Of the pushes to one repository that may still matter to one target, and of those that were rolled back from it.
MOST_PUSHES = 30
MOST_REJECTIONS = 50

# The ranks of a place: before the floor, the floor itself, and all that came after it.
_BELOW, _FLOOR, _ABOVE = range(3)

_Key = TypeVar("_Key")


class Name(NamedTuple):
    """One tag of one image."""

    tag: str
    digest: str


class Times(NamedTuple):
    """When a tag was pushed, which gives the push its place, and when a push or a request last asked for it.

    `asked_at` is LONG_AGO for a further tag of what runs, of which only ECR knows: nobody asked to deploy it.
    """

    pushed_at: datetime
    asked_at: datetime


class Floor(NamedTuple):
    """A forced request: pushes made until then are superseded by its image, whatever their version."""

    at: datetime
    tag: str
    digest: str


class Rejection(NamedTuple):
    """An image that was rolled back, or taken away by somebody: it stays out until it is pushed or asked for again.

    `by` is who rejected it before it was deployed, if somebody did.
    """

    at: datetime
    tag: str
    by: str = ""


class Desire(NamedTuple):
    """What is known of the pushes of one repository to one target.

    `since` is when the target was first seen: only what was pushed later can have been missed. `approvals` are by
    digest.
    """

    pushes: Mapping[Name, Times] = MappingProxyType({})
    floor: Floor | None = None
    rejections: Mapping[str, Rejection] = MappingProxyType({})
    since: datetime = LONG_AGO
    approvals: Mapping[str, Approval] = MappingProxyType({})


class Standing(NamedTuple):
    """An image among those that a target may be to run: under its greatest tag, with its place.

    `rejection` is set while it must not come again by itself.
    """

    record: Record
    place: Place
    rejection: Rejection | None

    @property
    def is_superseded(self) -> bool:
        """Whether a forced request put it out."""
        return bool(self.place[0] == _BELOW)


def of_push(record: Record, asked_at: datetime | None = None, *, force: bool = False) -> Desire:
    """The desire that one push gives; `asked_at` is when it was requested, if it was."""
    if force:
        return Desire(floor=Floor(asked_at or record.pushed_at, record.tag, record.digest))
    times = Times(record.pushed_at, max(record.pushed_at, asked_at or record.pushed_at))
    return Desire({Name(record.tag, record.digest): times})


def of_approval(record: Record, approval: Approval) -> Desire:
    """The desire that an approval gives."""
    return Desire(approvals={record.digest: approval})


def without(desire: Desire, name: Name) -> Desire:
    """The desire without one push."""
    return desire._replace(pushes={other: times for other, times in desire.pushes.items() if other != name})


def of_tag(record: Record) -> Desire:
    """The desire that a tag of what runs gives: a place, and nothing to deploy."""
    return Desire({Name(record.tag, record.digest): Times(record.pushed_at, LONG_AGO)})


def rejecting(desire: Desire, record: Record, at: datetime, by: str = "") -> Desire:
    """The desire once an image was rolled back or rejected: whatever asked for it until then asks no more."""
    asked = [times.asked_at for name, times in desire.pushes.items() if name.digest == record.digest]
    if desire.floor and desire.floor.digest == record.digest:
        asked.append(desire.floor.at)
    rejection = Rejection(max(at, record.pushed_at, *asked), record.tag, by)
    return merge(desire, Desire(rejections={record.digest: rejection}))


def merge(first: Desire, second: Desire) -> Desire:
    """Join what two desires know: associative, commutative and idempotent."""
    return Desire(
        pushes=_join(first.pushes, second.pushes, _latest),
        floor=max(filter(None, (first.floor, second.floor)), default=None),
        rejections=_join(first.rejections, second.rejections, max),
        since=max(first.since, second.since),
        approvals=_join(first.approvals, second.approvals, max),
    )


def narrowed(desire: Desire, repository: Repository, counts: Callable[[Record], bool]) -> Desire:
    """The desire as if there were only the pushes, and the forced request, that count."""
    floor = desire.floor
    return desire._replace(
        pushes={
            name: times for name, times in desire.pushes.items() if counts(Record(repository, *name, times.pushed_at))
        },
        floor=floor if floor and counts(Record(repository, floor.tag, floor.digest, floor.at)) else None,
    )


def standings(desire: Desire, repository: Repository, order: Order) -> list[Standing]:
    """All images of a desire that somebody asked for, the greatest first."""
    return sorted(_standings(desire, repository, order), key=lambda standing: standing.place, reverse=True)


def place_of(record: Record, desire: Desire, order: Order) -> Place:
    """The place of a push among those of a desire."""
    floor = desire.floor
    if floor is None or record.pushed_at > floor.at:
        return (_ABOVE, *order(record))
    # A forced image is the lowest of all that may still come.
    return (_FLOOR,) if record.digest == floor.digest else (_BELOW, *order(record))


def compact(desire: Desire, repository: Repository, current: Record | None, order: Order) -> Desire:
    """Drop the pushes that can't matter any more: those below the `current` one that were not pushed after it.

    With no current one, only what is more than can be kept.
    """
    kept: list[tuple[Place, Name]] = []
    for name, times in desire.pushes.items():
        place = place_of(Record(repository, *name, times.pushed_at), desire, order)
        if (
            current is None
            or place >= place_of(current, desire, order)
            or times.pushed_at > current.pushed_at
            or name.digest == current.digest
        ):
            kept.append((place, name))
    kept = sorted(kept, reverse=True)[:MOST_PUSHES]
    rejections = sorted(desire.rejections.items(), key=lambda item: item[1], reverse=True)[:MOST_REJECTIONS]
    digests = {name.digest for _, name in kept}
    return desire._replace(
        pushes={name: desire.pushes[name] for _, name in kept},
        rejections=dict(rejections),
        approvals={digest: approval for digest, approval in desire.approvals.items() if digest in digests},
    )


def to_json(desire: Desire) -> dict[str, Any]:
    """Give a desire as the table holds it."""
    written: dict[str, Any] = {
        "pushes": [
            {"tag": name.tag, "digest": name.digest, "pushed_at": format_time(times.pushed_at)}
            | ({"asked_at": format_time(times.asked_at)} if times.asked_at != times.pushed_at else {})
            for name, times in desire.pushes.items()
        ],
        "since": format_time(desire.since),
    }
    if desire.floor:
        written["forced"] = {**desire.floor._asdict(), "at": format_time(desire.floor.at)}
    if desire.rejections:
        written["rejected"] = {
            digest: {"tag": rejection.tag, "at": format_time(rejection.at), "by": rejection.by}
            for digest, rejection in desire.rejections.items()
        }
    if desire.approvals:
        written["approved"] = {
            digest: {"at": format_time(approval.at), "by": approval.by}
            | ({"needed": approval.needed} if approval.needed else {})
            for digest, approval in desire.approvals.items()
        }
    return written


def from_json(written: Mapping[str, Any]) -> Desire:
    """Read what `to_json` gave.

    Raises:
        KeyError, ValueError, TypeError: it is not that.

    """
    floor = written.get("forced")
    return Desire(
        pushes={
            Name(push["tag"], push["digest"]): Times(
                parse_time(push["pushed_at"]), parse_time(push.get("asked_at", push["pushed_at"]))
            )
            for push in written["pushes"]
        },
        floor=Floor(parse_time(floor["at"]), floor["tag"], floor["digest"]) if floor else None,
        rejections={
            digest: Rejection(parse_time(rejection["at"]), rejection["tag"], rejection["by"])
            for digest, rejection in written.get("rejected", {}).items()
        },
        since=parse_time(written["since"]),
        approvals={
            digest: Approval(parse_time(approval["at"]), approval["by"], approval.get("needed", ""))
            for digest, approval in written.get("approved", {}).items()
        },
    )


def _standings(desire: Desire, repository: Repository, order: Order) -> Iterator[Standing]:
    greatest: dict[str, tuple[Place, Record]] = {}
    asked: dict[str, datetime] = {}
    for name, times in desire.pushes.items():
        if times.asked_at == LONG_AGO:
            continue
        record = Record(repository, *name, times.pushed_at)
        found = (place_of(record, desire, order), record)
        if name.digest not in greatest or found > greatest[name.digest]:
            greatest[name.digest] = found
        asked[name.digest] = max(times.asked_at, asked.get(name.digest, LONG_AGO))
    if floor := desire.floor:
        found = ((_FLOOR,), Record(repository, floor.tag, floor.digest, floor.at))
        if floor.digest not in greatest or greatest[floor.digest][0] <= found[0]:
            greatest[floor.digest] = found
        asked[floor.digest] = max(floor.at, asked.get(floor.digest, LONG_AGO))
    for digest, (place, record) in greatest.items():
        rejection = desire.rejections.get(digest)
        yield Standing(record, place, rejection if rejection and rejection.at >= asked[digest] else None)


def _latest(first: Times, second: Times) -> Times:
    return Times(max(first.pushed_at, second.pushed_at), max(first.asked_at, second.asked_at))


def _join(known: Mapping[_Key, Any], other: Mapping[_Key, Any], join: Any) -> dict[_Key, Any]:
    joined = dict(known)
    for key, value in other.items():
        joined[key] = join(joined[key], value) if key in joined else value
    return joined
