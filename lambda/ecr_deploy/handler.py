"""The door: a batch of the queue, a bare EventBridge event, or an operator's request comes in; one answer goes out."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

import boto3

from . import calendars, deployer, ecr, events, explain, planner, queue, reconcile, report, requests, settings
from .deployer import PushResult
from .ecs import CONFIG, Ecs
from .errors import CallError, EcrDeployError, Retry
from .events import InvalidEventError, NoPush, Push, Tick
from .images import Repository
from .pacing import Clock, Pacer
from .planner import Member, Outcome
from .queue import Message, Queue
from .records import Record, to_milliseconds
from .rules import Moment
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

    def __call__(self, event: object, context: Any) -> dict[str, Any]:
        """Answer an invocation.

        Raises:
            EcrDeployError: a bare event or a request is malformed, or names an image that is not there.

        """
        if not isinstance(event, Mapping):
            raise requests.InvalidRequestError.of(event)
        seconds_left = context.get_remaining_time_in_millis() / 1000
        self._pacer.deadline = self._clock.time() + seconds_left - _SECONDS_TO_REPORT
        if "Records" in event:
            return self._take_batch([queue.read(record) for record in event["Records"]])
        if "detail-type" in event:
            return self._take_event(event)
        return self._take_request(event)

    def _take_batch(self, messages: Sequence[Message]) -> dict[str, Any]:
        read = [(message, self._read(message)) for message in messages]
        pushes = [event for _, event in read if isinstance(event, Push)]
        results = dict(zip(pushes, self._deploy(pushes, self._settings), strict=True))
        # A FIFO queue wants back the first failure and all after it, or their order would not stay. Those after it
        # have been read and deployed, but are finished, buried perhaps, only in their own turn.
        finished = takewhile(lambda pair: self._finish(*pair, results), read)
        again = messages[sum(1 for _ in finished) :]
        if again:
            self._try(lambda: self._open_queue().hurry(again))
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in again]}

    def _read(self, message: Message) -> Push | NoPush | Tick | InvalidEventError:
        event = message.event()
        try:
            read = events.parse(event)
        except InvalidEventError as error:
            report.log_invalid(error, str(event.get("id", "")) if isinstance(event, Mapping) else "")
            return error
        if isinstance(read, NoPush):
            report.log(read, PushResult(Outcome.SKIPPED, read.reason), dry_run=self._settings.dry_run)
        return read

    def _finish(
        self,
        message: Message,
        event: Push | NoPush | Tick | InvalidEventError,
        results: Mapping[Push, PushResult],
    ) -> bool:
        """Whether a message is done with: well, or badly and for good, or to be gone on with as a new message."""
        if isinstance(event, InvalidEventError):
            return self._bury(message)
        if isinstance(event, NoPush):
            return True
        ended = [results[event]] if isinstance(event, Push) else self._reconcile(event)
        failed = [result for result in ended if result.outcome is Outcome.FAILED]
        if not failed:
            return True
        retry = max(result.retry for result in failed)
        if retry is Retry.NEVER:
            return self._bury(message)
        # Without progress, a new message would go round for ever.
        if retry is Retry.AT_ONCE and any(result.progress for result in ended):
            return self._try(lambda: self._open_queue().send_back(message))
        return message.receives >= queue.MOST_RECEIVES and self._bury(message)

    def _reconcile(self, tick: Tick) -> list[PushResult]:
        """Deploy what the registries hold and services should run, but don't."""
        try:
            settings = self._settings_now()
            members, _ = deployer.read_fleet(self._ecs, settings)
            members = [member for member in members if not planner.obstacle(member, settings)]
            tagged = self._tagged(reconcile.repositories(members, settings.rules))
        except EcrDeployError as error:
            result = PushResult(Outcome.FAILED, f"reconciling: {error}", retry=error.retry)
            report.log(NoPush(str(error), tick.event_id), result, dry_run=self._settings.dry_run)
            return [result]
        pushes = reconcile.missing(members, tagged, settings.rules, now=self._now(), event_id=tick.event_id)
        report.log_reconciled(tick.event_id, len(tagged), len(pushes))
        return self._deploy(pushes, self._settings)

    def _tagged(self, repositories: Iterable[Repository]) -> dict[Repository, list[Record]]:
        tagged = {}
        for repository in repositories:
            try:
                tagged[repository] = ecr.tagged(self._client("ecr", region_name=repository.region), repository)
            except CallError as error:
                # One registry that is closed to us must not keep the others from being looked at.
                if error.retry is not Retry.NEVER:
                    raise
                report.logger.warning(str(error))
        return tagged

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
        if isinstance(push, Tick):
            push = NoPush("a scheduled event reconciles only when it comes through the queue", push.event_id)
        result = PushResult(Outcome.SKIPPED, push.reason)
        report.log(push, result, dry_run=dry_run)
        return report.answer([(push, result)], dry_run=dry_run)

    def _take_request(self, event: Mapping[str, Any]) -> dict[str, Any]:
        request = requests.parse(event, self._settings, self._region)
        now = self._now()
        if request.explain:
            record = Record(request.repository, request.tag, request.digest or "", now)
            return explain.explain(record, self._read_everything(), self._settings_now())
        client = self._client("ecr", region_name=request.repository.region)
        record = ecr.find(client, request.repository, request.tag, request.digest)
        if request.force:
            record = record._replace(pushed_at=now)
        narrowed = self._settings._replace(rules=self._settings.rules.within(request.scope), dry_run=request.dry_run)
        push = Push(record, "request", "request", force=request.force)
        return report.answer([(push, self._deploy([push], narrowed)[0])], dry_run=request.dry_run)

    def _read_everything(self) -> list[Member]:
        everywhere = self._settings._replace(rules=self._settings.rules.everywhere())
        return deployer.read_fleet(self._ecs, everywhere)[0]

    def _settings_now(self, settings: Settings | None = None) -> Settings:
        """The settings with their rules asked at this moment: freezes depend on it."""
        settings = settings or self._settings
        names = settings.rules.change_calendars()
        closed = calendars.closed(self._client("ssm"), names) if names else {}
        return settings._replace(rules=settings.rules.at(Moment(self._now(), closed)))

    def _now(self) -> datetime:
        return to_milliseconds(datetime.fromtimestamp(self._clock.time(), UTC))

    def _deploy(self, pushes: Sequence[Push], settings: Settings) -> list[PushResult]:
        if not pushes:
            return []
        try:
            results = deployer.deploy(pushes, self._ecs, self._settings_now(settings))
        except EcrDeployError as error:
            results = [PushResult(Outcome.FAILED, str(error), retry=error.retry)] * len(pushes)
        except Exception as error:  # noqa: BLE001 - see below
            # A mistake of ours must not end an invocation without a word for each push, and a longer wait for all.
            report.logger.exception("unexpected")
            results = [PushResult(Outcome.FAILED, f"unexpected: {error!r}", retry=Retry.LATER)] * len(pushes)
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
