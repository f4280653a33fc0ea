"""Scheduled tasks: EventBridge rules and schedules whose target names a revision follow its family to a new one.

Rules are those of the default event bus, which alone runs any on a schedule; schedules are those of all groups.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.aws import calls, raw_json
from ecr_deploy.aws.ecs import Ecs
from ecr_deploy.aws.pacing import Pacer
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry
from ecr_deploy.core.events import Push
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TaskResult
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings

# All calls can be repeated without harm, so boto3 may do it.
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=20)
_MOST_PER_PAGE = 100
_TARGETS_PER_PUT = 10
# What GetSchedule answers and UpdateSchedule does not take.
# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html
_GET_ONLY = frozenset({"Arn", "CreationDate", "LastModificationDate", "ResponseMetadata"})
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
        Goal(push, one.target.cluster, _family(one.before), _number(one.after))
        for push, result in zip(pushes, results, strict=True)
        for one in result.targets
        if one.outcome in {Outcome.DEPLOYED, Outcome.UNCHANGED} and one.before
    ]


def choose(target: Mapping[str, Any], goals: Iterable[Goal], rules: Rules) -> Move | None:
    """Where a target belongs that names a revision older than what pushes brought; None if it stays as it is.

    What the services of its own cluster run counts, and that of others only where it has none of the family.
    """
    named = _REVISION.fullmatch(target.get("EcsParameters", {}).get("TaskDefinitionArn", ""))
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
        return datetime.fromisoformat(once[1]).replace(tzinfo=UTC) + _LAST_MIDNIGHT < now
    end = schedule.get("EndDate")
    return end is not None and end < now.timestamp()


class ScheduledTasks:
    """The account's scheduled tasks in one region; the clients for them are made when they are first needed."""

    def __init__(self, client: Callable[..., Any], region: str, ecs: Ecs, pacer: Pacer) -> None:
        self._make_client = client
        self._region = region
        self._ecs = ecs
        self._pacer = pacer

    def follow(
        self, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings, now: datetime
    ) -> list[PushResult]:
        """Move what names older revisions than the results do; gives the results with what came of that."""
        goals = reached(pushes, results)
        turn = _Turn(self, goals, settings, now)
        if goals:
            turn.take()
        return [_with(result, turn.of(push)) for push, result in zip(pushes, results, strict=True)]

    def clusters(self, settings: Settings) -> list[str]:
        """The ARNs of the clusters in scope."""
        arn = f"arn:{self._events.meta.partition}:ecs:{self._region}:{settings.account_id}:cluster"
        return [f"{arn}/{name}" for name in self._ecs.clusters(settings.rules)]

    def revisions(self, settings: Settings) -> set[str]:
        """The ARNs of the revisions that targets in the clusters in scope name.

        Raises:
            EcrDeployError: not all could be read.

        """
        clusters = self.clusters(settings)
        rules = dict.fromkeys(rule for cluster in clusters for rule in self.rules(cluster))
        targets = [target for rule in rules for target in self.targets(rule)]
        ours = (one for one in self.schedules() if one["Target"]["Arn"] in clusters)
        targets += [whole["Target"] for one in ours for whole in self.schedule(one["GroupName"], one["Name"])]
        return {target["EcsParameters"]["TaskDefinitionArn"] for target in targets if "EcsParameters" in target}

    def rules(self, cluster: str) -> Iterator[str]:
        """The names of the rules with a target in a cluster."""
        pages = self._pages(self._events, "ListRuleNamesByTarget", cluster, TargetArn=cluster, Limit=_MOST_PER_PAGE)
        return (name for page in pages for name in page["RuleNames"])

    def targets(self, rule: str) -> Iterator[dict[str, Any]]:
        """The targets of a rule, whole."""
        pages = self._pages(self._events, "ListTargetsByRule", f"rule {rule}", Rule=rule)
        return (target for page in pages for target in page["Targets"])

    def put(self, rule: str, targets: Sequence[Mapping[str, Any]]) -> dict[str, EcrDeployError]:
        """Replace targets of a rule; gives for those that stay as they were, by their id, why."""
        try:
            answer = self._call(self._events, "PutTargets", f"rule {rule}", Rule=rule, Targets=targets)
        except EcrDeployError as error:
            return {target["Id"]: error for target in targets}
        return {
            one["TargetId"]: CallError(
                f"PutTargets of rule {rule} was refused: {one['ErrorCode']}: {one.get('ErrorMessage', '')}",
                "PutTargets",
                one["ErrorCode"],
                Retry.LATER,
            )
            for one in answer.get("FailedEntries", ())
        }

    def schedules(self) -> Iterator[dict[str, Any]]:
        """All schedules, as far as their list tells of them."""
        pages = self._pages(self._scheduler, "ListSchedules", "the account", MaxResults=_MOST_PER_PAGE)
        return (schedule for page in pages for schedule in page["Schedules"])

    def schedule(self, group: str, name: str) -> Iterator[dict[str, Any]]:
        """One schedule, whole."""
        yield self._call(self._scheduler, "GetSchedule", f"schedule {group}/{name}", GroupName=group, Name=name)

    def update(self, schedule: Mapping[str, Any]) -> EcrDeployError | None:
        """Replace a schedule; gives why it stays as it was, if it does."""
        subject = f"schedule {schedule['GroupName']}/{schedule['Name']}"
        request = {member: value for member, value in schedule.items() if member not in _GET_ONLY}
        try:
            self._call(self._scheduler, "UpdateSchedule", subject, **request)
        except EcrDeployError as error:
            return error
        return None

    @cached_property
    def _events(self) -> Any:
        client = self._make_client("events", config=_CONFIG)
        raw_json.keep_whole(client, "PutTargets", {"Rule": "-", "Targets": [{"Id": "-", "Arn": "-"}]})
        return client

    @cached_property
    def _scheduler(self) -> Any:
        client = self._make_client("scheduler", config=_CONFIG)
        least = {
            "ScheduleExpression": "-",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "-", "RoleArn": "-"},
        }
        raw_json.keep_whole(client, "UpdateSchedule", least)
        return client

    def _pages(self, client: Any, operation: str, subject: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        answer = self._call(client, operation, subject, **arguments)
        yield answer
        while token := answer.get("NextToken"):
            answer = self._call(client, operation, subject, NextToken=token, **arguments)
            yield answer

    def _call(self, client: Any, operation: str, subject: str, **arguments: Any) -> dict[str, Any]:
        # It raises OutOfTimeError where the invocation would end first.
        self._pacer.pause(0)
        try:
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**arguments)
        except (ClientError, BotoCoreError) as error:
            raise calls.explain(error, operation, subject) from error
        return answer


class _Turn:
    """One look at everything that is scheduled in scope, and what came of it."""

    def __init__(self, tasks: ScheduledTasks, goals: Sequence[Goal], settings: Settings, now: datetime) -> None:
        self._tasks = tasks
        self._goals = goals
        self._settings = settings
        self._now = now
        self._told: list[tuple[frozenset[Push], TaskResult]] = []

    def of(self, push: Push) -> tuple[TaskResult, ...]:
        """What came of the push."""
        return tuple(result for pushes, result in self._told if push in pushes)

    def take(self) -> None:
        """Read rules and schedules one by one, and write each before the next is read."""
        no_rule, no_schedule = {"rule": None, "target": None}, {"schedule": None}
        clusters = self._read(no_rule, self._tasks.clusters, self._settings)
        for rule in dict.fromkeys(name for one in clusters for name in self._read(no_rule, self._tasks.rules, one)):
            self._move_targets(rule, clusters)
        if clusters:
            for summary in self._read(no_schedule, self._tasks.schedules):
                if summary["Target"]["Arn"] in clusters:
                    self._move_schedule(summary["GroupName"], summary["Name"])

    def _move_targets(self, rule: str, clusters: Iterable[str]) -> None:
        targets = self._read({"rule": rule, "target": None}, self._tasks.targets, rule)
        wanted = (self._choose(target) for target in targets if target["Arn"] in clusters)
        moves = (move for move in wanted if move)
        while batch := list(islice(moves, _TARGETS_PER_PUT)):
            dry = self._settings.dry_run
            problems = {} if dry else self._tasks.put(rule, [move.target for move in batch])
            for move in batch:
                target = str(move.target["Id"])
                self._tell({"rule": rule, "target": target}, move, problems.get(target))

    def _move_schedule(self, group: str, name: str) -> None:
        place = {"schedule": f"{group}/{name}"}
        for schedule in self._read(place, self._tasks.schedule, group, name):
            move = None if is_over(schedule, self._now) else self._choose(schedule["Target"])
            if move:
                dry = self._settings.dry_run
                self._tell(place, move, None if dry else self._tasks.update({**schedule, "Target": move.target}))

    def _choose(self, target: Mapping[str, Any]) -> Move | None:
        return choose(target, self._goals, self._settings.rules)

    def _read(
        self, place: Mapping[str, str | None], read: Callable[..., Iterable[_Item]], *arguments: Any
    ) -> list[_Item]:
        """What could be read; where that is nothing, it is told why."""
        try:
            return list(read(*arguments))
        except EcrDeployError as error:
            if not _is_gone(error):
                result = TaskResult(place, Outcome.FAILED, Reason.of(error), retry=error.retry)
                self._told.append((frozenset(goal.push for goal in self._goals), result))
            return []

    def _tell(self, place: Mapping[str, str | None], move: Move, problem: EcrDeployError | None) -> None:
        if problem is None:
            result = TaskResult(place, Outcome.DEPLOYED, None, move.before, move.after)
        elif _is_gone(problem):
            result = TaskResult(place, Outcome.SKIPPED, _GONE, move.before, move.before)
        else:
            result = TaskResult(place, Outcome.FAILED, Reason.of(problem), move.before, move.before, problem.retry)
        self._told.append((move.pushes, result))


def _with(result: PushResult, tasks: tuple[TaskResult, ...]) -> PushResult:
    """The result of a push with that of scheduled tasks; their failure is its failure."""
    result = result._replace(scheduled_tasks=tasks)
    failed = [one for one in tasks if one.outcome is Outcome.FAILED]
    if not failed:
        return result
    retry = max(result.retry, *(one.retry for one in failed))
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
