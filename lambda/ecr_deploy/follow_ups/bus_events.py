"""Events on the account's default bus, which say what becomes of pushes and rollouts.

schemas/deployment.v1.json describes them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ecr_deploy.aws import event_bus
from ecr_deploy.aws.event_bus import Event
from ecr_deploy.core import images, records
from ecr_deploy.core.errors import Retry
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.news import DETAIL_TYPES
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.settings import Settings
from ecr_deploy.follow_ups import FollowUp

if TYPE_CHECKING:
    from ecr_deploy.rollout_watch import RolloutResult

_VERSION = 1


class BusEvents(FollowUp):
    """Puts an event on the bus for each target of a push, and for each rollout that ended."""

    def after_push(self, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings) -> list[PushResult]:
        """Report pushes; those that are retried only once they are given up."""
        if not settings.dry_run:
            ended = zip(pushes, results, strict=True)
            found = [event for push, result in ended for event in self._of_push(push, result, given_up=False)]
            event_bus.put(self.environment.event_bus, found)
        return list(results)

    def after_rollouts(self, event_id: str, results: Sequence["RolloutResult"], targets: Sequence[Target]) -> None:
        """Report rollouts that ended."""
        del event_id, targets
        event_bus.put(self.environment.event_bus, [event for result in results for event in self._of_rollout(result)])

    def after_giving_up(self, push: Push, result: PushResult) -> None:
        """Report a push that is retried no more."""
        if not self.environment.settings.dry_run:
            event_bus.put(self.environment.event_bus, self._of_push(push, result, given_up=True))

    def _of_push(self, push: Push, result: PushResult, *, given_up: bool) -> list[Event]:
        """The events of a push: one for each target, and one for all where it failed elsewhere than at a target.

        A failure that is retried is reported once it is `given_up`, and then it alone.
        """
        found = [
            self._of_target(push, target)
            for target in result.targets
            if str(target.outcome) in DETAIL_TYPES and _is_retried(target) is given_up
        ]
        explained = any(target.outcome is Outcome.FAILED for target in result.targets)
        if result.outcome is Outcome.FAILED and not explained and _is_retried(result) is given_up:
            found.append(self._event("failed", push.record, None, result.reason, trigger=push.trigger, by=push.by))
        return found

    def _of_target(self, push: Push, result: TargetResult) -> Event:
        return self._event(
            str(result.outcome),
            push.record,
            result.target,
            result.reason,
            trigger=push.trigger,
            by=push.by,
            previous_image=_previous(push.record, {change.container: change.before for change in result.changes}),
            deployment=result.deployment,
            **{"from": result.before, "to": result.after},
        )

    def _of_rollout(self, result: "RolloutResult") -> list[Event]:
        """The events of a rollout: one for each image that it brought, or one for what nobody pushed."""
        by_time = sorted(result.rollout.pushes, key=lambda push: push.pushed_at)
        # Of an image under several tags, the newest.
        images_of = {(push.repository, push.digest): push for push in by_time}
        return [self._of_image(result, push) for push in images_of.values() or (None,)]

    def _of_image(self, result: "RolloutResult", record: Record | None) -> Event:
        rollout = result.rollout
        passed = self.environment.now() - record.pushed_at if record else None
        return self._event(
            str(rollout.state),
            record,
            result.target,
            Reason(str(result.state), result.reason) if result.reason else None,
            trigger="rollback" if result.is_requested else rollout.trigger,
            by=result.by if result.is_requested else rollout.by,
            previous_image=_previous(record, rollout.images),
            deployment=rollout.id or None,
            seconds_since_push=None if passed is None else max(0, int(passed.total_seconds())),
            **{"from": rollout.before_name, "to": rollout.after_name},
        )

    def _event(
        self, outcome: str, record: Record | None, target: Target | None, reason: Reason | None, **members: Any
    ) -> Event:
        is_service = target is not None and target.cluster is not None
        detail = {
            "version": _VERSION,
            "function": self.environment.function_name,
            "account": self.environment.settings.account_id,
            "region": self.environment.region,
            "outcome": "started" if outcome == "deployed" else outcome,
            "trigger": None,
            "by": None,
            "image": f"{record.repository}:{record.tag}" if record else None,
            "digest": record.digest if record else None,
            "previous_image": None,
            "pushed_at": records.format_time(record.pushed_at) if record else None,
            "seconds_since_push": None,
            "cluster": target.cluster if target else None,
            "service": target.name if target and is_service else None,
            "family": target.name if target and not is_service else None,
            "from": None,
            "to": None,
            "deployment": None,
            "reason": reason.text if reason else None,
            "reason_kind": reason.kind if reason else None,
        }
        return DETAIL_TYPES[outcome], {**detail, **members}


def _is_retried(result: TargetResult | PushResult) -> bool:
    return result.outcome is Outcome.FAILED and result.retry is not Retry.NEVER


def _previous(record: Record | None, before: Mapping[str, str]) -> str | None:
    """The image that the push replaced, of those that containers ran before."""
    return next((image for image in before.values() if record and images.parse(image).ecr == record.repository), None)
