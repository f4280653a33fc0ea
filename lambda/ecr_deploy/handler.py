"""The door: a batch of the queue, a bare EventBridge event, or an operator's request comes in; one answer goes out."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3

from . import deployer, ecr, events, queue, report, requests, settings
from .deployer import PushResult
from .ecs import CONFIG, Ecs
from .errors import CallError, Retry
from .events import InvalidEventError, NoPush, Push
from .pacing import Clock, Pacer
from .planner import Outcome
from .queue import Message, Queue
from .records import to_milliseconds
from .settings import Settings

# Kept back of the function's time for calls under way and for the report.
_SECONDS_TO_REPORT = 10

Client = Callable[..., Any]


class Door:
    """Everything that lives as long as the execution environment does."""

    def __init__(self, settings: Settings, region: str, client: Client, clock: Clock) -> None:
        self._settings = settings
        self._region = region
        self._client = client
        self._clock = clock
        self._pacer = Pacer(clock)
        self._ecs = Ecs(client("ecs", config=CONFIG), self._pacer)
        self._queue: Queue | None = None

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer an invocation.

        Raises:
            EcrDeployError: a bare event or a request is malformed, or names an image that is not there.

        """
        seconds_left = context.get_remaining_time_in_millis() / 1000
        self._pacer.deadline = self._clock.time() + seconds_left - _SECONDS_TO_REPORT
        if "Records" in event:
            return self._take_batch([queue.read(record) for record in event["Records"]])
        if "detail-type" in event:
            return self._take_event(event)
        return self._take_request(event)

    def _take_batch(self, messages: Sequence[Message]) -> dict[str, Any]:
        read = [(message, self._read(message)) for message in messages]
        pushes = [push for _, push in read if isinstance(push, Push)]
        results = dict(zip(pushes, self._deploy(pushes, self._settings), strict=True))
        failed = []
        for message, push in read:
            if isinstance(push, InvalidEventError):
                finished = self._bury(message)
            elif isinstance(push, NoPush):
                finished = True
            else:
                finished = self._finish(message, results[push])
            if not finished:
                failed.append(message)
        again = queue.failures(messages, failed)
        if again:
            self._try(lambda: self._open_queue().hurry(again))
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in again]}

    def _read(self, message: Message) -> Push | NoPush | InvalidEventError:
        event = message.event()
        try:
            push = events.parse(event)
        except InvalidEventError as error:
            report.log_invalid(error, str(event.get("id", "")) if isinstance(event, Mapping) else "")
            return error
        if isinstance(push, NoPush):
            report.log(push, PushResult(Outcome.SKIPPED, push.reason), dry_run=self._settings.dry_run)
        return push

    def _finish(self, message: Message, result: PushResult) -> bool:
        """Whether a push is done with: well, or badly and for good, or to be gone on with as a new message."""
        if result.outcome is not Outcome.FAILED:
            return True
        if result.retry is Retry.NEVER:
            return self._bury(message)
        # Without progress, a new message would go round for ever.
        if result.retry is Retry.AT_ONCE and any(service.outcome is Outcome.DEPLOYED for service in result.services):
            return self._try(lambda: self._open_queue().send_back(message))
        return message.receives >= queue.MOST_RECEIVES and self._bury(message)

    def _bury(self, message: Message) -> bool:
        return self._try(lambda: self._open_queue().bury(message))

    def _try(self, call: Callable[[], None]) -> bool:
        """Whether SQS did as told; where it did not, the message stays in the queue, and the log says why."""
        try:
            call()
        except CallError as error:
            report.logger.error(str(error))
            return False
        return True

    def _take_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        push = events.parse(event)
        dry_run = self._settings.dry_run
        if isinstance(push, Push):
            return report.answer([(push, self._deploy([push], self._settings)[0])], dry_run=dry_run)
        result = PushResult(Outcome.SKIPPED, push.reason)
        report.log(push, result, dry_run=dry_run)
        return report.answer([(push, result)], dry_run=dry_run)

    def _take_request(self, event: Mapping[str, Any]) -> dict[str, Any]:
        request = requests.parse(event, self._settings, self._region)
        client = self._client("ecr", region_name=request.repository.region)
        record = ecr.find(client, request.repository, request.tag, request.digest)
        if request.force:
            record = replace(record, pushed_at=to_milliseconds(datetime.fromtimestamp(self._clock.time(), UTC)))
        narrowed = replace(self._settings, rules=self._settings.rules.within(request.scope), dry_run=request.dry_run)
        push = Push(record, event_id="request", force=request.force)
        return report.answer([(push, self._deploy([push], narrowed)[0])], dry_run=request.dry_run)

    def _deploy(self, pushes: Sequence[Push], settings: Settings) -> list[PushResult]:
        results = deployer.deploy(pushes, self._ecs, settings)
        for push, result in zip(pushes, results, strict=True):
            report.log(push, result, dry_run=settings.dry_run)
        return results

    def _open_queue(self) -> Queue:
        # A client more is a cold start's worth of time, and most batches need none.
        if self._queue is None:
            urls = self._settings.queue_url, self._settings.dead_letter_queue_url
            self._queue = Queue(self._client("sqs"), *urls)
        return self._queue


def open_door(environment: Mapping[str, str]) -> Door:
    """Make the function ready to answer.

    Raises:
        InvalidSettingsError: a setting is missing or malformed.

    """
    return Door(settings.from_environment(environment), environment["AWS_REGION"], boto3.client, time)


handler = open_door(os.environ)
