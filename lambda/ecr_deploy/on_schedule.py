"""The scheduled run: rollouts that nobody reported, and pushes whose events were lost."""

from collections.abc import Iterable, Sequence

from ecr_deploy import deployer, follow_ups, on_push, reconcile, report
from ecr_deploy.aws import ecr
from ecr_deploy.core import admission
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry
from ecr_deploy.core.events import Tick
from ecr_deploy.core.fleet import Member
from ecr_deploy.core.images import Repository
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.core.records import Record
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.rollout_watch import RolloutResult, Watch


def run(environment: Environment, tick: Tick) -> list[PushResult]:
    """Do what is due by the schedule; gives what came of it, failures among it."""
    settings, problems = environment.settings, []
    try:
        members, unknown = deployer.read_fleet(environment.ecs, settings)
    except EcrDeployError as error:
        return [report.log_failed(tick.event_id, f"reading the fleet: {error}", error)]
    if not settings.dry_run:
        problems = follow_ups.on_schedule(environment, tick.event_id, members, unknown)
        problems += _watch(environment, tick.event_id, members)
    if settings.reconcile:
        problems += deploy_missed(environment, tick.event_id, settings, members)
    return problems


def deploy_missed(
    environment: Environment, event_id: str, settings: Settings, members: Sequence[Member] | None = None
) -> list[PushResult]:
    """Deploy what the registries hold and services should run, but don't.

    `members` is what the scheduled run has found in scope; without it, the fleet is read first.
    """
    scheduled = members is not None
    try:
        settings = environment.settings_now(settings)
        if members is None:
            members, _ = deployer.read_fleet(environment.ecs, settings)
        members = [member for member in members if not admission.obstacle(member, settings)]
        tagged = _tagged(environment, reconcile.repositories(members, settings.rules))
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"reconciling: {error}", error)]
    pushes = reconcile.missing(members, tagged, settings.rules, now=environment.now(), event_id=event_id)
    report.log_reconciled(event_id, len(tagged), len(pushes), scheduled=scheduled)
    return on_push.deploy(environment, pushes, environment.settings)


def _watch(environment: Environment, event_id: str, members: Iterable[Member]) -> list[PushResult]:
    watch = Watch(environment.ecs, environment.settings, environment.now(), environment.controllers)
    try:
        results = watch.look_after(members)
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"watching rollouts: {error}", error)]
    ended = [result for result in results if isinstance(result, RolloutResult)]
    problems = follow_ups.after_rollouts(environment, event_id, ended, [result.target for result in ended])
    errors = [result for result in results if isinstance(result, CallError)]
    return problems + [report.log_failed(event_id, f"watching rollouts: {error}", error) for error in errors]


def _tagged(environment: Environment, repositories: Iterable[Repository]) -> dict[Repository, list[Record]]:
    tagged = {}
    for repository in repositories:
        try:
            tagged[repository] = ecr.tagged(environment.registry(repository.region), repository)
        except CallError as error:
            # One registry that is closed to us must not keep the others from being read.
            if error.retry is not Retry.NEVER:
                raise
            report.logger.warning(str(error))
    return tagged
