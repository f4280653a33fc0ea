"""Sentences: what became of services, in words."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ecr_deploy.core.fleet import Target

DUE, STARTED = "due", "started"
"""What is under way: a service that the function has yet to update, or that ECS rolls out to."""

MOST_NAMED = 3
MOST_LISTED = 20
_WORDS = {
    "live": "live on",
    "rolled-back": "rolled back on",
    "failed": "failed on",
    "superseded": "superseded on",
    "due": "yet to be updated:",
    "started": "rolling out to",
    "rejected": "rejected on",
    "waiting": "waiting:",
}


class Part(NamedTuple):
    """What became of a deployment (its id) to one service; `is_requested` where somebody asked to roll it back."""

    state: str
    deployment: str | None = None
    reason: str | None = None
    is_requested: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is under way."""
        return self.state in (DUE, STARTED)


ByState = Mapping[str, Mapping[Target, Part]]
"""Services by what became of them."""


def summary(kind: str, image: str, by_state: ByState, total: int) -> str:
    """What is said of an image, in one sentence without its full stop; `total` counts all services of the round."""
    return _SUMMARIES[kind](image, by_state, _names(by_state), total)


def details(by_state: ByState) -> tuple[str, ...]:
    """All services, a line for each state and reason."""
    name = _names(by_state)
    return tuple(line for state, found in by_state.items() for line in _details(state, found, name))


def first_line(text: str | None) -> str:
    """The first line of a text, without its full stop."""
    return (text or "").partition("\n")[0].rstrip(".: ;")


class _Names:
    """Names services, by their cluster, too, where there are several."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._are_many = len({target.cluster for target in targets}) > 1

    def name(self, target: Target) -> str:
        return f"{target.cluster}/{target.name}" if self._are_many else target.name

    def few(self, targets: Iterable[Target]) -> str:
        """Name up to three services, or the first and how many more there are."""
        names = [self.name(target) for target in targets]
        if len(names) > MOST_NAMED:
            return f"{names[0]} and {len(names) - 1} more"
        return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))

    def all(self, targets: Iterable[Target]) -> str:
        names = [self.name(target) for target in targets]
        more = [f"{len(names) - MOST_LISTED} more"] if len(names) > MOST_LISTED else []
        return ", ".join([*names[:MOST_LISTED], *more])


def _names(by_state: ByState) -> _Names:
    return _Names(target for found in by_state.values() for target in found)


def _started(image: str, by_state: ByState, name: _Names, total: int) -> str:
    going = sorted(target for state in (STARTED, DUE) for target in by_state.get(state, ()))
    where = name.few(going) if len(going) <= MOST_NAMED else f"{total} services"
    return f"{image} is being rolled out to {where}{_bad(by_state, name, ', but ')}"


def _ended(image: str, by_state: ByState, name: _Names, total: int) -> str:
    live, superseded = by_state.get("live", {}), by_state.get("superseded", {})
    bad = _bad(by_state, name, ", ")
    if not live:
        if not bad:
            return f"{image} was superseded on {name.few(superseded)}"
        verb = "" if "rolled-back" not in by_state else "was "
        return f"{image} {verb}{bad.removeprefix(', ')}"
    where = f"{len(live)} of {total} services" if len(live) < total else f"{total} services"
    over = f", superseded on {name.few(superseded)}" if superseded else ""
    return f"{image} is live on {name.few(live) if len(live) == total <= MOST_NAMED else where}{bad}{over}"


def _failed(image: str, by_state: ByState, name: _Names, _: int) -> str:
    verb = "" if "rolled-back" not in by_state else "was "
    return f"{image} {verb}{_bad(by_state, name, '')}" if by_state else f"{image} failed"


def _approval(image: str, by_state: ByState, name: _Names, _: int) -> str:
    return f"{image} waits for an approval on {name.few(by_state['waiting'])}"


def _hook(image: str, by_state: ByState, name: _Names, _: int) -> str:
    [(target, part), *_rest] = by_state["waiting"].items()
    return f"{image} is paused on {name.name(target)}: {first_line(part.reason)}"


def _rejected(image: str, by_state: ByState, name: _Names, _: int) -> str:
    return f"{image} was rejected on {name.few(by_state['rejected'])}"


_SUMMARIES = {
    "started": _started,
    "ended": _ended,
    "failed": _failed,
    "rolled-back": _failed,
    "approval": _approval,
    "hook": _hook,
    "rejected": _rejected,
}


def _bad(by_state: ByState, name: _Names, before: str) -> str:
    """What failed, after some words, with the reason of the first."""
    texts = []
    for state in ("rolled-back", "failed"):
        if found := by_state.get(state):
            why = next((first_line(part.reason) for part in found.values() if part.reason), "")
            texts.append(f"{_WORDS[state]} {name.few(found)}" + (f": {why}" if why else ""))
    return before + ", ".join(texts) if texts else ""


def _details(state: str, found: Mapping[Target, Part], name: _Names) -> list[str]:
    """The services of a state, a line for each reason."""
    by_reason: dict[str | None, list[Target]] = {}
    for target, part in found.items():
        by_reason.setdefault(part.reason, []).append(target)
    word = f"{_WORDS[state][:1].upper()}{_WORDS[state][1:]}"
    lines = [f"{word} {name.all(targets)}{_why(reason)}" for reason, targets in by_reason.items()]
    return lines[:MOST_LISTED]


def _why(reason: str | None) -> str:
    return f": {reason.rstrip('.')}" if reason else ""
