"""What had to wait on targets: deployed as any push once what it waited for is over."""

from collections.abc import Iterable, Sequence

from ecr_deploy import fleet_reader, memory_reader, on_push, reconcile, report, scans, stages
from ecr_deploy.aws.table import Known
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.core.rules import Scope
from ecr_deploy.core.settings import Settings
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment


def deploy(environment: Environment, event_id: str, targets: Iterable[Target]) -> tuple[list[PushResult], Results]:
    """Deploy what had to wait on targets; gives what failed of it, and what came of pushes."""
    try:
        settings = environment.settings_now(environment.settings)
        services = [service for target in targets if (service := environment.ecs.service(target))]
        members, _ = fleet_reader.read_members(services, environment)
        known, memories, settings, problems = look_at(environment, event_id, members, settings)
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"looking for what waits: {error}", error)], []
    pushes = reconcile.remembered(known, memories, settings.rules, event_id)
    return problems, on_push.deploy(environment, pushes, environment.settings)


def deploy_in(environment: Environment, event_id: str, cluster: str) -> tuple[list[PushResult], Results]:
    """Deploy what had to wait in a cluster; gives what failed of it, and what came of pushes."""
    rules = environment.settings.rules.within(Scope(clusters=(cluster,)))
    try:
        services = list(environment.ecs.services(rules))
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"looking for what waits: {error}", error)], []
    return deploy(environment, event_id, [service.target for service in services])


def look_at(
    environment: Environment, event_id: str, members: Sequence[Member], settings: Settings
) -> tuple[list[Member], dict[Target, Memory], Settings, list[PushResult]]:
    """What is known of members, and of what their pushes wait for.

    Gives those that can be read, their memories, the settings with what stages say, and what failed of it. A member
    that was never seen is recorded as it runs.
    """
    memories: dict[Target, Memory] = {}
    problems: list[PushResult] = []
    found = memory_reader.read_memories(members, (), environment, settings)
    readable = {target: known for target, known in found.items() if isinstance(known, Known)}
    written = dict(readable) if settings.dry_run else environment.table.write(readable)
    for target in found:
        known = written.get(target, found[target])
        if isinstance(known, EcrDeployError):
            problems.append(report.log_failed(event_id, f"remembering {target.name}: {known}", known))
        else:
            memories[target] = known.memory
    settings = environment.frozen(settings)
    known_members = [member for member in members if member.target in memories]
    try:
        settings = stages.look_at(environment, settings, reconcile.repositories(known_members, settings.rules))
        settings = scans.look_at(environment, settings, memories.values(), ())
    except EcrDeployError as error:
        # What waits for a stage or a scan waits on.
        problems.append(report.log_failed(event_id, f"looking at stages and scans: {error}", error))
    return known_members, memories, settings, problems
