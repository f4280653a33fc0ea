"""Pushes: a tag that points to a new image, wherever the news of it comes from."""

import json
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from ecr_deploy.core import records
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.records import Record

RETRY = ("ecr-deploy", "Deployment Retry")
"""Source and detail-type of a message that tries a push again."""

Origin = Literal["event", "request", "reconciliation", "memory"]
Trigger = Literal["push", "request", "scheduled-run", "waited", "rollback"]
Answer = Literal["approve", "reject"]


class Push(NamedTuple):
    """A tag of an ECR repository that points to a new image.

    `origin` says where it comes from: its event, an operator's request (`by` whom, if they said so), a reconciliation,
    or our memory of one that had to wait. `force` makes it replace a newer one; `targets`, if given, are all that it is
    for. `answer` is what a person says of one that waits for an approval.
    """

    record: Record
    event_id: str
    origin: Origin = "event"
    force: bool = False
    targets: frozenset[Target] | None = None
    by: str | None = None
    answer: Answer | None = None

    @property
    def repository(self) -> Repository:
        """Where the image was pushed to."""
        return self.record.repository

    @property
    def trigger(self) -> Trigger:
        """What begins its deployments, in the words of events."""
        return _TRIGGERS[self.origin]

    @property
    def image(self) -> str:
        """The image by its tag, as a person would write it."""
        return f"{self.record.repository}:{self.record.tag}"


# The greatest first: what was asked for is a request, whatever else brought news of it.
_TRIGGERS: dict[Origin, Trigger] = {
    "request": "request",
    "event": "push",
    "reconciliation": "scheduled-run",
    "memory": "waited",
}


def trigger_of(pushes: Iterable[Push]) -> Trigger | None:
    """What begins the deployment of pushes that come together; None for none."""
    triggers = {push.trigger for push in pushes}
    return next((trigger for trigger in _TRIGGERS.values() if trigger in triggers), None)


def retry_of(push: Push) -> str:
    """The body of a message that tries a push again."""
    record, (source, detail_type) = push.record, RETRY
    detail = {
        "registry": record.repository.account,
        "region": record.repository.region,
        "repository": record.repository.name,
        "tag": record.tag,
        "digest": record.digest,
        "pushed_at": records.format_time(record.pushed_at),
        "origin": push.origin,
        "force": push.force,
        "by": push.by,
        "answer": push.answer,
        "targets": None if push.targets is None else sorted([target.cluster, target.name] for target in push.targets),
    }
    return json.dumps({"source": source, "detail-type": detail_type, "id": push.event_id, "detail": detail})


def printable(value: object) -> Any:
    """A value of JSON, without the halves of surrogate pairs that no log or queue takes: each becomes a `?`.

    Raises:
        RecursionError: it is nested too deeply.

    """
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
