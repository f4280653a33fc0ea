"""Dispatch: a batch of the queue, a bare EventBridge event or a request goes to the file that handles it.

Each message of a batch ends done, retried or dead-lettered, whatever goes wrong with it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from ecr_deploy import follow_ups, on_push, report
from ecr_deploy.aws import sqs
from ecr_deploy.aws.sqs import Message
from ecr_deploy.core import events, pushes
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError, Retry
from ecr_deploy.core.fields import InvalidEventError
from ecr_deploy.core.news import (
    Change,
    DeploymentChange,
    GroupChange,
    News,
    NoPush,
    RemoteChange,
    ScanEnd,
    TaskChange,
    Tick,
)
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason
from ecr_deploy.core.pushes import Push, retry_of
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment


class Dispatcher:
    """The function, ready to be invoked."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._arn = ""

    def __call__(self, event: object, context: Any) -> Any:
        """Answer an invocation: an object, but HTML to a widget of a dashboard.

        Raises:
            EcrDeployError: a bare event or a request is malformed, or asks for what can't be done.

        """
        if not isinstance(event, Mapping):
            raise InvalidRequestError.of(event)
        self._arn = str(getattr(context, "invoked_function_arn", ""))
        self.environment.begin_invocation(context.get_remaining_time_in_millis() / 1000)
        try:
            return self._answer(event)
        finally:
            report.log_throttled(self.environment.pacer.all_throttled())

    def _answer(self, event: Mapping[str, Any]) -> dict[str, Any] | str:
        if "Records" in event:
            return self._handle_batch(event["Records"])
        event = pushes.printable(event)
        if "detail-type" in event:
            return self._handle_event(event)
        if "widgetContext" in event or "describe" in event:
            from ecr_deploy import on_widget  # noqa: PLC0415

            return on_widget.answer(self.environment, event, self._arn)
        from ecr_deploy import on_request  # noqa: PLC0415

        return on_request.answer(self.environment, event)

    def _handle_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        news, dry_run = events.parse(event), self.environment.settings.dry_run
        if isinstance(news, Push):
            results = on_push.deploy(self.environment, [news], self.environment.settings)
            return report.answer(results, dry_run=dry_run)
        if not isinstance(news, NoPush):
            news = NoPush("this event is handled only when it comes through the queue", news.event_id)
        return report.answer([(news, self._skip(news))], dry_run=dry_run)

    def _handle_batch(self, records: object) -> dict[str, Any]:
        if not isinstance(records, list):
            message = f"Records must be a list of messages of a FIFO queue of SQS, but it is {type(records).__name__}."
            raise InvalidRequestError(message)
        messages = [sqs.read(record) for record in records]
        self.environment.slices = True
        read = [(message, self._read(message)) for message in messages]
        pushes = [news for _, news in read if isinstance(news, Push)]
        results = on_push.deploy(self.environment, pushes, self.environment.settings)
        again: list[Message] = []
        for group in dict.fromkeys(message.group for message in messages):
            # A FIFO queue wants back the first failure of a group and all after it, or their order would not stay.
            # Those after it have been read and deployed, but are finished, dead-lettered perhaps, only in their turn.
            ours = [pair for pair in read if pair[0].group == group]
            finished = sum(1 for _ in takewhile(lambda pair: self._finish(*pair, results), ours))
            if failed := [message for message, _ in ours[finished:]]:
                self._succeeds(partial(self.environment.queue.back_off, failed))
                again += failed
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in again]}

    def _read(self, message: Message) -> News | InvalidEventError | PushResult:
        """Read the news that a message brings; a result where that fails unexpectedly."""
        event = message.event()
        try:
            news = events.parse(event)
        except InvalidEventError as error:
            report.log_invalid(error, event, message.id)
            return error
        except Exception as error:  # noqa: BLE001 - a bug of ours must not keep all other messages
            return report.log_unexpected(error, message.id, f"message {message.id}")
        if isinstance(news, NoPush):
            self._skip(news)
        return news

    def _skip(self, news: NoPush) -> PushResult:
        """Report news that deploys nothing."""
        result = PushResult(Outcome.SKIPPED, Reason("no-push", news.reason))
        report.log(news, result, dry_run=self.environment.settings.dry_run)
        return result

    def _finish(self, message: Message, news: News | InvalidEventError | PushResult, results: Results) -> bool:
        """Whether a message is done with: handled, dead-lettered, or requeued as new messages with what is left."""
        if isinstance(news, InvalidEventError):
            return self._dead_letter(message)
        problems: Sequence[PushResult] = ()
        rest = None
        if isinstance(news, Push):
            ended = _ended(news, results)
        else:
            problems, ended, rest = self._handle(message, news)
        if (
            rest
            and not problems
            and not self._succeeds(partial(self.environment.queue.requeue, message, [rest], apart=False))
        ):
            return False
        failed = [*problems, *(result for _, result in ended if result.outcome is Outcome.FAILED)]
        if not failed:
            return True
        retry = max(result.retry for result in failed)
        if retry is Retry.NEVER:
            return self._dead_letter(message)
        # Without progress, a new message would go round for ever.
        goes_on = retry is Retry.AT_ONCE and any(result.progress for _, result in ended)
        if message.is_retry and not goes_on:
            return self._retry_again(message, ended)
        left = [message.body] if problems else [retry_of(push) for push, _ in retries(ended)]
        is_sent = self._succeeds(partial(self.environment.queue.requeue, message, left, apart=not goes_on))
        is_final = any(result.retry is Retry.NEVER for result in failed)
        return is_sent and (not is_final or self._dead_letter(message))

    def _retry_again(self, message: Message, ended: Results) -> bool:
        """Whether a retry is given up; else it comes back later each time."""
        if message.receives < sqs.MOST_RECEIVES:
            return False
        for push, result in retries(ended):
            follow_ups.after_giving_up(self.environment, push, result)
        return self._dead_letter(message)

    def _handle(
        self, message: Message, news: PushResult | NoPush | Change
    ) -> tuple[Sequence[PushResult], Results, str | None]:
        """Handle news of anything but a push; whatever goes wrong is the result of this message, and of no other.

        Gives what failed, what came of pushes, and the body of a message that does the rest.
        """
        if isinstance(news, PushResult):
            return [news], [], None
        if isinstance(news, NoPush):
            return [], [], None
        try:
            if isinstance(news, Tick):
                from ecr_deploy import on_schedule  # noqa: PLC0415

                return on_schedule.run(self.environment, news)
            return *self._follow(news), None
        except Exception as error:  # noqa: BLE001 - a bug of ours must not keep all other messages
            return [report.log_unexpected(error, news.event_id, f"message {message.id}")], [], None

    def _follow(
        self, news: DeploymentChange | TaskChange | ScanEnd | GroupChange | RemoteChange
    ) -> tuple[Sequence[PushResult], Results]:
        """Do what follows from a change of what pushes wait for; gives what failed of it, and what came of pushes."""
        if isinstance(news, TaskChange):
            from ecr_deploy import on_task  # noqa: PLC0415

            return on_task.end(self.environment, news)
        if isinstance(news, ScanEnd):
            from ecr_deploy import on_scan  # noqa: PLC0415

            return on_scan.end(self.environment, news)
        if isinstance(news, RemoteChange):
            from ecr_deploy import on_remote  # noqa: PLC0415

            return on_remote.track(self.environment, news)
        from ecr_deploy import on_rollout  # noqa: PLC0415

        return on_rollout.track(self.environment, news)

    def _dead_letter(self, message: Message) -> bool:
        return self._succeeds(lambda: self.environment.queue.dead_letter(message))

    @staticmethod
    def _succeeds(call: Callable[[], None]) -> bool:
        """Whether SQS did what it was asked for; where it did not, the log says why, and the message comes back."""
        try:
            call()
        except EcrDeployError as error:
            report.logger.error(str(error))
            return False
        return True


def _ended(push: Push, results: Results) -> Results:
    """What came of a push, and of what had to wait and came along, which is the business of the first message."""
    # A batch may hold the same push twice: each has its own results, which are the same.
    ended = [(pushed, result) for pushed, result in results if pushed == push][:1]
    if push == next((first for first, _ in results), None):
        ended += [(late, result) for late, result in results if late.origin == "memory"]
    return ended


def retries(ended: Results) -> Results:
    """The pushes that failed for now, each for just the targets where it did."""
    found = []
    for push, result in ended:
        if result.outcome is Outcome.FAILED and result.retry is not Retry.NEVER:
            targets = [target.target for target in result.targets if target.outcome is Outcome.FAILED and target.retry]
            found.append((push._replace(targets=frozenset(targets) if targets else push.targets), result))
    return found
