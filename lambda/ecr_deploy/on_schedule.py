"""The scheduled run: rollouts that nobody reported, pushes that had to wait, and pushes whose events were lost."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ecr_deploy import fleet_reader, follow_ups, on_push, reconcile, report, tasks_first
from ecr_deploy.aws import ecr
from ecr_deploy.aws.calls import WORKERS
from ecr_deploy.aws.table import Known
from ecr_deploy.core import admission
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry
from ecr_deploy.core.events import Tick
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.settings import Settings
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment
from ecr_deploy.rollout_watch import RolloutResult, Watch


def run(environment: Environment, tick: Tick) -> tuple[list[PushResult], Results]:
    """Do what is due by the schedule; gives what failed of it, and what came of pushes."""
    event_id = tick.event_id
    try:
        settings = environment.settings_now(environment.settings)
        members, unknown = fleet_reader.read_fleet(environment, settings)
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"reading the fleet: {error}", error)], []
    problems = [] if settings.dry_run else follow_ups.on_schedule(environment, event_id, members, unknown)
    if not settings.dry_run:
        problems += _watch(environment, event_id, members)
        if settings.rules.run_before():
            try:
                failed_tasks, ended = tasks_first.look_after(environment, event_id)
                problems += failed_tasks
                tasks_first.tell(environment, ended)
                settings = environment.settings_now(environment.settings)
            except EcrDeployError as error:
                problems.append(report.log_failed(event_id, f"looking after tasks: {error}", error))
    managed = [member for member in members if not admission.obstacle(member, settings)]
    memories, failed = on_push.read_memories(environment, event_id, managed, settings)
    problems += failed
    known = [member for member in managed if member.target in memories]
    pushes = reconcile.remembered(known, memories, settings.rules, event_id)
    if settings.reconcile:
        try:
            pushes += _missing(environment, event_id, known, memories, settings)
        except EcrDeployError as error:
            problems.append(report.log_failed(event_id, f"reconciling: {error}", error))
    return problems, on_push.deploy(environment, pushes, environment.settings)


def adopt(environment: Environment) -> list[Target]:
    """Record what runs where nothing is recorded, and deploy nothing; gives what was recorded for the first time.

    Raises:
        EcrDeployError: what runs can't be read, or not be written down.

    """
    settings = environment.settings
    members, _ = fleet_reader.read_fleet(environment, settings)
    found = fleet_reader.read_memories(members, (), environment, settings)
    new = {target: known for target, known in found.items() if isinstance(known, Known) and known.version == 0}
    for written in environment.table.write(new).values():
        if isinstance(written, EcrDeployError):
            raise written
    return sorted(new)


def _missing(
    environment: Environment,
    event_id: str,
    members: Sequence[Member],
    memories: dict[Target, Memory],
    settings: Settings,
) -> list[Push]:
    tagged = _tagged(environment, reconcile.repositories(members, settings.rules))
    pushes = reconcile.missing(members, memories, tagged, settings.rules, event_id)
    report.log_reconciled(event_id, len(tagged), len(pushes))
    return pushes


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
