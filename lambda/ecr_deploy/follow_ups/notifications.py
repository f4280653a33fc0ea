"""Notifications: events on the bus say what becomes of pushes and rollouts.

schemas/deployment.v1.json describes them.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ecr_deploy.aws import event_bus
from ecr_deploy.aws.event_bus import Event
from ecr_deploy.core import records
from ecr_deploy.core.errors import Retry
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.settings import Settings
from ecr_deploy.follow_ups import FollowUp

if TYPE_CHECKING:
    from ecr_deploy.rollout_watch import RolloutResult

_VERSION = 1
_DETAIL_TYPES = {
    "deployed": "Deployment Started",
    "superseded": "Deployment Superseded",
    "waiting": "Deployment Waiting",
    "failed": "Deployment Failed",
    "live": "Deployment Live",
    "rolled-back": "Deployment Rolled Back",
}


class Notifications(FollowUp):
    """Puts an event on the bus for each target of a push, and for each rollout that ended."""

    def after_push(self, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings) -> list[PushResult]:
        """Notify of pushes; those that are retried only once they are given up."""
        if not settings.dry_run:
            ended = zip(pushes, results, strict=True)
            found = [event for push, result in ended for event in of_push(push, result, given_up=False)]
            event_bus.put(self.environment.event_bus, found)
        return list(results)

    def after_rollouts(self, event_id: str, results: Sequence["RolloutResult"], targets: Sequence[Target]) -> None:
        """Notify of rollouts that ended."""
        del event_id, targets
        now = self.environment.now()
        event_bus.put(self.environment.event_bus, [of_rollout(result, now) for result in results])

    def after_giving_up(self, push: Push, result: PushResult) -> None:
        """Notify of a push that is retried no more."""
        if not self.environment.settings.dry_run:
            event_bus.put(self.environment.event_bus, of_push(push, result, given_up=True))


def of_push(push: Push, result: PushResult, *, given_up: bool) -> list[Event]:
    """The events of a push: one for each target, and one for all where it failed elsewhere than at a target.

    A failure that is retried is reported once it is `given_up`, and then it alone.
    """
    found = [_of_target(push, target) for target in result.targets if _is_retried(target) is given_up]
    explained = any(target.outcome is Outcome.FAILED for target in result.targets)
    if result.outcome is Outcome.FAILED and not explained and _is_retried(result) is given_up:
        found.append(_event("failed", push.record, None, None, None, result.reason))
    return [event for event in found if event]


def of_rollout(result: "RolloutResult", now: datetime) -> Event:
    """The event of a rollout that ended."""
    reason = Reason(str(result.state), result.reason) if result.reason else None
    rollout = result.rollout
    event = _event(str(rollout.state), result.record, result.target, rollout.before_name, rollout.after_name, reason)
    if result.record:
        event[1]["seconds_since_push"] = max(0, int((now - result.record.pushed_at).total_seconds()))
    return event


def _is_retried(result: TargetResult | PushResult) -> bool:
    return result.outcome is Outcome.FAILED and result.retry is not Retry.NEVER


def _of_target(push: Push, result: TargetResult) -> Event | None:
    outcome = str(result.outcome)
    if outcome not in _DETAIL_TYPES:
        return None
    return _event(outcome, push.record, result.target, result.before, result.after, result.reason)


def _event(  # noqa: PLR0913, PLR0917 - the members of the event
    outcome: str,
    record: Record | None,
    target: Target | None,
    before: str | None,
    after: str | None,
    reason: Reason | None,
) -> Event:
    detail_type = _DETAIL_TYPES[outcome]
    is_service = target is not None and target.cluster is not None
    return detail_type, {
        "version": _VERSION,
        "function": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        "outcome": "started" if outcome == "deployed" else outcome,
        "image": f"{record.repository}:{record.tag}" if record else None,
        "digest": record.digest if record else None,
        "pushed_at": records.format_time(record.pushed_at) if record else None,
        "seconds_since_push": None,
        "cluster": target.cluster if target else None,
        "service": target.name if target and is_service else None,
        "family": target.name if target and not is_service else None,
        "from": before,
        "to": after,
        "reason": reason.text if reason else None,
        "reason_kind": reason.kind if reason else None,
    }
