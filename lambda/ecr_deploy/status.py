"""Status: what the services in scope run, and where their rollouts stand."""

from collections.abc import Iterable, Mapping
from typing import Any

from ecr_deploy import fleet_reader, memory_reader, reconcile, report, scans, stages
from ecr_deploy.aws.table import Known
from ecr_deploy.core import admission, memory, records, rollouts
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.records import LONG_AGO
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import Scope
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.memory_reader import Memories


def answer(environment: Environment, scope: Scope) -> dict[str, Any]:
    """Say what each service in scope runs: its images from ECR, its rollout, and why it is not managed, if it is not.

    Raises:
        EcrDeployError: what is in scope can't be read.

    """
    settings = environment.settings_now(environment.settings)
    settings = settings._replace(rules=settings.rules.within(scope))
    members, unknown = fleet_reader.read_sketches(environment, settings.rules)
    memories = memory_reader.recall(members, environment)
    settings = environment.frozen(settings)
    known = {target: read.memory for target, read in memories.items() if isinstance(read, Known)}
    readable = [
        member for member in members if member.target in known and not admission.obstacle(member.service, settings)
    ]
    staged = stages.look_at(environment, settings, reconcile.repositories(readable, settings.rules))
    staged = scans.look_at(environment, staged, known.values(), ())
    waits: dict[Target, list[dict[str, Any]]] = {}
    for target, push, reason in reconcile.waits(readable, known, staged.rules):
        waits.setdefault(target, []).append(report.format_wait(push, reason))
    return {
        **_format(members, memories, waits, settings),
        "freezes": [
            report.format_freeze(freeze)
            for freeze in settings.rules.facts.freezes
            if not freeze.is_over(settings.rules.facts.now)
        ],
        "unknown": [
            {"cluster": result.target.cluster, "service": result.target.name, "reason": str(result.reason)}
            for result in unknown
        ],
    }


def _format(
    members: Iterable[Member], memories: Memories, waits: Mapping[Target, list[dict[str, Any]]], settings: Settings
) -> dict[str, Any]:
    services = sorted((member for member in members if member.service), key=lambda member: member.target)
    formatted = []
    for member in services:
        read = memories.get(member.target)
        known = read.memory if isinstance(read, Known) else Memory()
        formatted.append(
            {
                "cluster": member.target.cluster,
                "service": member.target.name,
                "revision": str(member.running),
                "images": _images(member, known),
                "rollout": _rollout(member, known),
                "waits": waits.get(member.target, []),
                "left_alone": _left_alone(member, settings),
            }
        )
    return {"services": formatted}


def _left_alone(member: Member, settings: Settings) -> str | None:
    obstacle = admission.obstacle(member.service, settings)
    return obstacle.text if obstacle else None


def _images(member: Member, known: Memory) -> list[dict[str, Any]]:
    found = []
    for container in member.running.containers:
        if container.repository:
            image = memory.image_of(container, known)
            found.append(
                {
                    "container": container.name,
                    "image": container.image,
                    "digest": image.digest,
                    "pushed_at": None if image.pushed_at == LONG_AGO else records.format_time(image.pushed_at),
                }
            )
    return found


def _rollout(member: Member, known: Memory) -> dict[str, Any]:
    """Format the rollout as it was recorded; without a record, or before its end, as ECS shows it with the service."""
    rollout = known.rollout
    ours = rollout if rollout and rollout.revision == member.running.arn else None
    if ours and ours.state is not State.STARTED:
        return {"state": str(ours.state), "since": records.format_time(ours.since), "reason": ours.reason}
    deployments = member.service.deployments if member.service else ()
    end = rollouts.judge(member.running.arn, deployments)
    return {
        "state": str(end.state if end else State.STARTED),
        "since": records.format_time(ours.since) if ours else None,
        "reason": end.reason if end else None,
    }
