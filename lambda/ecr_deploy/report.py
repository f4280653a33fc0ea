"""Reports: what came of each push, as the answer to a request, as a log line, and as metrics.

A log line is metrics too: CloudWatch takes them from its `_aws` member.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import logging
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ecr_deploy.core import records
from ecr_deploy.core.errors import EcrDeployError, Retry
from ecr_deploy.core.fields import InvalidEventError
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.freezes import Freeze
from ecr_deploy.core.news import NoPush
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult, TaskResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import BAD, Rollout, State

if TYPE_CHECKING:
    from ecr_deploy.rollout_watch import RolloutResult

logger = logging.getLogger("ecr_deploy")
logger.setLevel(logging.INFO)

_NAMESPACE = "ecr-deploy"


def answer(results: Iterable[tuple[Push | NoPush, PushResult]], *, dry_run: bool) -> dict[str, Any]:
    """The answer to an operator's request or a bare event."""
    return {"dry_run": dry_run, "pushes": [_format_push(push, result) for push, result in results]}


def log(push: Push | NoPush, result: PushResult, *, dry_run: bool) -> None:
    """Write the one line, and the metrics, that say how a push ended."""
    formatted = _format_push(push, result)
    updated = sum(target.outcome is Outcome.DEPLOYED for target in result.targets if target.target.cluster)
    # One that only ran out of time goes on, and counts when it ends.
    metrics = {"Pushes": int(result.retry is not Retry.AT_ONCE), "ServicesUpdated": 0 if dry_run else updated}
    if updated and not dry_run and isinstance(push, Push):
        metrics["PushToUpdateSeconds"] = max(0, round(time.time() - push.record.pushed_at.timestamp()))
    text = f"{formatted['image'] or 'event'}: {result.outcome}" + (f": {result.reason}" if result.reason else "")
    fields = {**formatted, "event_id": push.event_id, "dry_run": dry_run, **_measure(metrics, str(result.outcome))}
    quiet = logging.WARNING if result.suspicious else logging.INFO
    logger.log(logging.ERROR if result.outcome is Outcome.FAILED else quiet, text, extra=fields)


def log_rollout(event_id: str, result: "RolloutResult", now: datetime) -> None:
    """Write the one line, and the metrics, that say how a rollout ended."""
    formatted = format_rollout(result)
    # What was asked for is no trouble.
    is_trouble = result.state in BAD and not result.is_requested
    metrics = {"Rollouts": 1, **({"FailedRollouts": 1} if is_trouble else {})}
    if result.state is State.LIVE and result.record:
        metrics["PushToLiveSeconds"] = max(0, round((now - result.record.pushed_at).total_seconds()))
    where = f"{result.target.name} in cluster {result.target.cluster}"
    reason = f": {result.reason}" if result.reason else ""
    fields = {**formatted, "event_id": event_id, **_measure(metrics, formatted["outcome"])}
    level = logging.ERROR if is_trouble else logging.INFO
    text = f"{formatted['image'] or result.rollout.after_name}: {result.state} on {where}{reason}"
    logger.log(level, text, extra=fields)


def format_rollout(result: "RolloutResult") -> dict[str, Any]:
    """Format what became of a rollout for an answer or a log line."""
    record = result.record
    return {
        "image": f"{record.repository}:{record.tag}" if record else None,
        "digest": record.digest if record else None,
        "cluster": result.target.cluster,
        "service": result.target.name,
        "outcome": str(result.state),
        "reason": result.reason,
        "from": result.rollout.before_name,
        "to": result.rollout.after_name,
        "by": result.by if result.is_requested else result.rollout.by,
    }


def format_past(rollout: Rollout) -> dict[str, Any]:
    """Format a rollout of a history."""
    return {
        "from": rollout.before_name,
        "to": rollout.after_name,
        "state": str(rollout.state),
        "started_at": records.format_time(rollout.started_at),
        "since": records.format_time(rollout.since),
        "reason": rollout.reason,
        "by": rollout.by,
        "deployment": rollout.id,
        "images": [
            {"image": push.image, "digest": push.digest, "pushed_at": records.format_time(push.pushed_at)}
            for push in sorted(rollout.pushes, key=lambda push: push.pushed_at, reverse=True)
        ],
    }


def format_wait(push: Record, reason: Reason) -> dict[str, Any]:
    """Format a push that waits."""
    return {
        "image": f"{push.repository}:{push.tag}",
        "digest": push.digest,
        "pushed_at": records.format_time(push.pushed_at),
        **_format_reason(reason),
    }


def format_freeze(freeze: Freeze) -> dict[str, Any]:
    """Format what is frozen."""
    return {
        "clusters": list(freeze.clusters),
        "services": list(freeze.services),
        "reason": freeze.reason,
        "by": freeze.by,
        "at": records.format_time(freeze.at),
        "until": records.format_time(freeze.until) if freeze.until else None,
    }


def log_frozen(freeze: Freeze, text: str) -> None:
    """Write what somebody froze, or what is frozen no longer."""
    logger.info("%s: %s", text, freeze, extra=format_freeze(freeze))


def log_failed(event_id: str, text: str, error: EcrDeployError, *, quiet: bool = False) -> PushResult:
    """Write the one line of news, or of a follow-up, that failed, and give that as a result."""
    result = PushResult(Outcome.FAILED, Reason(error.kind, text), retry=error.retry)
    if quiet:
        logger.warning(text, extra={"event_id": event_id})
    else:
        log(NoPush(text, event_id), result, dry_run=False)
    return result


def log_unexpected(error: Exception, event_id: str, subject: str) -> PushResult:
    """Write a bug of ours with its traceback, and what it was about, and give it as a result."""
    text = f"unexpected: {error!r}"
    fields = {"event_id": event_id, "image": subject, "outcome": str(Outcome.FAILED)}
    logger.error("%s: %s", subject, text, exc_info=error, extra=fields)
    return PushResult(Outcome.FAILED, Reason("unexpected", text), retry=Retry.LATER)


def log_invalid(error: InvalidEventError, event: object, message_id: str) -> None:
    """Write the one line that names the field and the value of an event that can't be understood."""
    event_id = event.get("id") if isinstance(event, Mapping) else None
    fields = {"event_id": str(event_id or message_id), "field": error.field, "value": error.value}
    logger.error(str(error), extra={**fields, "outcome": str(Outcome.FAILED)})


def name(pushes: Sequence[Push]) -> tuple[str, str]:
    """Name pushes in a line that is about all of them: their events and their images."""
    return ", ".join(push.event_id for push in pushes), ", ".join(push.image for push in pushes)


def log_reconciled(event_id: str, repositories: int, missing: int) -> None:
    """Write what a reconciliation found before it mends it."""
    text = f"reconciled {repositories} repositories: {missing} pushes were missing"
    fields = {"event_id": event_id, "repositories": repositories, "missing": missing}
    logger.info(text, extra={**fields, **_measure({"Reconciliations": 1})})


def log_waits(event_id: str, waits: Collection[tuple[Target, Record, Reason]], now: datetime) -> None:
    """Write how many pushes wait, and for how long the oldest has, since it was pushed."""
    oldest = min((push.pushed_at for _, push, _ in waits), default=now)
    metrics = {"OldestWaitSeconds": max(0, round((now - oldest).total_seconds()))}
    text = f"what waits: {len(waits)} pushes"
    logger.info(text, extra={"event_id": event_id, "waiting": len(waits), **_measure(metrics)})


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
    """Format the members of a line that make it metrics; by outcome, too, where there is one."""
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


def _format_push(push: Push | NoPush, result: PushResult) -> dict[str, Any]:
    formatted: dict[str, Any] = {
        "image": push.image,
        "digest": push.record.digest if isinstance(push, Push) else None,
        "outcome": str(result.outcome),
        **_format_reason(result.reason),
        "services": [
            {"cluster": target.target.cluster, "service": target.target.name, **_format(target)}
            for target in result.targets
            if target.target.cluster
        ],
        "families": [
            {"family": target.target.name, **_format(target)} for target in result.targets if not target.target.cluster
        ],
    }
    if result.scheduled_tasks is not None:
        formatted["scheduled_tasks"] = [{**task.place, **_format_end(task)} for task in result.scheduled_tasks]
    return formatted


def _format(result: TargetResult) -> dict[str, Any]:
    images = [{"container": change.container, "from": change.before, "to": change.after} for change in result.changes]
    gates = [
        {"gate": gate, "open": hold is None, "reason": hold.text if hold else None}
        for gate, hold in result.gates.items()
    ]
    return {**_format_end(result), "base": result.base, "images": images, **({"gates": gates} if gates else {})}


def _format_end(result: "TargetResult | TaskResult") -> dict[str, Any]:
    return {
        "outcome": str(result.outcome),
        **_format_reason(result.reason),
        "from": result.before,
        "to": result.after,
    }


def _format_reason(reason: Reason | None) -> dict[str, str | None]:
    return {"reason": reason.text if reason else None, "reason_kind": reason.kind if reason else None}
