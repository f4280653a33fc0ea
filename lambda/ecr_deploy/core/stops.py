"""Stops: what ECS says of tasks that stopped, in one line for people."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

# How much of one of ECS's own texts is repeated, in characters.
_LONGEST = 300
_MOST_EVENTS = 2
# What says no more than that the task stopped.
_EMPTY = ("Essential container in task exited", "Task stopped by user")
# How ECS stops what is fine: scaled in, or taken back after others failed.
_NO_FAILURE = ("Scaling activity initiated by", "Service deleted")
_TROUBLE = re.compile(r"\b(unable|failed|fails|unhealthy|error|insufficient)\b", re.IGNORECASE)
_ABOUT = re.compile(r"^\(service [^)]*\)\s*")


class ServiceEvent(NamedTuple):
    """One of a service's events."""

    created_at: datetime
    message: str


def describe(tasks: Sequence[Mapping[str, Any]]) -> str | None:
    """Why tasks stopped, as DescribeTasks tells it; None where none failed, or nothing is said.

    The most frequent cause of all: `container app: exit 137, OutOfMemoryError: …; 3 of 3 tasks`.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
    """
    failed = [task for task in tasks if not str(task.get("stoppedReason") or "").startswith(_NO_FAILURE)]
    causes = Counter(cause for task in failed if (cause := _cause(task)))
    if not causes:
        return None
    [(cause, count)] = causes.most_common(1)
    return f"{cause}; {count} of {len(failed)} {'task' if len(failed) == 1 else 'tasks'}"


def describe_events(newest_first: Iterable[ServiceEvent], since: datetime) -> str | None:
    """The last two of a service's events from a moment on that tell of trouble; None where none does."""
    found = [event for event in newest_first if event.created_at >= since and _TROUBLE.search(event.message)]
    texts = list(dict.fromkeys(_cut(_ABOUT.sub("", event.message).rstrip(".")) for event in found))
    return "; ".join(reversed(texts[:_MOST_EVENTS])) or None


def _cause(task: Mapping[str, Any]) -> str | None:
    texts = [text for container in task.get("containers") or () if (text := _of_container(container))]
    reason = str(task.get("stoppedReason") or "")
    if reason and not reason.startswith(_EMPTY) and not any(_said(reason, text) for text in texts):
        texts.append(_cut(reason))
    return ", ".join(texts) or None


def _of_container(container: Mapping[str, Any]) -> str | None:
    code, reason = container.get("exitCode"), container.get("reason")
    parts = [f"exit {code}"] if code else []
    parts += [_cut(str(reason))] if reason else []
    return f"container {container.get('name')}: {', '.join(parts)}" if parts else None


def _said(reason: str, text: str) -> bool:
    """Whether a container's text has the task's reason already: ECS gives both the same where none could start."""
    return _cut(reason) in text


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
