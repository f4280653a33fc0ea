"""The bus: events that tell others what becomes of pushes and rollouts; schemas/deployment.v1.json describes them."""

import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.aws import calls
from ecr_deploy.core import records
from ecr_deploy.core.errors import CallError, Retry
from ecr_deploy.core.events import Push
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult
from ecr_deploy.core.records import Record
from ecr_deploy.rollout_watch import RolloutResult

SOURCE = "ecr-deploy"
_VERSION = 1
_ENTRIES_PER_CALL = 10

Event = tuple[str, dict[str, Any]]

_DETAIL_TYPES = {
    "deployed": "Deployment Started",
    "superseded": "Deployment Superseded",
    "waiting": "Deployment Waiting",
    "failed": "Deployment Failed",
    "live": "Deployment Live",
    "rolled-back": "Deployment Rolled Back",
}


class Bus:
    """The account's default event bus."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._make_client = client
        self._client: Any = None

    def put(self, events: Sequence[Event]) -> None:
        """Put events on the bus.

        Raises:
            CallError: EventBridge did not take them all.

        """
        if events and self._client is None:
            self._client = self._make_client()
        for start in range(0, len(events), _ENTRIES_PER_CALL):
            entries = [
                {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail)}
                for detail_type, detail in events[start : start + _ENTRIES_PER_CALL]
            ]
            try:
                answer = self._client.put_events(Entries=entries)
            except (ClientError, BotoCoreError) as error:
                raise calls.explain(error, "PutEvents", "the default event bus") from error
            for entry in answer["Entries"]:
                if "ErrorCode" in entry:
                    message = f"PutEvents was refused: {entry['ErrorCode']}: {entry.get('ErrorMessage', '')}"
                    raise CallError(message, "PutEvents", entry["ErrorCode"], Retry.LATER)


def of_push(push: Push, result: PushResult, *, given_up: bool) -> list[Event]:
    """The events of a push: one for each target, and one for all where it failed elsewhere than at a target.

    A failure that is tried again is told once it is `given_up`, and then it alone.
    """
    told = [_of_target(push, one) for one in result.targets if _tries_again(one) is given_up]
    explained = any(one.outcome is Outcome.FAILED for one in result.targets)
    if result.outcome is Outcome.FAILED and not explained and _tries_again(result) is given_up:
        told.append(_event("failed", push.record, None, None, None, result.reason))
    return [event for event in told if event]


def of_rollout(result: RolloutResult, now: datetime) -> list[Event]:
    """The event of a rollout that ended."""
    reason = Reason(str(result.state), result.reason) if result.reason else None
    event = _event(str(result.state), result.record, result.target, result.before, str(result.revision), reason)
    if result.record:
        event[1]["seconds_since_push"] = max(0, int((now - result.record.pushed_at).total_seconds()))
    return [event]


def _tries_again(result: TargetResult | PushResult) -> bool:
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
        "pushed_at": records.spell_time(record.pushed_at) if record else None,
        "seconds_since_push": None,
        "cluster": target.cluster if target else None,
        "service": target.name if target and is_service else None,
        "family": target.name if target and not is_service else None,
        "from": before,
        "to": after,
        "reason": reason.text if reason else None,
        "reason_kind": reason.kind if reason else None,
    }
