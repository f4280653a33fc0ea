"""Stages: where images must have been live before rules let them go on."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from ecr_deploy.aws.table import Known
from ecr_deploy.core import admission, remote
from ecr_deploy.core.desires import Desire
from ecr_deploy.core.errors import CallError
from ecr_deploy.core.fleet import Service, Target
from ecr_deploy.core.gates import Report, Stage
from ecr_deploy.core.images import Repository, parse
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment


def look_at(environment: Environment, settings: Settings, repositories: Iterable[Repository]) -> Settings:
    """Give the settings with what the stages of rules say of repositories; nothing is read where rules have none.

    Raises:
        EcrDeployError: ECS or the table does not say what is live there.

    """
    wanted = {(stage, repository) for repository in repositories for stage in settings.rules.stages(repository)}
    if not wanted:
        return settings
    reports: dict[tuple[Stage, Repository], Report] = {}
    for region in {stage.region for stage, _ in wanted if stage.region}:
        reports |= elsewhere(environment, region, {pair for pair in wanted if pair[0].region == region})
    for stage in {stage for stage, _ in wanted if not stage.region}:
        runs = _runs(environment, settings, stage)
        memories = environment.table.read(service.target for service, _ in runs)
        for repository in (repository for asked, repository in wanted if asked == stage):
            targets = [service.target for service, found in runs if repository in found]
            known = {target: read for target in targets if (read := memories[target])}
            reports[stage, repository] = _report(repository, known)
    return settings._replace(rules=settings.rules.given(settings.rules.facts._replace(stages=reports)))


def elsewhere(
    environment: Environment, region: str, asked: Collection[tuple[Stage, Repository]]
) -> dict[tuple[Stage, Repository], Report]:
    """What stages in another region say of repositories.

    Raises:
        EcrDeployError: the table does not say what was reported there.

    """
    reported = environment.remote.read(region, {repository for _, repository in asked})
    return {(stage, repository): remote.report(stage, reported[repository]) for stage, repository in asked}


def _runs(environment: Environment, settings: Settings, stage: Stage) -> list[tuple[Service, tuple[Repository, ...]]]:
    """The services of a stage that are managed, with the repositories that they run."""
    ecs = environment.ecs
    services = (service for service, _ in ecs.known_services(settings.rules.of_stage(stage)))
    found = []
    for service, repositories in ecs.repositories(services):
        if admission.obstacle(service, settings):
            continue
        if isinstance(repositories, CallError):
            raise repositories
        found.append((service, repositories))
    return found


def _report(repository: Repository, memories: Mapping[Target, object]) -> Report:
    live_since: dict[str, dict[str, datetime]] = {}
    rejected: dict[str, str] = {}
    for target, known in memories.items():
        if not isinstance(known, Known):
            assert isinstance(known, Exception)  # noqa: S101 - the other kind of what is read
            raise known
        service = f"{target.cluster}/{target.name}"
        for digest, since in _live_since(repository, known.memory).items():
            live_since.setdefault(digest, {})[service] = since
        desire = known.memory.desires.get(repository, Desire())
        rejected |= dict.fromkeys(desire.rejections, service)
    return Report(tuple(f"{target.cluster}/{target.name}" for target in memories), live_since, rejected)


def _live_since(repository: Repository, memory: Memory) -> dict[str, datetime]:
    """The images that are, or were, live on a service, each with since when."""
    found = dict(memory.live)
    rolling_out = {
        push.digest for rollout in memory.rollouts if rollout.state is State.STARTED for push in rollout.pushes
    }
    desire = memory.desires.get(repository, Desire())
    for image in memory.images.values():
        # What runs without a rollout of ours has been live since it was first seen.
        if image.digest and image.digest not in rolling_out and parse(image.text).ecr == repository:
            found.setdefault(image.digest, desire.since)
    return found
