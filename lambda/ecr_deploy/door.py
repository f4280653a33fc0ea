"""The door: a batch of the queue, a bare EventBridge event, or an operator's request comes in; one answer goes out."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ecr_deploy import deployer, report
from ecr_deploy.aws import sqs
from ecr_deploy.aws.ecs import CONFIG, Ecs
from ecr_deploy.aws.pacing import Clock, Pacer
from ecr_deploy.aws.sqs import Message, Queue
from ecr_deploy.core import events
from ecr_deploy.core.errors import CallError, EcrDeployError, InvalidRequestError, Retry
from ecr_deploy.core.events import DeploymentChange, GroupChange, InvalidEventError, NoPush, Push, Tick
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason
from ecr_deploy.core.records import to_milliseconds
from ecr_deploy.core.rules import Moment
from ecr_deploy.core.settings import Settings

if TYPE_CHECKING:
    from ecr_deploy.aws.codedeploy import CodeDeploy
    from ecr_deploy.follow_ups.scheduled_tasks import ScheduledTasks

# Kept back of the function's time for calls under way and for the report.
_SECONDS_TO_REPORT = 10

Client = Callable[..., Any]
Read = Push | NoPush | Tick | DeploymentChange | GroupChange | InvalidEventError


class Door:
    """Everything that lives as long as the execution environment does.

    What most invocations do not need is imported where it is needed: an import more is a longer cold start.
    """

    def __init__(self, settings: Settings, region: str, client: Client, clock: Clock) -> None:
        self.settings = settings
        self.region = region
        self.client = client
        self._clock = clock
        self._pacer = Pacer(clock)
        self.ecs = Ecs(client("ecs", config=CONFIG), self._pacer)
        self._queue: Queue | None = None
        self._bus: Any = None
        self._scheduled_tasks: ScheduledTasks | None = None
        self._codedeploy: CodeDeploy | None = None

    def __call__(self, event: object, context: Any) -> dict[str, Any]:
        """Answer an invocation.

        Raises:
            EcrDeployError: a bare event or a request is malformed, or asks for what can't be done.

        """
        if not isinstance(event, Mapping):
            raise InvalidRequestError.of(event)
        seconds_left = context.get_remaining_time_in_millis() / 1000
        self._pacer.deadline = self._clock.time() + seconds_left - _SECONDS_TO_REPORT
        try:
            return self._answer(event)
        finally:
            report.log_throttled(self._pacer.all_refused())

    def _answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        if "Records" in event:
            return self._take_batch([sqs.read(record) for record in event["Records"]])
        if "detail-type" in event:
            return self._take_event(event)
        from ecr_deploy import operators  # noqa: PLC0415

        return operators.answer(self, event)

    @property
    def codedeploy(self) -> "CodeDeploy | None":
        """CodeDeploy, where it may be used."""
        if self._codedeploy is None and self.settings.codedeploy:
            from ecr_deploy.aws.codedeploy import CodeDeploy  # noqa: PLC0415

            self._codedeploy = CodeDeploy(self.client, self._pacer)
        return self._codedeploy

    @property
    def scheduled_tasks(self) -> "ScheduledTasks":
        """The account's scheduled tasks."""
        if self._scheduled_tasks is None:
            from ecr_deploy.follow_ups.scheduled_tasks import ScheduledTasks  # noqa: PLC0415

            self._scheduled_tasks = ScheduledTasks(self.client, self.region, self.ecs, self._pacer)
        return self._scheduled_tasks

    def now(self) -> datetime:
        """The time, in UTC, to the millisecond."""
        return to_milliseconds(datetime.fromtimestamp(self._clock.time(), UTC))

    def settings_now(self, settings: Settings) -> Settings:
        """The settings with their rules asked at this moment: freezes depend on it."""
        closed: Mapping[str, str] = {}
        if names := settings.rules.change_calendars():
            from ecr_deploy.aws import calendars  # noqa: PLC0415

            closed = calendars.closed(self.client("ssm"), names)
        return settings._replace(rules=settings.rules.at(Moment(self.now(), closed)))

    def deploy(self, pushes: Sequence[Push], settings: Settings) -> list[PushResult]:
        """Deploy pushes together, and report what came of each."""
        if not pushes:
            return []
        try:
            settings = self.settings_now(settings)
            results = deployer.deploy(pushes, self.ecs, settings, self.codedeploy)
            if settings.scheduled_tasks:
                results = self.scheduled_tasks.follow(pushes, results, settings, self.now())
            if settings.image_parameter_prefix and not settings.dry_run:
                from ecr_deploy.follow_ups import image_parameters  # noqa: PLC0415

                results = image_parameters.follow(self, results)
        except EcrDeployError as error:
            results = [PushResult.failed(error)] * len(pushes)
        except Exception as error:  # noqa: BLE001 - see below
            # A mistake of ours must not end an invocation without a word for each push, and a longer wait for all.
            report.logger.exception("unexpected", extra=report.of_failed(pushes))
            results = [
                PushResult(Outcome.FAILED, Reason("unexpected", f"unexpected: {error!r}"), retry=Retry.LATER)
            ] * len(pushes)
        for push, result in zip(pushes, results, strict=True):
            report.log(push, result, dry_run=settings.dry_run)
            self._announce(push, result, dry_run=settings.dry_run)
        return results

    def announce(self, told: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Put events on the bus; where it does not take them, only the log says so."""
        if self._bus is None:
            from ecr_deploy.aws.event_bus import Bus  # noqa: PLC0415

            self._bus = Bus(lambda: self.client("events"))
        self._try(lambda: self._bus.put(told))

    def _take_batch(self, messages: Sequence[Message]) -> dict[str, Any]:
        read = [(message, self._read(message)) for message in messages]
        pushes = [event for _, event in read if isinstance(event, Push)]
        results = dict(zip(pushes, self.deploy(pushes, self.settings), strict=True))
        # A FIFO queue wants back the first failure and all after it, or their order would not stay. Those after it
        # have been read and deployed, but are finished, buried perhaps, only in their own turn.
        finished = takewhile(lambda pair: self._finish(*pair, results), read)
        again = messages[sum(1 for _ in finished) :]
        if again:
            self._try(lambda: self._open_queue().hurry(again))
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in again]}

    def _read(self, message: Message) -> Read:
        event = message.event()
        try:
            read = events.parse(event)
        except InvalidEventError as error:
            report.log_invalid(error, str(event.get("id", "")) if isinstance(event, Mapping) else "")
            return error
        if isinstance(read, NoPush):
            report.log(read, PushResult(Outcome.SKIPPED, Reason("no-push", read.reason)), dry_run=self.settings.dry_run)
        return read

    def _finish(self, message: Message, event: Read, results: Mapping[Push, PushResult]) -> bool:
        """Whether a message is done with: well, or badly and for good, or to be gone on with as a new message."""
        if isinstance(event, InvalidEventError):
            return self._bury(message)
        ended = [results[event]] if isinstance(event, Push) else self._look_after(event)
        failed = [result for result in ended if result.outcome is Outcome.FAILED]
        if not failed:
            return True
        retry = max(result.retry for result in failed)
        if retry is Retry.AT_ONCE and any(result.progress for result in ended):
            # Without progress, a new message would go round for ever.
            return self._try(lambda: self._open_queue().send_back(message))
        if retry is not Retry.NEVER and message.receives < sqs.MOST_RECEIVES:
            return False
        if isinstance(event, Push) and retry is not Retry.NEVER:
            self._announce(event, results[event], dry_run=self.settings.dry_run, given_up=True)
        return self._bury(message)

    def _look_after(self, event: NoPush | Tick | DeploymentChange | GroupChange) -> list[PushResult]:
        if isinstance(event, NoPush):
            return []
        from ecr_deploy import aftercare  # noqa: PLC0415

        if isinstance(event, Tick):
            return aftercare.turn(self, event)
        if isinstance(event, GroupChange):
            return aftercare.follow_group(self, event)
        return aftercare.follow(self, event)

    def _announce(self, push: Push, result: PushResult, *, dry_run: bool, given_up: bool = False) -> None:
        if dry_run or (not result.targets and result.outcome is not Outcome.FAILED):
            return
        from ecr_deploy.aws import event_bus  # noqa: PLC0415

        self.announce(event_bus.of_push(push, result, given_up=given_up))

    def _bury(self, message: Message) -> bool:
        return self._try(lambda: self._open_queue().bury(message))

    def _try(self, call: Callable[[], None]) -> bool:
        """Whether SQS or EventBridge did as told; where it did not, the log says why."""
        try:
            call()
        except CallError as error:
            report.logger.error(str(error))
            return False
        return True

    def _take_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        read = events.parse(event)
        dry_run = self.settings.dry_run
        if isinstance(read, Push):
            return report.answer([(read, self.deploy([read], self.settings)[0])], dry_run=dry_run)
        if not isinstance(read, NoPush):
            read = NoPush("this event is looked after only when it comes through the queue", read.event_id)
        result = PushResult(Outcome.SKIPPED, Reason("no-push", read.reason))
        report.log(read, result, dry_run=dry_run)
        return report.answer([(read, result)], dry_run=dry_run)

    def _open_queue(self) -> Queue:
        # A client more is a cold start's worth of time, and most batches need none.
        if self._queue is None:
            urls = self.settings.queue_url, self.settings.dead_letter_queue_url
            self._queue = Queue(self.client("sqs"), *urls)
        return self._queue
