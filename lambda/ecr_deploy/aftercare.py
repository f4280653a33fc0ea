"""After the update: what ECS says of rollouts, and what the schedule's turn brings to light."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from ecr_deploy import deployer, reconcile, report
from ecr_deploy.aws import ecr, event_bus
from ecr_deploy.core import planner, rollouts
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry
from ecr_deploy.core.events import DeploymentChange, GroupChange, NoPush, Tick
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult
from ecr_deploy.core.records import Record
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import Scope
from ecr_deploy.core.settings import Settings
from ecr_deploy.rollout_watch import RolloutResult, Watch

if TYPE_CHECKING:
    from ecr_deploy.door import Door


def follow(door: "Door", change: DeploymentChange) -> list[PushResult]:
    """Tell how rollouts of a service ended; deploy what had to wait for one that was rolled back."""
    return [] if door.settings.dry_run else _follow(door, change.target, change.event_id)


def follow_group(door: "Door", change: GroupChange) -> list[PushResult]:
    """The same for a service that CodeDeploy rolls out; a push waits for every end of a deployment there."""
    if door.settings.dry_run or door.codedeploy is None:
        return []
    try:
        targets = door.codedeploy.services(change.application, change.group)
    except EcrDeployError as error:
        return [_failed(door, change.event_id, f"following {change.application}: {error}", error.retry)]
    reached = [target for target in targets if door.settings.rules.reaches(target)]
    return [result for target in reached for result in _follow(door, target, change.event_id, waits=True)]


def _follow(door: "Door", target: Target, event_id: str, *, waits: bool = False) -> list[PushResult]:
    settings = door.settings
    try:
        results = Watch(door.ecs, settings, door.now(), door.codedeploy).follow(target)
        tell(door, event_id, results, [target])
        problems = []
        if settings.rules.promote() and _is_live(door, target):
            problems = _promote(door, event_id, *deployer.read_fleet(door.ecs, settings))
    except EcrDeployError as error:
        return [_failed(door, event_id, f"following {target.name}: {error}", error.retry)]
    if waits or any(result.state is State.ROLLED_BACK for result in results):
        scope = Scope((target.cluster or "",), (target.name,))
        problems += _reconcile(door, event_id, settings._replace(rules=settings.rules.within(scope)))
    return problems


def turn(door: "Door", tick: Tick) -> list[PushResult]:
    """Take the schedule's turn."""
    return _reconcile(door, tick.event_id, door.settings, is_turn=True)


def _reconcile(door: "Door", event_id: str, settings: Settings, *, is_turn: bool = False) -> list[PushResult]:
    """Deploy what the registries hold and services should run, but don't."""
    try:
        settings = door.settings_now(settings)
        members, unknown = deployer.read_fleet(door.ecs, settings)
        problems = []
        if is_turn and not settings.dry_run:
            problems = _watch(door, event_id, members, settings) + _promote(door, event_id, members, unknown)
        if is_turn and not settings.reconcile:
            return problems
        members = [member for member in members if not planner.obstacle(member, settings)]
        tagged = _tagged(door, reconcile.repositories(members, settings.rules))
    except EcrDeployError as error:
        return [_failed(door, event_id, f"reconciling: {error}", error.retry)]
    pushes = reconcile.missing(members, tagged, settings.rules, now=door.now(), event_id=event_id)
    report.log_reconciled(event_id, len(tagged), len(pushes), is_turn=is_turn)
    return problems + door.deploy(pushes, door.settings)


def _watch(door: "Door", event_id: str, members: Iterable[Member], settings: Settings) -> list[PushResult]:
    if settings.image_parameter_prefix:
        from ecr_deploy.follow_ups import image_parameters  # noqa: PLC0415

        image_parameters.write(door, members)
    results = Watch(door.ecs, settings, door.now(), door.codedeploy).look_after(members)
    told = [result for result in results if isinstance(result, RolloutResult)]
    tell(door, event_id, told, [result.target for result in told])
    errors = [result for result in results if isinstance(result, CallError)]
    return [_failed(door, event_id, f"looking after rollouts: {error}", error.retry) for error in errors]


def tell(door: "Door", event_id: str, results: Sequence[RolloutResult], targets: Sequence[Target]) -> None:
    """Report rollouts that ended, and write what the targets run now.

    Raises:
        CallError: that can't be written.

    """
    for result in results:
        report.log_rollout(event_id, result, door.now())
        door.announce(event_bus.of_rollout(result, door.now()))
    if door.settings.image_parameter_prefix:
        from ecr_deploy.follow_ups import image_parameters  # noqa: PLC0415

        image_parameters.refresh(door, targets)
    _deregister(door, event_id, {result.revision.family for result in results if result.state is State.LIVE})


def _deregister(door: "Door", event_id: str, families: Collection[str]) -> None:
    """Deregister the old revisions of families that have a new one live."""
    keep = door.settings.keep_revisions
    if keep is None or not families:
        return
    from ecr_deploy.follow_ups import old_revisions  # noqa: PLC0415

    try:
        for revision in old_revisions.deregister(families, keep, door.ecs, door.scheduled_tasks, door.settings):
            report.log_deregistered(event_id, revision)
    except EcrDeployError as error:
        # No push has to wait for it: the next rollout of the family comes back to it.
        report.logger.warning("old revisions of %s stay: %s", ", ".join(sorted(families)), error)


def _is_live(door: "Door", target: Target) -> bool:
    """Whether a service has one of our rollouts behind it, however often we are told."""
    service = door.ecs.service(target)
    rollout = rollouts.read(door.ecs.revision(service.revision).tags, target) if service else None
    return rollout is not None and rollout.state is State.LIVE


def _promote(
    door: "Door", event_id: str, members: Iterable[Member], unknown: Iterable[TargetResult]
) -> list[PushResult]:
    """Give the tags of rules to what is live everywhere in them; of what is unknown nobody can say so."""
    rules = door.settings.rules
    if not rules.promote():
        return []
    if unsure := [one for one in unknown if one.outcome is Outcome.FAILED]:
        return [_failed(door, event_id, f"promoting: {unsure[0].reason}", unsure[0].retry)]
    from ecr_deploy.follow_ups import promotion  # noqa: PLC0415

    problems = []
    for image, tag in promotion.due([one for one in members if not planner.obstacle(one, door.settings)], rules):
        try:
            if ecr.promote(door.client("ecr", region_name=image.repository.region), image, tag):
                report.log_promoted(event_id, image, tag)
        except CallError as error:
            problems.append(_failed(door, event_id, f"promoting {image.repository}: {error}", error.retry))
    return problems


def _failed(door: "Door", event_id: str, reason: str, retry: Retry) -> PushResult:
    result = PushResult(Outcome.FAILED, Reason("refused", reason), retry=retry)
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
