"""After the update: what ECS says of rollouts, and what the schedule's turn brings to light."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import bus, deployer, ecr, planner, reconcile, report
from .deployer import PushResult
from .errors import CallError, EcrDeployError, Retry
from .events import DeploymentChange, NoPush, Tick
from .images import Repository
from .planner import Member, Outcome
from .records import Record
from .rollouts import State
from .rules import Scope
from .settings import Settings
from .watch import RolloutResult, Watch

if TYPE_CHECKING:
    from .handler import Door


def follow(door: "Door", change: DeploymentChange) -> list[PushResult]:
    """Tell how rollouts of a service ended; deploy what had to wait for one that was rolled back."""
    if door.settings.dry_run:
        return []
    try:
        results = Watch(door.ecs, door.settings, door.now(), door.codedeploy).follow(change.target)
    except EcrDeployError as error:
        return [_failed(door, change.event_id, f"following {change.target.name}: {error}", error.retry)]
    _tell(door, change.event_id, results)
    if all(result.state is not State.ROLLED_BACK for result in results):
        return []
    scope = Scope((change.target.cluster or "",), (change.target.name,))
    return _reconcile(door, change.event_id, door.settings._replace(rules=door.settings.rules.within(scope)))


def turn(door: "Door", tick: Tick) -> list[PushResult]:
    """Take the schedule's turn."""
    return _reconcile(door, tick.event_id, door.settings, is_turn=True)


def _reconcile(door: "Door", event_id: str, settings: Settings, *, is_turn: bool = False) -> list[PushResult]:
    """Deploy what the registries hold and services should run, but don't."""
    try:
        settings = door.settings_now(settings)
        members, _ = deployer.read_fleet(door.ecs, settings)
        problems = _watch(door, event_id, members, settings) if is_turn and not settings.dry_run else []
        if is_turn and not settings.reconcile:
            return problems
        members = [member for member in members if not planner.obstacle(member, settings)]
        tagged = _tagged(door, reconcile.repositories(members, settings.rules))
    except EcrDeployError as error:
        return [_failed(door, event_id, f"reconciling: {error}", error.retry)]
    pushes = reconcile.missing(members, tagged, settings.rules, now=door.now(), event_id=event_id)
    report.log_reconciled(event_id, len(tagged), len(pushes))
    return problems + door.deploy(pushes, door.settings)


def _watch(door: "Door", event_id: str, members: Iterable[Member], settings: Settings) -> list[PushResult]:
    results = Watch(door.ecs, settings, door.now(), door.codedeploy).look_after(members)
    _tell(door, event_id, [result for result in results if isinstance(result, RolloutResult)])
    errors = [result for result in results if isinstance(result, CallError)]
    return [_failed(door, event_id, f"looking after rollouts: {error}", error.retry) for error in errors]


def _tell(door: "Door", event_id: str, results: Iterable[RolloutResult]) -> None:
    for result in results:
        report.log_rollout(event_id, result, door.now())
        door.announce(bus.of_rollout(result, door.now()))


def _failed(door: "Door", event_id: str, reason: str, retry: Retry) -> PushResult:
    result = PushResult(Outcome.FAILED, reason, retry=retry)
    report.log(NoPush(reason, event_id), result, dry_run=door.settings.dry_run)
    return result


def _tagged(door: "Door", repositories: Iterable[Repository]) -> dict[Repository, list[Record]]:
    tagged = {}
    for repository in repositories:
        try:
            tagged[repository] = ecr.tagged(door.client("ecr", region_name=repository.region), repository)
        except CallError as error:
            # One registry that is closed to us must not keep the others from being looked at.
            if error.retry is not Retry.NEVER:
                raise
            report.logger.warning(str(error))
    return tagged
