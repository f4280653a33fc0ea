"""Reports: what came of each push, as the answer to a request, as a log line, and as metrics.

A log line is metrics too: CloudWatch takes them from its `_aws` member.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import logging
import os
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ecr_deploy.core.errors import Retry
from ecr_deploy.core.events import InvalidEventError, NoPush, Push
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult, TaskResult
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import BAD, State

if TYPE_CHECKING:
    from ecr_deploy.rollout_watch import RolloutResult

logger = logging.getLogger("ecr_deploy")
logger.setLevel(logging.INFO)

_NAMESPACE = "ecr-deploy"


def answer(results: Iterable[tuple[Push | NoPush, PushResult]], *, dry_run: bool) -> dict[str, Any]:
    """The answer to an operator's request or a bare event."""
    return {"dry_run": dry_run, "pushes": [_spell_push(push, result) for push, result in results]}


def log(push: Push | NoPush, result: PushResult, *, dry_run: bool) -> None:
    """Write the one line, and the metrics, that tell how a push ended."""
    spelled = _spell_push(push, result)
    updated = sum(one.outcome is Outcome.DEPLOYED for one in result.targets if one.target.cluster)
    # One that only ran out of time goes on, and counts when it ends.
    metrics = {"Pushes": int(result.retry is not Retry.AT_ONCE), "ServicesUpdated": 0 if dry_run else updated}
    if updated and not dry_run and isinstance(push, Push):
        metrics["PushToUpdateSeconds"] = max(0, round(time.time() - push.record.pushed_at.timestamp()))
    text = f"{spelled['image'] or 'event'}: {result.outcome}" + (f": {result.reason}" if result.reason else "")
    fields = {**spelled, "event_id": push.event_id, "dry_run": dry_run, **_measure(metrics, str(result.outcome))}
    quiet = logging.WARNING if result.suspicious else logging.INFO
    logger.log(logging.ERROR if result.outcome is Outcome.FAILED else quiet, text, extra=fields)


def log_rollout(event_id: str, result: "RolloutResult", now: datetime) -> None:
    """Write the one line, and the metrics, that tell how a rollout ended."""
    spelled = spell_rollout(result)
    metrics = {"Rollouts": 1}
    if result.state is State.LIVE and result.record:
        metrics["PushToLiveSeconds"] = max(0, round((now - result.record.pushed_at).total_seconds()))
    where = f"{result.target.name} in cluster {result.target.cluster}"
    reason = f": {result.reason}" if result.reason else ""
    fields = {**spelled, "event_id": event_id, **_measure(metrics, spelled["outcome"])}
    level = logging.ERROR if result.state in BAD else logging.INFO
    text = f"{spelled['image'] or result.revision}: {result.state} on {where}{reason}"
    logger.log(level, text, extra=fields)


def spell_rollout(result: "RolloutResult") -> dict[str, Any]:
    """Spell what became of a rollout for an answer or a log line."""
    record = result.record
    return {
        "image": f"{record.repository}:{record.tag}" if record else None,
        "digest": record.digest if record else None,
        "cluster": result.target.cluster,
        "service": result.target.name,
        "outcome": str(result.state),
        "reason": result.reason,
        "from": result.before,
        "to": str(result.revision),
    }


def log_invalid(error: InvalidEventError, event_id: str) -> None:
    """Write the one line that names the field and the value of an event that can't be understood."""
    logger.error(
        str(error), extra={"event_id": event_id, "field": error.field, "value": error.value, "outcome": "failed"}
    )


def of_failed(pushes: Sequence[Push]) -> dict[str, str]:
    """Spell what a line is about that is written before each of some pushes gets its own."""
    events, images = (push.event_id for push in pushes), (push.image for push in pushes)
    return {"event_id": ", ".join(events), "image": ", ".join(images), "outcome": str(Outcome.FAILED)}


def log_reconciled(event_id: str, repositories: int, missing: int, *, is_turn: bool) -> None:
    """Write what a reconciliation found before it mends it; those on the schedule are counted."""
    text = f"reconciled {repositories} repositories: {missing} pushes were missing"
    fields = {"event_id": event_id, "repositories": repositories, "missing": missing}
    logger.info(text, extra={**fields, **_measure({"Reconciliations": int(is_turn)})})


def log_promoted(event_id: str, image: Record, tag: str) -> None:
    """Write which image got a tag more."""
    place = f"{image.repository}:{image.tag}"
    fields = {
        "event_id": event_id,
        "image": place,
        "digest": image.digest,
        "outcome": str(State.LIVE),
        "promote_tag": tag,
    }
    logger.info("%s is live everywhere, and now %s, too", place, tag, extra=fields)


def log_deregistered(event_id: str, revision: Revision) -> None:
    """Write which old revision was deregistered."""
    logger.info("deregistered %s", revision, extra={"event_id": event_id, "revision": str(revision)})


def log_throttled(operations: Collection[str]) -> None:
    """Write which calls of an invocation ECS refused because there were too many, if any."""
    if operations:
        text = f"ECS throttled {len(operations)} calls: {', '.join(sorted(set(operations)))}"
        logger.warning(text, extra=_measure({"ThrottledCalls": len(operations)}))


def _measure(metrics: dict[str, int], outcome: str | None = None) -> dict[str, Any]:
    """Spell the members of a line that make it metrics; by outcome, too, where there is one."""
    dimensions = {"FunctionName": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")}
    sets = [["FunctionName"]]
    if outcome:
        dimensions["Outcome"] = outcome
        sets.append(["FunctionName", "Outcome"])
    directive = {
        "Namespace": _NAMESPACE,
        "Dimensions": sets,
        "Metrics": [{"Name": name, "Unit": "Seconds" if name.endswith("Seconds") else "Count"} for name in metrics],
    }
    return {
        **metrics,
        **dimensions,
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
    }


def _spell_push(push: Push | NoPush, result: PushResult) -> dict[str, Any]:
    spelled: dict[str, Any] = {
        "image": push.image,
        "digest": push.record.digest if isinstance(push, Push) else None,
        "outcome": str(result.outcome),
        **_format_reason(result.reason),
        "services": [
            {"cluster": one.target.cluster, "service": one.target.name, **_spell(one)}
            for one in result.targets
            if one.target.cluster
        ],
        "families": [{"family": one.target.name, **_spell(one)} for one in result.targets if not one.target.cluster],
    }
    if result.scheduled_tasks is not None:
        spelled["scheduled_tasks"] = [{**one.place, **_spell_end(one)} for one in result.scheduled_tasks]
    return spelled


def _spell(result: TargetResult) -> dict[str, Any]:
    images = [{"container": change.container, "from": change.before, "to": change.after} for change in result.changes]
    return {**_spell_end(result), "images": images}


def _spell_end(result: "TargetResult | TaskResult") -> dict[str, Any]:
    return {
        "outcome": str(result.outcome),
        **_format_reason(result.reason),
        "from": result.before,
        "to": result.after,
    }


def _format_reason(reason: Reason | None) -> dict[str, str | None]:
    return {"reason": reason.text if reason else None, "reason_kind": reason.kind if reason else None}
