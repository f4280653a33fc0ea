"""Scheduled tasks: rules and schedules whose target names a revision are moved to the new revision of its family.

Rules are those of the default event bus, which alone runs any on a schedule; schedules are those of all groups.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from ecr_deploy.aws.scheduler import TARGETS_PER_PUT
from ecr_deploy.core.errors import INCOMPLETE, CallError, EcrDeployError
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TaskResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.follow_ups import FollowUp

_REVISION = re.compile(r"(?P<path>.+:task-definition/)(?P<family>[^/:]+):(?P<number>[0-9]+)")
_ONE_TIME = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?)\)")
# How far the last time zone is behind UTC.
_LAST_MIDNIGHT = timedelta(hours=12)

_GONE = Reason("deleted", "it was deleted meanwhile")

_Item = TypeVar("_Item")


class Goal(NamedTuple):
    """A revision that a push has brought to a family: to a service in a cluster, or to a family without any service.

    `number` is infinite for a revision that only a dry run speaks of.
    """

    push: Push
    cluster: str | None
    family: str
    number: float


class Move(NamedTuple):
    """A target as it is to be from now on, and the pushes that want it so; revisions are `family:number`."""

    target: Mapping[str, Any]
    before: str
    after: str | None
    pushes: frozenset[Push]


def reached(pushes: Iterable[Push], results: Iterable[PushResult]) -> list[Goal]:
    """The revisions that the pushes' results name, of services and families that are where their push wants them."""
    return [
        Goal(push, target.target.cluster, _family(target.before), _number(target.after))
        for push, result in zip(pushes, results, strict=True)
        for target in result.targets
        if target.outcome in {Outcome.DEPLOYED, Outcome.UNCHANGED} and target.before
    ]


def choose(target: Mapping[str, Any], goals: Iterable[Goal], rules: Rules) -> Move | None:
    """Where a target belongs that names a revision older than what pushes brought; None if it stays as it is.

    What the services of its own cluster run counts, and that of others only where it has none of the family.
    """
    named = _REVISION.fullmatch((target.get("EcsParameters") or {}).get("TaskDefinitionArn", ""))
    if named is None:
        return None
    cluster = _last_part(target["Arn"])
    fitting = [
        goal for goal in goals if goal.family == named["family"] and rules.allows_into(goal.push.record, cluster)
    ]
    near = [goal for goal in fitting if goal.cluster == cluster] or fitting
    number = max((goal.number for goal in near), default=0)
    if number <= int(named["number"]):
        return None
    after = None if number == math.inf else f"{named['family']}:{number}"
    parameters = {**target["EcsParameters"], "TaskDefinitionArn": f"{named['path']}{after}"}
    pushes = frozenset(goal.push for goal in fitting)
    return Move({**target, "EcsParameters": parameters}, f"{named['family']}:{named['number']}", after, pushes)


def is_over(schedule: Mapping[str, Any], now: datetime) -> bool:
    """Whether a schedule never runs again, in whatever time zone: there is no need to touch it."""
    if once := _ONE_TIME.fullmatch(schedule["ScheduleExpression"]):
        # `now` moves, because the other may be the last second of all.
        return datetime.fromisoformat(once[1]).replace(tzinfo=UTC) < now - _LAST_MIDNIGHT
    end = schedule.get("EndDate")
    return isinstance(end, int | float) and end < now.timestamp()


class ScheduledTasks(FollowUp):
    """Moves what is scheduled to the revisions that pushes brought; what can't be moved fails the pushes."""

    def after_push(self, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings) -> list[PushResult]:
        """Move what names older revisions than the results do."""
        goals = reached(pushes, results)
        moving = _Moving(self.environment, goals, settings)
        if goals:
            moving.run()
        return [_with(result, moving.of(push)) for push, result in zip(pushes, results, strict=True)]


class _Moving:
    """One run through everything that is scheduled in scope, and what came of it."""

    def __init__(self, environment: Environment, goals: Sequence[Goal], settings: Settings) -> None:
        self._environment = environment
        self._scheduler = environment.scheduler
        self._goals = goals
        self._pushes = frozenset(goal.push for goal in goals)
        self._settings = settings
        self._results: list[tuple[frozenset[Push], TaskResult]] = []

    def of(self, push: Push) -> tuple[TaskResult, ...]:
        """What came of the push."""
        return tuple(result for pushes, result in self._results if push in pushes)

    def run(self) -> None:
        """Read rules and schedules one by one, and write each before the next is read."""
        no_rule, no_schedule = {"rule": None, "target": None}, {"schedule": None}
        clusters = self._read(no_rule, self._environment.cluster_arns, self._settings.rules)
        rules = (name for cluster in clusters for name in self._read(no_rule, self._scheduler.rules, cluster))
        for rule in dict.fromkeys(rules):
            self._move_targets(rule, clusters)
        if clusters:
            for summary in self._read(no_schedule, self._scheduler.schedules):
                if summary["Target"]["Arn"] in clusters:
                    self._move_schedule(summary["GroupName"], summary["Name"])

    def _move_targets(self, rule: str, clusters: Iterable[str]) -> None:
        targets = self._read({"rule": rule, "target": None}, self._scheduler.targets, rule)
        wanted = (self._choose(target) for target in targets if target["Arn"] in clusters)
        moves = (move for move in wanted if move)
        while batch := list(islice(moves, TARGETS_PER_PUT)):
            dry = self._settings.dry_run
            problems = {} if dry else self._scheduler.put(rule, [move.target for move in batch])
            for move in batch:
                target = str(move.target["Id"])
                self._note({"rule": rule, "target": target}, move, problems.get(target))

    def _move_schedule(self, group: str, name: str) -> None:
        place = {"schedule": f"{group}/{name}"}
        for schedule in self._read(place, lambda: [self._scheduler.schedule(group, name)]):
            move = None if is_over(schedule, self._environment.now()) else self._choose(schedule["Target"])
            if move:
                dry = self._settings.dry_run
                self._note(place, move, None if dry else self._scheduler.update({**schedule, "Target": move.target}))

    def _choose(self, target: Mapping[str, Any]) -> Move | None:
        return choose(target, self._goals, self._settings.rules)

    def _read(
        self, place: Mapping[str, str | None], read: Callable[..., Iterable[_Item]], *arguments: Any
    ) -> list[_Item]:
        """What could be read; where that is nothing, why is among the results."""
        try:
            return list(read(*arguments))
        except EcrDeployError as error:
            if isinstance(error, CallError) and (error.operation, error.code) == ("GetSchedule", INCOMPLETE):
                self._results.append((self._pushes, TaskResult(place, Outcome.SKIPPED, Reason.of(error))))
            elif not _is_gone(error):
                result = TaskResult(place, Outcome.FAILED, Reason.of(error), retry=error.retry)
                self._results.append((self._pushes, result))
            return []

    def _note(self, place: Mapping[str, str | None], move: Move, problem: EcrDeployError | None) -> None:
        if problem is None:
            result = TaskResult(place, Outcome.DEPLOYED, None, move.before, move.after)
        elif _is_gone(problem):
            result = TaskResult(place, Outcome.SKIPPED, _GONE, move.before, move.before)
        else:
            result = TaskResult(place, Outcome.FAILED, Reason.of(problem), move.before, move.before, problem.retry)
        self._results.append((move.pushes, result))


def _with(result: PushResult, tasks: tuple[TaskResult, ...]) -> PushResult:
    """The result of a push with that of scheduled tasks; their failure is its failure."""
    result = result._replace(scheduled_tasks=tasks)
    failed = [task for task in tasks if task.outcome is Outcome.FAILED]
    if not failed:
        return result
    retry = max(result.retry, *(task.retry for task in failed))
    reason = result.reason if result.outcome is Outcome.FAILED else failed[0].reason
    return result._replace(outcome=Outcome.FAILED, reason=reason, retry=retry)


def _is_gone(error: EcrDeployError) -> bool:
    return isinstance(error, CallError) and error.code == "ResourceNotFoundException"


def _family(revision: str) -> str:
    return revision.rpartition(":")[0]


def _number(revision: str | None) -> float:
    return int(revision.rpartition(":")[2]) if revision else math.inf


def _last_part(arn: str) -> str:
    return arn.rpartition("/")[2]
