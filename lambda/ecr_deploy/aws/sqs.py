"""The queue: messages as Lambda hands them over, and what is done with those that can't be finished now."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.aws import calls
from ecr_deploy.core.errors import CallError, Retry

# The queue's own maxReceiveCount is the net below this, for invocations that die.
MOST_RECEIVES = 6
_FIRST_DELAY = 5
_LONGEST_DELAY = 300


class Message(NamedTuple):
    """A message of the FIFO queue; `body` is an EventBridge event as JSON."""

    id: str
    receipt: str
    body: str
    group: str
    receives: int

    def event(self) -> object:
        """The event in the body; the bare text where it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return self.body


def read(record: Mapping[str, Any]) -> Message:
    """Read a record of the event that Lambda makes of messages.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    attributes = record["attributes"]
    return Message(
        id=record["messageId"],
        receipt=record["receiptHandle"],
        body=record["body"],
        group=attributes["MessageGroupId"],
        receives=int(attributes["ApproximateReceiveCount"]),
    )


class Queue:
    """A FIFO queue and the one behind it for messages that can't succeed."""

    def __init__(self, client: Any, url: str, dead_letter_url: str) -> None:
        self._client = client
        self._url = url
        self._dead_letter_url = dead_letter_url

    def bury(self, message: Message) -> None:
        """Put a message that can never succeed where people find it, instead of letting it hold up the queue.

        Raises:
            CallError: SQS did not take it.

        """
        self._send(self._dead_letter_url, message)

    def send_back(self, message: Message) -> None:
        """Put the rest of a message's work at the end of the queue, as a new message with all its tries.

        Raises:
            CallError: SQS did not take it.

        """
        self._send(self._url, message)

    def hurry(self, messages: Sequence[Message]) -> None:
        """Let failed messages come back after seconds that grow with each try, not after the visibility timeout.

        Raises:
            CallError: SQS refused; the messages come back all the same, later.

        """
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (min(message.receives for message in messages) - 1))
        entries = [
            {"Id": str(index), "ReceiptHandle": message.receipt, "VisibilityTimeout": delay}
            for index, message in enumerate(messages)
        ]
        operation = "ChangeMessageVisibility"
        try:
            answer = self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        except (ClientError, BotoCoreError) as error:
            raise calls.explain(error, operation, "the queue") from error
        for refused in answer.get("Failed", ()):
            message = f"{operation} was refused: {refused['Code']}: {refused.get('Message', '')}"
            raise CallError(message, operation, refused["Code"], Retry.LATER)

    def _send(self, url: str, message: Message) -> None:
        try:
            # The body alone would be taken for a duplicate of the message itself within 5 minutes.
            self._client.send_message(
                QueueUrl=url,
                MessageBody=message.body,
                MessageGroupId=message.group,
                MessageDeduplicationId=message.id,
            )
        except (ClientError, BotoCoreError) as error:
            raise calls.explain(error, "SendMessage", f"message {message.id}") from error
