"""The scheduled run: rollouts that nobody reported, pushes that had to wait, and pushes whose events were lost."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ecr_deploy import (
    deployer,
    fleet_reader,
    follow_ups,
    memory_reader,
    on_push,
    reconcile,
    report,
    tasks_first,
    waiting,
)
from ecr_deploy.aws import ecr
from ecr_deploy.aws.calls import WORKERS, batched
from ecr_deploy.aws.table import Known
from ecr_deploy.core import admission, memory
from ecr_deploy.core.errors import CallError, EcrDeployError, OutOfTimeError, Retry
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.news import Tick
from ecr_deploy.core.outcomes import PushResult, Reason
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.rules import Scope
from ecr_deploy.core.settings import Settings
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment
from ecr_deploy.follow_ups import Wait
from ecr_deploy.rollout_watch import RolloutResult, Watch

_REPOSITORIES_AT_ONCE = 100


class Forecast(NamedTuple):
    """What would come of pushes, what waits for what, and how many targets were looked at."""

    results: Results
    waits: list[tuple[Target, Record, Reason]]
    looked_at: int


def run(environment: Environment, tick: Tick) -> tuple[list[PushResult], Results, str | None]:
    """Do what is due by the schedule, or the next slice of it.

    Gives what failed of it, what came of pushes, and the body of a message that does the rest.
    """
    event_id, began_at = tick.event_id, tick.began_at or environment.now()
    before = environment.ecs.progress()
    try:
        settings = environment.settings_now(environment.settings)
        with environment.slice():
            members, unknown = fleet_reader.read_fleet(environment, settings, tick.began_at)
    except OutOfTimeError as error:
        if environment.ecs.progress() > before:
            return [], [], tick.rest(began_at, tick.done)
        return [report.log_failed(event_id, f"reading the fleet: {error}", error)], [], None
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"reading the fleet: {error}", error)], [], None
    problems: list[PushResult] = []
    if tick.done is None and not settings.dry_run:
        problems += follow_ups.on_schedule(environment, event_id, members, unknown)
        problems += _watch(environment, event_id, members)
        if settings.rules.run_before():
            try:
                failed_tasks, ended = tasks_first.look_after(environment, event_id)
                problems += failed_tasks
                tasks_first.report_failed(environment, ended)
                settings = environment.settings_now(environment.settings)
            except EcrDeployError as error:
                problems.append(report.log_failed(event_id, f"looking after tasks: {error}", error))
    managed = admission.managed(members, settings)
    known, memories, settings, failed = waiting.look_at(environment, event_id, managed, settings)
    problems += failed
    problems += _report_waits(environment, tick, reconcile.waits(known, memories, settings.rules))
    pushes = [] if tick.done else reconcile.remembered(known, memories, settings.rules, event_id)
    done = None
    if settings.reconcile:
        try:
            found, done = _missing(environment, tick, known, memories, settings)
            pushes += found
        except EcrDeployError as error:
            problems.append(report.log_failed(event_id, f"reconciling: {error}", error))
    results = on_push.deploy(environment, pushes, environment.settings)
    return problems, results, tick.rest(began_at, done) if done else None


def adopt(environment: Environment) -> list[Target]:
    """Record what runs where nothing is recorded, and deploy nothing; gives what was recorded for the first time.

    Raises:
        EcrDeployError: what runs can't be read, or not be written down.

    """
    settings = environment.settings
    members, _ = fleet_reader.read_fleet(environment, settings)
    found = memory_reader.read_memories(members, (), environment, settings)
    new = {target: known for target, known in found.items() if isinstance(known, Known) and known.version == 0}
    for written in environment.table.write(new).values():
        if isinstance(written, EcrDeployError):
            raise written
    return sorted(new)


def plan(environment: Environment, scope: Scope, *, adopted_long_ago: bool) -> Forecast:
    """Say what a run would do now, and do nothing.

    With `adopted_long_ago` no push is too old to have been missed.

    Raises:
        EcrDeployError: what runs, or what was pushed, can't be read.

    """
    settings = environment.settings_now(environment.settings)
    settings = settings._replace(rules=settings.rules.within(scope), dry_run=True)
    members, _ = fleet_reader.read_fleet(environment, settings)
    managed = admission.managed(members, settings)
    known, memories, settings, _ = waiting.look_at(environment, "plan", managed, settings)
    if adopted_long_ago:
        memories = {target: memory.adopted_long_ago(remembered) for target, remembered in memories.items()}
    pushes = reconcile.remembered(known, memories, settings.rules, "plan")
    if settings.reconcile or adopted_long_ago:
        tagged = _tagged(environment, reconcile.repositories(known, settings.rules))
        pushes += reconcile.missing(known, memories, tagged, settings.rules, "plan")
    results = deployer.deploy(pushes, environment, settings)
    return Forecast(results, list(reconcile.waits(known, memories, settings.rules)), len(members))


def _missing(
    environment: Environment,
    tick: Tick,
    members: Sequence[Member],
    memories: dict[Target, Memory],
    settings: Settings,
) -> tuple[list[Push], str | None]:
    """The pushes that were missed, and the last repository that was looked at where time is over for the others."""
    found = {str(repository): repository for repository in reconcile.repositories(members, settings.rules)}
    names = sorted(name for name in found if tick.done is None or name > tick.done)
    pushes: list[Push] = []
    looked_at = 0
    with environment.slice():
        for batch in batched(names, _REPOSITORIES_AT_ONCE):
            try:
                tagged = _tagged(environment, [found[name] for name in batch])
            except OutOfTimeError:
                if not looked_at:
                    raise
                break
            pushes += reconcile.missing(members, memories, tagged, settings.rules, tick.event_id)
            looked_at += len(batch)
    report.log_reconciled(tick.event_id, looked_at, len(pushes))
    return pushes, names[looked_at - 1] if 0 < looked_at < len(names) else None


def _report_waits(environment: Environment, tick: Tick, found: Iterable[Wait]) -> list[PushResult]:
    """Report what has to wait, once in a run."""
    if tick.done is not None:
        return []
    waits = list(found)
    report.log_waits(tick.event_id, waits, environment.now())
    return [] if environment.settings.dry_run else follow_ups.on_waits(environment, tick.event_id, waits)


def _watch(environment: Environment, event_id: str, members: Iterable[Member]) -> list[PushResult]:
    try:
        results = Watch(environment, environment.settings).watch(members)
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"watching rollouts: {error}", error)]
    ended = [result for result in results if isinstance(result, RolloutResult)]
    problems = [
        report.log_failed(event_id, f"watching rollouts: {error}", error)
        for error in results
        if isinstance(error, EcrDeployError)
    ]
    problems += follow_ups.after_rollouts(environment, event_id, ended, [result.target for result in ended])
    return problems


def _tagged(environment: Environment, repositories: Iterable[Repository]) -> dict[Repository, list[Record]]:
    """All tags of repositories, but of those whose registry is closed to us."""

    def read(repository: Repository) -> list[Record] | None:
        try:
            return ecr.tagged(environment.registry(repository.region), repository)
        except CallError as error:
            # One registry that is closed to us must not keep the others from being looked at.
            if error.retry is not Retry.NEVER:
                raise
            report.logger.warning(str(error))
            return None

    repositories = list(repositories)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="registry") as pool:
        found = zip(repositories, pool.map(read, repositories), strict=True)
        return {repository: tags for repository, tags in found if tags is not None}
