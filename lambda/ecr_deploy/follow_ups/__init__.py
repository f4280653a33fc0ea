"""Follow-ups: what else is done once services are updated, or their rollouts have ended.

To add one, write a file with a class that is a FollowUp, and give it a row in TABLE.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ecr_deploy import report
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment

if TYPE_CHECKING:
    from ecr_deploy.rollout_watch import RolloutResult


Wait = tuple[Target, Record, Reason]
"""A push that has to wait on a target, and what it waits for."""


class FollowUp:
    """Something that is done at some of five moments; one that has nothing to do at a moment leaves it as it is.

    Every method may raise EcrDeployError; what that means stands in the table.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def after_push(self, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings) -> list[PushResult]:
        """Act on what came of pushes, and give the results with what came of that; `settings` may be a dry run's."""
        del pushes, settings
        return list(results)

    def after_rollouts(self, event_id: str, results: Sequence["RolloutResult"], targets: Sequence[Target]) -> None:
        """Act on how rollouts ended; `targets` are all services in question, those without a new end included."""

    def on_schedule(self, event_id: str, members: Sequence[Member], unknown: Sequence[TargetResult]) -> None:
        """Act on what is in scope, by the schedule; of what is `unknown` ECS would not say what it runs."""

    def on_waits(self, event_id: str, waits: Sequence[Wait]) -> None:
        """Act on what has to wait, as the schedule finds it."""

    def after_giving_up(self, push: Push, result: PushResult) -> None:
        """Act on a push that is tried no more."""


class Row(NamedTuple):
    """A follow-up: where it is, when it acts, and what its failure means.

    `moments` are the methods of FollowUp that it has. One that `fails` makes the push or the news that it follows
    fail, to be retried; the failure of another is only logged.
    """

    module: str
    name: str
    moments: frozenset[str]
    is_on: Callable[[Settings], bool]
    fails: bool

    def __str__(self) -> str:
        """Name the follow-up in a message."""
        return self.module.rpartition(".")[2].replace("_", " ")


# In the order in which they act.
TABLE = (
    Row(
        ".scheduled_tasks",
        "ScheduledTasks",
        frozenset({"after_push"}),
        lambda settings: settings.scheduled_tasks,
        fails=True,
    ),
    Row(
        ".image_parameters",
        "ImageParameters",
        frozenset({"after_push", "after_rollouts", "on_schedule"}),
        lambda settings: settings.image_parameter_prefix is not None,
        fails=True,
    ),
    Row(
        ".bus_events",
        "BusEvents",
        frozenset({"after_push", "after_rollouts", "after_giving_up"}),
        lambda _: True,
        fails=False,
    ),
    Row(
        ".notifications",
        "Notifications",
        frozenset({"after_push", "after_rollouts", "on_schedule", "on_waits", "after_giving_up"}),
        lambda settings: bool(settings.topics or settings.chat_topics),
        fails=False,
    ),
    Row(
        ".old_revisions",
        "OldRevisions",
        frozenset({"after_rollouts"}),
        lambda settings: settings.keep_revisions is not None,
        fails=False,
    ),
    Row(
        ".promotion",
        "Promotion",
        frozenset({"after_rollouts", "on_schedule"}),
        lambda settings: bool(settings.rules.promote()),
        fails=True,
    ),
)


def after_push(
    environment: Environment, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings
) -> list[PushResult]:
    """Run the follow-ups of pushes that may fail them; gives the results with what came of that."""
    results = list(results)
    for row, follow_up in _acting("after_push", environment):
        if row.fails:
            try:
                results = follow_up.after_push(pushes, results, settings)
            except EcrDeployError as error:
                failed = PushResult.failed(error)
                results = [_fail(result, failed) if result.targets else result for result in results]
    return results


def report_pushes(
    environment: Environment, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings
) -> None:
    """Run the follow-ups of pushes that can't fail them."""
    for row, follow_up in _acting("after_push", environment):
        if not row.fails:
            _attempt(row, partial(follow_up.after_push, pushes, results, settings), *report.name(pushes))


def after_rollouts(
    environment: Environment, event_id: str, results: Sequence["RolloutResult"], targets: Sequence[Target]
) -> list[PushResult]:
    """Report rollouts that ended, and run their follow-ups; gives the failures of those that may fail."""
    for result in results:
        report.log_rollout(event_id, result, environment.now())
    return _run_all(
        "after_rollouts", environment, event_id, lambda follow_up: follow_up.after_rollouts(event_id, results, targets)
    )


def on_schedule(
    environment: Environment, event_id: str, members: Sequence[Member], unknown: Sequence[TargetResult]
) -> list[PushResult]:
    """Run the follow-ups of the schedule; gives the failures of those that may fail."""
    return _run_all(
        "on_schedule", environment, event_id, lambda follow_up: follow_up.on_schedule(event_id, members, unknown)
    )


def on_waits(environment: Environment, event_id: str, waits: Sequence[Wait]) -> list[PushResult]:
    """Run the follow-ups of what has to wait; gives the failures of those that may fail."""
    return _run_all("on_waits", environment, event_id, lambda follow_up: follow_up.on_waits(event_id, waits))


def after_giving_up(environment: Environment, push: Push, result: PushResult) -> None:
    """Run the follow-ups of a push that is tried no more; none can fail it any more."""
    for row, follow_up in _acting("after_giving_up", environment):
        _attempt(row, partial(follow_up.after_giving_up, push, result), *report.name([push]))


def _acting(moment: str, environment: Environment) -> Iterator[tuple[Row, FollowUp]]:
    """The follow-ups that are on and act at a moment; no other is imported."""
    for row in TABLE:
        if moment in row.moments and row.is_on(environment.settings):
            yield row, getattr(import_module(row.module, __name__), row.name)(environment)


def _run_all(moment: str, environment: Environment, event_id: str, act: Callable[[FollowUp], None]) -> list[PushResult]:
    ended = [
        (row, _attempt(row, partial(act, follow_up), event_id, str(row)))
        for row, follow_up in _acting(moment, environment)
    ]
    return [result for row, result in ended if result and row.fails]


def _attempt(row: Row, act: Callable[[], object], event_id: str, image: str) -> PushResult | None:
    """Act; gives the failure, which the log has, or None."""
    try:
        act()
    except EcrDeployError as error:
        return report.log_failed(event_id, f"{row}: {error}", error, quiet=not row.fails)
    except Exception as error:  # noqa: BLE001 - a bug in what comes after must not undo what was done
        return report.log_unexpected(error, event_id, image)
    return None


def _fail(result: PushResult, failed: PushResult) -> PushResult:
    return result._replace(outcome=Outcome.FAILED, reason=failed.reason, retry=failed.retry)
