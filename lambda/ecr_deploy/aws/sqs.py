"""The queue: messages as Lambda hands them over, and what is done with those that can't be finished now."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ecr_deploy.aws.calls import Api, Maybe, Shape, lacking
from ecr_deploy.core import pushes
from ecr_deploy.core.errors import CallError, InvalidRequestError, Retry

# The queue's own maxReceiveCount is the net below this, for invocations that die.
MOST_RECEIVES = 7
_FIRST_DELAY = 5
_RETRY = "retry-"
_LONGEST_DELAY = 300
_RECORD: Shape = {
    "messageId": str,
    "receiptHandle": str,
    "body": str,
    "attributes": {"MessageGroupId": str, "ApproximateReceiveCount": str},
}


class Message(NamedTuple):
    """A message of the FIFO queue; `body` is an EventBridge event as JSON."""

    id: str
    receipt: str
    body: str
    group: str
    receives: int

    @property
    def is_retry(self) -> bool:
        """Whether it stands in a group of its own, because it failed before."""
        return self.group.startswith(_RETRY)

    def event(self) -> object:
        """The event in the body; the bare text where it is no JSON."""
        try:
            return pushes.printable(json.loads(self.body))
        except (ValueError, RecursionError):
            return pushes.printable(self.body)


def read(record: object) -> Message:
    """Read a record of the event that Lambda makes of messages.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html

    Raises:
        InvalidRequestError: it is no message of a FIFO queue.

    """
    path = lacking(record, _RECORD)
    if path or not isinstance(record, Mapping) or not record["attributes"]["ApproximateReceiveCount"].isdecimal():
        path = path or "attributes.ApproximateReceiveCount"
        message = f"Records must be messages of a FIFO queue of SQS, but {path} is missing or malformed in one of them."
        raise InvalidRequestError(message)
    attributes = record["attributes"]
    return Message(
        id=record["messageId"],
        receipt=record["receiptHandle"],
        body=record["body"],
        group=attributes["MessageGroupId"],
        receives=int(attributes["ApproximateReceiveCount"]),
    )


class Queue:
    """A FIFO queue, and its dead-letter queue.

    Every method raises CallError where SQS refuses or does not answer, and OutOfTimeError where the invocation would
    end first.
    """

    def __init__(self, api: Api, url: str, dead_letter_url: str) -> None:
        self._api = api
        self._url = url
        self._dead_letter_url = dead_letter_url

    def dead_letter(self, message: Message) -> None:
        """Send a message that can't succeed to the dead-letter queue, instead of letting it hold up the queue."""
        self._send(self._dead_letter_url, message)

    def requeue(self, message: Message, bodies: Sequence[str], *, apart: bool) -> None:
        """Put what is left of a message at the end of the queue, with all its tries.

        `apart` puts each into a group of its own, where it holds nobody up.
        """
        for body in bodies:
            # The same for each try to send this instead of the message.
            token = hashlib.sha256(f"{message.id} {body}".encode("utf-8", "backslashreplace")).hexdigest()
            group = f"{_RETRY}{token}" if apart else message.group
            self._send(self._url, message._replace(id=token, body=body, group=group))

    def back_off(self, messages: Sequence[Message]) -> None:
        """Make failed messages come back after seconds that grow with each try, not after the visibility timeout.

        Where this fails, they come back all the same, later.
        """
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (min(message.receives for message in messages) - 1))
        entries = [
            {"Id": str(index), "ReceiptHandle": message.receipt, "VisibilityTimeout": delay}
            for index, message in enumerate(messages)
        ]
        operation = "ChangeMessageVisibilityBatch"
        needs = {"Failed": Maybe([{"Code": str}])}
        answer = self._api.call(operation, "the queue", needs, QueueUrl=self._url, Entries=entries)
        for refused in answer.get("Failed") or ():
            message = f"{operation} was refused: {refused['Code']}: {refused.get('Message', '')}"
            raise CallError(message, operation, refused["Code"], Retry.LATER)

    def _send(self, url: str, message: Message) -> None:
        self._api.call(
            "SendMessage",
            f"message {message.id}",
            {"MessageId": str},
            QueueUrl=url,
            # Half a surrogate pair is no text that could be sent.
            MessageBody=message.body.encode("utf-8", "backslashreplace").decode(),
            MessageGroupId=message.group,
            # The body alone would be taken for a duplicate of the message itself within 5 minutes.
            MessageDeduplicationId=message.id,
        )
