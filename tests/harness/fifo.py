"""A FIFO queue, its dead-letter queue and Lambda's event source mapping, on a clock that makes no one wait.

    queue = FifoQueue(clock=ecs.clock)
    queue.send(rollout, group="rollouts")
    push = queue.send(event, at=queue.clock.time() + 60)
    road = Road(ecs, clients={"sqs": queue.client()}, inputs={...})
    queue.run(lambda event, context: road.door(event, context))
    assert queue.waited(push) < 30

Lambda runs invocations of several message groups side by side. Here they run one after the other, the group whose
message waits longest first, so that what a message waited is an upper bound.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from tests.harness.strict_ecs import Clock, Died, FakeClock, Lifeline
from tests.harness.strict_ecs.validation import operation_model

Json = dict[str, Any]
Handler = Callable[[Json, "Context"], Mapping[str, Any] | None]

DEDUPLICATION_SECONDS = 300
MAX_BATCH = 10
INVALID = "InvalidParameterValue"
MISSING = "MissingParameter"
QUEUE_MISSING = "QueueDoesNotExist"
TOO_MANY = "TooManyEntriesInBatchRequest"
_OPERATIONS = {
    xform_name(operation): operation
    for operation in ("ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "SendMessage", "SendMessageBatch")
}


@dataclass
class Message:
    """A message that the queue holds. Times are seconds since the epoch."""

    id: str
    body: str
    group: str
    sent_at: float
    visible_at: float
    receives: int = 0
    receipt: str = ""


class Delivery(NamedTuple):
    """One invocation, and what became of its messages."""

    started: float
    ended: float
    group: str
    messages: tuple[str, ...]
    failures: frozenset[str]
    error: Exception | None
    """What the function raised; the whole batch has failed then."""


@dataclass
class Context:
    """The part of Lambda's context that the function asks, on the clock of the test."""

    clock: Clock
    deadline: float

    def get_remaining_time_in_millis(self) -> int:
        """Tell how long the invocation may still run."""
        return int((self.deadline - self.clock.time()) * 1000)


@dataclass
class FifoQueue:
    """The queue that Terraform makes for the function, with its settings; durations are in seconds.

    An invocation that runs longer than `function_timeout` counts as killed: its whole batch has failed.
    """

    clock: Clock = field(default_factory=FakeClock)
    url: str = "https://queue"
    dead_letter_url: str = "https://dead"
    function_timeout: float = 300
    visibility_timeout: float = 330
    batch_size: int = MAX_BATCH
    max_receives: int = 10
    lifeline: Lifeline | None = None
    """What counts the calls of the process, where those to the queue shall count."""
    deliveries: list[Delivery] = field(default_factory=list)
    """Every invocation, in order."""
    dead_letters: list[str] = field(default_factory=list)
    """The bodies that the function sent there, or that were received too often."""
    calls: list[tuple[str, Json]] = field(default_factory=list)
    """Every call of the function's to SQS, in order."""
    refusals: dict[str, BaseException] = field(default_factory=dict)
    """What an operation is refused with, by its name, until it is taken out."""
    _messages: list[Message] = field(default_factory=list)
    _sent: dict[str, float] = field(default_factory=dict)
    _done: dict[str, tuple[float, float]] = field(default_factory=dict)
    _known: dict[str, tuple[float, str]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # The tests' side

    def send(self, body: object, group: str = "pushes", *, at: float | None = None, token: str | None = None) -> str:
        """Send a message, now or at a time to come; give its id.

        A body that is no text becomes JSON. What has the same token, or without one the same body, as a message of the
        last five minutes is taken and dropped; its id is that message's.
        """
        text = body if isinstance(body, str) else json.dumps(body)
        now = self.clock.time() if at is None else at
        token = token or hashlib.sha256(text.encode()).hexdigest()
        known_at, known = self._known.get(token, (float("-inf"), ""))
        if now - known_at < DEDUPLICATION_SECONDS:
            return known
        message = Message(f"message-{next(self._numbers)}", text, group, now, now)
        self._known[token] = now, message.id
        self._sent[message.id] = now
        # Those of one group stay in the order in which they are sent.
        self._messages.append(message)
        self._messages.sort(key=lambda one: one.sent_at)
        return message.id

    def run(self, handler: Handler, *, until: float | None = None, invocations: int = 1000) -> None:
        """Deliver what there is, and wait for what is hidden, until the queue is empty or the time has come.

        Raises AssertionError where the queue is not empty after so many invocations.
        """
        for _ in range(invocations):
            batch = self._receive(until)
            if not batch:
                return
            self._invoke(handler, batch)
        message = f"the queue still holds {len(self._messages)} messages after {invocations} invocations"
        raise AssertionError(message)

    def waited(self, message: str) -> float:
        """Tell the seconds from a message's sending to the start of the invocation that finished it.

        Raises KeyError where none did.
        """
        return self._done[message][0] - self._sent[message]

    def took(self, message: str) -> float:
        """Tell the seconds from a message's sending to the end of the invocation that finished it."""
        return self._done[message][1] - self._sent[message]

    def waiting(self) -> list[str]:
        """Give the bodies of the messages that the queue holds, hidden ones and those to come included."""
        return [message.body for message in self._messages]

    def client(self) -> SqsClient:
        """Give what the function takes for boto3's client of SQS."""
        return SqsClient(self)

    # Lambda's side

    def _receive(self, until: float | None) -> list[Message]:
        """Take a batch of the group whose first message waits longest, once there is one."""
        while True:
            self._bury()
            heads: dict[str, Message] = {}
            for message in self._messages:
                heads.setdefault(message.group, message)
            if not heads:
                return []
            now = self.clock.time()
            # A message that is hidden blocks its whole group.
            free = {
                group: max(one.visible_at for one in self._of(group) if one is head or one.receives)
                for group, head in heads.items()
            }
            ready = [heads[group] for group, at in free.items() if at <= now]
            if ready:
                return self._hide(min(ready, key=lambda message: message.sent_at).group)
            next_at = min(free.values())
            if until is not None and next_at > until:
                self.clock.sleep(until - now)
                return []
            self.clock.sleep(next_at - now)

    def _of(self, group: str) -> list[Message]:
        return [message for message in self._messages if message.group == group]

    def _hide(self, group: str) -> list[Message]:
        now = self.clock.time()
        batch = [message for message in self._of(group) if message.visible_at <= now][: self.batch_size]
        for message in batch:
            message.receives += 1
            message.receipt = f"{message.id}-receipt-{message.receives}"
            message.visible_at = now + self.visibility_timeout
        return batch

    def _bury(self) -> None:
        now = self.clock.time()
        for message in [one for one in self._messages if one.receives >= self.max_receives and one.visible_at <= now]:
            self._messages.remove(message)
            self.dead_letters.append(message.body)

    def _invoke(self, handler: Handler, batch: list[Message]) -> None:
        started = self.clock.time()
        error: Exception | None = None
        failures = {message.id for message in batch}
        try:
            answer = handler(
                {"Records": [self._record(message) for message in batch]},
                Context(self.clock, started + self.function_timeout),
            )
            failed = {item.get("itemIdentifier") for item in (answer or {}).get("batchItemFailures") or ()}
            # An id that is none of the batch's fails the whole batch.
            if failed.issubset(failures):
                failures = failed
        except Exception as raised:  # noqa: BLE001 - so does Lambda
            error = raised
        ended = self.clock.time()
        if ended - started > self.function_timeout:
            failures = {message.id for message in batch}
        for message in batch:
            # What came back meanwhile can't be deleted any more with the receipt that Lambda has.
            if message.id not in failures and message.visible_at > ended:
                self._messages.remove(message)
                self._done[message.id] = started, ended
        ids = tuple(message.id for message in batch)
        self.deliveries.append(Delivery(started, ended, batch[0].group, ids, frozenset(failures), error))

    def _record(self, message: Message) -> Json:
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.receives),
                "SentTimestamp": str(int(message.sent_at * 1000)),
                "SequenceNumber": message.id.rpartition("-")[2].zfill(20),
                "MessageGroupId": message.group,
            },
            "messageAttributes": {},
            "md5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:ecr-deploy.fifo",
            "awsRegion": "eu-west-1",
        }

    # SQS's side

    def call(self, operation: str, request: Json) -> Json:
        """Answer a call of the function's."""
        model = operation_model(operation, "sqs")
        validate_parameters(request, model.input_shape)
        dies_after = self.lifeline.count_down(operation) if self.lifeline else False
        self.calls.append((operation, request))
        if operation in self.refusals:
            raise self.refusals[operation]
        if request["QueueUrl"] not in (self.url, self.dead_letter_url):
            message = "The specified queue does not exist."
            raise _refusal(QUEUE_MISSING, message, operation)
        answer: Json = self._perform(operation, request)
        if dies_after and self.lifeline:
            message = f"after {operation}"
            raise Died(message)
        return answer

    def _perform(self, operation: str, request: Json) -> Json:
        match operation:
            case "SendMessage":
                return self._send(request, request["QueueUrl"])
            case "ChangeMessageVisibility":
                self._change_visibility(request)
                return {}
        send = operation == "SendMessageBatch"
        entries = request["Entries"]
        if not 1 <= len(entries) <= MAX_BATCH or len({entry["Id"] for entry in entries}) < len(entries):
            message = f"A batch has 1 to {MAX_BATCH} entries, each with an Id of its own."
            raise _refusal(TOO_MANY, message, operation)
        answer: Json = {"Successful": [], "Failed": []}
        for entry in entries:
            try:
                done = self._send(entry, request["QueueUrl"]) if send else self._change_visibility(entry)
                answer["Successful"].append({"Id": entry["Id"], **done})
            except ClientError as error:
                about = error.response["Error"]
                answer["Failed"].append({"Id": entry["Id"], **about, "SenderFault": True})
        return answer

    def _send(self, request: Json, url: str) -> Json:
        body = request["MessageBody"]
        for member in ("MessageGroupId", "MessageBody"):
            if not request.get(member):
                message = f"The request must contain the parameter {member}."
                raise _refusal(MISSING, message, "SendMessage")
        if request.get("DelaySeconds"):
            message = (
                f"Value {request['DelaySeconds']} for parameter DelaySeconds is invalid. Reason: The request include "
                "parameter that is not valid for this queue type."
            )
            raise _refusal(INVALID, message, "SendMessage")
        if url == self.dead_letter_url:
            self.dead_letters.append(body)
            identifier = f"message-{next(self._numbers)}"
        else:
            identifier = self.send(body, request["MessageGroupId"], token=request.get("MessageDeduplicationId"))
        digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        return {"MessageId": identifier, "MD5OfMessageBody": digest, "SequenceNumber": "1".zfill(20)}

    def _change_visibility(self, request: Json) -> Json:
        now = self.clock.time()
        receipt = request["ReceiptHandle"]
        message = next((one for one in self._messages if one.receipt == receipt and one.visible_at > now), None)
        if message is None:
            text = (
                f"Value {receipt} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "
                "available for visibility timeout change."
            )
            raise _refusal(INVALID, text, "ChangeMessageVisibility")
        message.visible_at = now + request["VisibilityTimeout"]
        return {}


class SqsClient:
    """boto3's client of SQS, as far as the function uses it; requests are held against botocore's model."""

    def __init__(self, queue: FifoQueue) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Callable[..., Json]:
        if name not in _OPERATIONS:
            raise AttributeError(name)
        return partial(self._call, _OPERATIONS[name])

    def _call(self, operation: str, **request: Any) -> Json:
        return self._queue.call(operation, request)


def _refusal(code: str, message: str, operation: str) -> ClientError:
    error = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(error, operation)
