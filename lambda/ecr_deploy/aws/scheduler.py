"""What starts tasks on a schedule: rules of EventBridge's default bus, and the schedules of EventBridge Scheduler."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ecr_deploy.aws.calls import Api, Maybe, Shape, whole_items
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry

TARGETS_PER_PUT = 10
_MOST_PER_PAGE = 100
# What GetSchedule answers and UpdateSchedule does not take.
# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html
_GET_ONLY = frozenset({"Arn", "CreationDate", "LastModificationDate", "ResponseMetadata"})
_TARGET: dict[str, Shape] = {"Arn": str, "EcsParameters": Maybe({"TaskDefinitionArn": str})}


class Scheduler:
    """The account's rules and schedules in one region, whole.

    Methods that don't give errors raise CallError where AWS refuses or does not answer, and OutOfTimeError where the
    invocation would end first.
    """

    def __init__(self, events: Api, scheduler: Api) -> None:
        self._events = events
        self._scheduler = scheduler
        events.keep_whole("PutTargets", {"Rule": "-", "Targets": [{"Id": "-", "Arn": "-"}]})
        least = {
            "ScheduleExpression": "-",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "-", "RoleArn": "-"},
        }
        scheduler.keep_whole("UpdateSchedule", least)

    @property
    def partition(self) -> str:
        """The partition of all ARNs here."""
        return str(self._events.client.meta.partition)

    def rules(self, cluster: str) -> Iterator[str]:
        """The names of the rules with a target in a cluster (an ARN)."""
        pages = self._events.pages(
            "ListRuleNamesByTarget",
            cluster,
            {"RuleNames": [str]},
            "NextToken",
            TargetArn=cluster,
            Limit=_MOST_PER_PAGE,
        )
        return (name for page in pages for name in page["RuleNames"])

    def targets(self, rule: str) -> Iterator[dict[str, Any]]:
        """The targets of a rule, whole."""
        operation, subject = "ListTargetsByRule", f"the targets of rule {rule}"
        pages = self._events.pages(operation, f"rule {rule}", {"Targets": list}, "NextToken", Rule=rule)
        return (
            target
            for page in pages
            for target in whole_items(page["Targets"], {"Id": str, **_TARGET}, operation, subject)
        )

    def put(self, rule: str, targets: Sequence[Mapping[str, Any]]) -> dict[str, EcrDeployError]:
        """Replace targets of a rule; gives for those that stay as they were, by their id, why."""
        operation = "PutTargets"
        needs: Shape = {"FailedEntryCount": int, "FailedEntries": Maybe([{"TargetId": str}])}
        try:
            answer = self._events.call(operation, f"rule {rule}", needs, Rule=rule, Targets=targets)
        except EcrDeployError as error:
            return {target["Id"]: error for target in targets}
        return {
            entry["TargetId"]: CallError(
                f"PutTargets of rule {rule} was refused: {entry.get('ErrorCode')}: {entry.get('ErrorMessage', '')}",
                operation,
                str(entry.get("ErrorCode")),
                Retry.LATER,
            )
            for entry in answer.get("FailedEntries") or ()
        }

    def schedules(self) -> Iterator[dict[str, Any]]:
        """All schedules, as far as their list goes."""
        operation = "ListSchedules"
        whole: Shape = {"GroupName": str, "Name": str, "Target": {"Arn": str}}
        pages = self._scheduler.pages(
            operation, "the account", {"Schedules": list}, "NextToken", MaxResults=_MOST_PER_PAGE
        )
        return (
            schedule for page in pages for schedule in whole_items(page["Schedules"], whole, operation, "the schedules")
        )

    def schedule(self, group: str, name: str) -> dict[str, Any]:
        """One schedule, whole."""
        needs: Shape = {"GroupName": str, "Name": str, "ScheduleExpression": str, "Target": _TARGET}
        return self._scheduler.call("GetSchedule", f"schedule {group}/{name}", needs, GroupName=group, Name=name)

    def update(self, schedule: Mapping[str, Any]) -> EcrDeployError | None:
        """Replace a schedule; gives why it stays as it was, if it does."""
        subject = f"schedule {schedule['GroupName']}/{schedule['Name']}"
        request = {member: value for member, value in schedule.items() if member not in _GET_ONLY}
        try:
            self._scheduler.call("UpdateSchedule", subject, {"ScheduleArn": str}, **request)
        except EcrDeployError as error:
            return error
        return None
