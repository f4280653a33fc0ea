"""A push: deployed, followed up, and reported."""

from collections.abc import Iterable, Sequence

from ecr_deploy import deployer, fleet_reader, follow_ups, reconcile, report
from ecr_deploy.aws.table import Known
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.outcomes import Outcome, PushResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.rules import Scope
from ecr_deploy.core.settings import Settings
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment


def deploy(environment: Environment, pushes: Sequence[Push], settings: Settings) -> Results:
    """Deploy pushes together, and give what came of each; whatever goes wrong is a result, too.

    After those of the pushes come the results of others that had to wait, and came along.
    """
    if not pushes:
        return []
    try:
        results = _deploy(environment, pushes, settings)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not end an invocation without a word for each push
        failed = report.log_unexpected(error, *report.name(pushes))
        if len(pushes) > 1:
            # What one of them brought to light must not keep the others.
            return [result for push in pushes for result in deploy(environment, [push], settings)]
        results = [(push, failed) for push in pushes]
    news = [(push, result) for push, result in results if not _is_known(push, result)]
    for push, result in news:
        report.log(push, result, dry_run=settings.dry_run)
    follow_ups.report_pushes(environment, [push for push, _ in news], [result for _, result in news], settings)
    return results


def deploy_waiting(
    environment: Environment, event_id: str, targets: Iterable[Target]
) -> tuple[list[PushResult], Results]:
    """Deploy what had to wait on targets; gives what failed of it, and what came of pushes."""
    try:
        settings = environment.settings_now(environment.settings)
        services = [service for target in targets if (service := environment.ecs.service(target))]
        members, _ = fleet_reader.read_members(services, environment)
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"looking for what waits: {error}", error)], []
    memories, problems = read_memories(environment, event_id, members, settings)
    known = [member for member in members if member.target in memories]
    pushes = reconcile.remembered(known, memories, settings.rules, event_id)
    return problems, deploy(environment, pushes, environment.settings)


def deploy_waiting_in(environment: Environment, event_id: str, cluster: str) -> tuple[list[PushResult], Results]:
    """Deploy what had to wait in a cluster; gives what failed of it, and what came of pushes."""
    rules = environment.settings.rules.within(Scope(clusters=(cluster,)))
    try:
        services = list(environment.ecs.services(rules))
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"looking for what waits: {error}", error)], []
    return deploy_waiting(environment, event_id, [service.target for service in services])


def read_memories(
    environment: Environment, event_id: str, members: Sequence[Member], settings: Settings
) -> tuple[dict[Target, Memory], list[PushResult]]:
    """What is known of members; one that was never seen is recorded as it runs."""
    memories: dict[Target, Memory] = {}
    problems: list[PushResult] = []
    found = fleet_reader.read_memories(members, (), environment, settings)
    readable = {target: known for target, known in found.items() if isinstance(known, Known)}
    written = dict(readable) if settings.dry_run else environment.table.write(readable)
    for target in found:
        known = written.get(target, found[target])
        if isinstance(known, EcrDeployError):
            problems.append(report.log_failed(event_id, f"remembering {target.name}: {known}", known))
        else:
            memories[target] = known.memory
    return memories, problems


def _deploy(environment: Environment, pushes: Sequence[Push], settings: Settings) -> Results:
    try:
        settings = environment.settings_now(settings)
        results = deployer.deploy(pushes, environment, settings)
    except EcrDeployError as error:
        return [(push, PushResult.failed(error)) for push in pushes]
    if settings.rules.run_before() and not settings.dry_run:
        from ecr_deploy import tasks_first  # noqa: PLC0415 - few need it

        results = tasks_first.begin(environment, results, settings)
    deployed = [push for push, _ in results]
    ended = follow_ups.after_push(environment, deployed, [result for _, result in results], settings)
    return list(zip(deployed, ended, strict=True))


def _is_known(push: Push, result: PushResult) -> bool:
    """Whether all was said of a push that still waits, or came to nothing after it had waited."""
    return push.origin == "memory" and result.outcome not in {Outcome.DEPLOYED, Outcome.FAILED}
