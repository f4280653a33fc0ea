"""Commands for what could not be deployed: dead-letters list, redrive, drop. They use the caller's own credentials."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click

from ecr_deploy.aws.calls import Maybe, Shape
from ecr_deploy.cli.options import DONE, FAILED, NOTHING, Caller, Commands, command
from ecr_deploy.cli.options import yes as with_yes
from ecr_deploy.core import events
from ecr_deploy.core.errors import InvalidRequestError
from ecr_deploy.core.fields import InvalidEventError
from ecr_deploy.core.pushes import Push

_NEEDS: Shape = {
    "Messages": Maybe([{"MessageId": str, "ReceiptHandle": str, "Body": str, "Attributes": Maybe(dict)}]),
}
# Long enough to read all, and to do something about them.
_HIDDEN_SECONDS = 60
_MOST_AT_ONCE = 10


class Letter(NamedTuple):
    """A message of the dead-letter queue."""

    id: str
    receipt: str
    body: str
    sent: str

    @property
    def about(self) -> str:
        """What it is about."""
        try:
            event = json.loads(self.body)
            news = events.parse(event)
        except (ValueError, InvalidEventError):
            return "a message that can't be read"
        if isinstance(news, Push):
            return f"push of {news.record.repository.name}:{news.record.tag}"
        return str(event.get("detail-type", "a message"))


@click.group("dead-letters", cls=Commands)
def dead_letters() -> None:
    """List, put back or drop what could not be deployed."""


@command("list")
def show(caller: Caller) -> int:
    """List what lies in the dead-letter queue.

    The log says why: `ecr-deploy events --errors`.
    """
    queue = _Queue(caller)
    letters = queue.take()
    queue.put_back(letters)
    if caller.screen.as_json:
        caller.screen.json(
            [{"id": letter.id, "sent": letter.sent, "about": letter.about, "body": letter.body} for letter in letters]
        )
    else:
        caller.screen.table(["ID", "SINCE", "WHAT"], [[letter.id, letter.sent, letter.about] for letter in letters])
        caller.screen.note(f"{len(letters)} of {queue.count()} dead letters.")
    return DONE


@command("redrive")
@click.argument("ids", nargs=-1)
@with_yes
def redrive(caller: Caller, ids: Sequence[str], *, is_sure: bool) -> int:
    """Put dead letters back into the queue.

    All, or those of the ids, once the cause is mended. A push that is no longer the newest ends superseded, however
    late it comes.
    """
    queue = _Queue(caller)
    return _each(caller, queue, ids, "Put back", queue.redrive, is_sure=is_sure)


@command("drop")
@click.argument("ids", nargs=-1)
@with_yes
def drop(caller: Caller, ids: Sequence[str], *, is_sure: bool) -> int:
    """Delete dead letters, all or those of the ids."""
    queue = _Queue(caller)
    return _each(caller, queue, ids, "Delete", queue.delete, is_sure=is_sure)


def _each(  # noqa: PLR0913 - what a command has
    caller: Caller,
    queue: "_Queue",
    ids: Sequence[str],
    verb: str,
    do: Callable[[Letter], None],
    *,
    is_sure: bool,
) -> int:
    done: list[Letter] = []
    # No more than there are: what can't be read comes back at once.
    most = queue.count()
    # Of one message group no more than ten can be had before they are done with.
    while letters := queue.take():
        chosen = [letter for letter in letters if not ids or letter.id in ids][: most - len(done)]
        try:
            if not chosen:
                break
            if not (is_sure or _is_agreed(caller, chosen, verb)):
                return FAILED
            for letter in chosen:
                do(letter)
                done.append(letter)
        finally:
            queue.put_back([letter for letter in letters if letter not in done])
    if missing := set(ids) - {letter.id for letter in done}:
        message = f"There is no dead letter {', '.join(sorted(missing))}; `ecr-deploy dead-letters list` has them."
        raise InvalidRequestError(message)
    if caller.screen.as_json:
        caller.screen.json([{"id": letter.id, "about": letter.about} for letter in done])
    else:
        caller.screen.table(["ID", "DONE"], [[letter.id, letter.about] for letter in done])
        caller.screen.note(f"{len(done)} done." if done else "There are no dead letters.")
    return DONE if done else NOTHING


def _is_agreed(caller: Caller, letters: Sequence[Letter], verb: str) -> bool:
    caller.screen.table_before(["ID", "SINCE", "WHAT"], [[letter.id, letter.sent, letter.about] for letter in letters])
    return caller.screen.confirm(f"{verb} these {len(letters)}?")


for _command in (show, redrive, drop):
    dead_letters.add_command(_command)


class _Queue:
    """The dead-letter queue of the function, and the queue that it belongs to."""

    def __init__(self, caller: Caller) -> None:
        settings = caller.connection.settings
        self._api = caller.connection.api("sqs")
        self._queue, self._dead = settings.queue_url, settings.dead_letter_queue_url

    def count(self) -> int:
        """How many lie in it, about.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
        """
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        needs: Shape = {"Attributes": dict.fromkeys(names, str)}
        answer = self._api.call(
            "GetQueueAttributes", "the dead-letter queue", needs, QueueUrl=self._dead, AttributeNames=names
        )
        return sum(int(answer["Attributes"][name]) for name in names)

    def take(self) -> list[Letter]:
        """Take all that lie in it, and hide them from others for a minute."""
        return list(self._take())

    def _take(self) -> Iterator[Letter]:
        seen: set[str] = set()
        while True:
            answer = self._api.call(
                "ReceiveMessage",
                "the dead-letter queue",
                _NEEDS,
                QueueUrl=self._dead,
                MaxNumberOfMessages=_MOST_AT_ONCE,
                VisibilityTimeout=_HIDDEN_SECONDS,
                AttributeNames=["SentTimestamp"],
            )
            letters = [_letter(letter) for letter in answer.get("Messages") or () if letter["MessageId"] not in seen]
            if not letters:
                return
            seen |= {letter.id for letter in letters}
            yield from letters

    def put_back(self, letters: Sequence[Letter]) -> None:
        """Let others see letters again."""
        for letter in letters:
            self._api.call(
                "ChangeMessageVisibility",
                f"message {letter.id}",
                {},
                QueueUrl=self._dead,
                ReceiptHandle=letter.receipt,
                VisibilityTimeout=0,
            )

    def redrive(self, letter: Letter) -> None:
        """Put a letter back into the queue."""
        self._api.call(
            "SendMessage",
            f"message {letter.id}",
            {"MessageId": str},
            QueueUrl=self._queue,
            MessageBody=letter.body,
            MessageGroupId="pushes",
            # Another than it came with: SQS would take it for the same within 5 minutes.
            MessageDeduplicationId=hashlib.sha256(f"redrive {letter.id} {letter.receipt}".encode()).hexdigest(),
        )
        self.delete(letter)

    def delete(self, letter: Letter) -> None:
        """Delete a letter."""
        self._api.call("DeleteMessage", f"message {letter.id}", {}, QueueUrl=self._dead, ReceiptHandle=letter.receipt)


def _letter(message: Mapping[str, Any]) -> Letter:
    sent = int((message.get("Attributes") or {}).get("SentTimestamp", 0)) / 1000
    when = f"{datetime.fromtimestamp(sent, UTC):%Y-%m-%dT%H:%M}"
    return Letter(message["MessageId"], message["ReceiptHandle"], message["Body"], when)
