"""Status: what the services in scope run, and where their rollouts stand."""

from collections.abc import Iterable
from typing import Any

from ecr_deploy.core import admission, records, rollouts
from ecr_deploy.core.fleet import Member
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.settings import Settings


def of(members: Iterable[Member], settings: Settings) -> dict[str, Any]:
    """Format what each service runs: its images from ECR, its rollout, and why it is left alone, where it is."""
    services = sorted((member for member in members if member.service), key=lambda member: member.target)
    return {
        "services": [
            {
                "cluster": member.target.cluster,
                "service": member.target.name,
                "revision": str(member.running),
                "images": _images(member),
                "rollout": _rollout(member),
                "left_alone": _left_alone(member, settings),
            }
            for member in services
        ]
    }


def _left_alone(member: Member, settings: Settings) -> str | None:
    obstacle = admission.obstacle(member, settings)
    return obstacle.text if obstacle else None


def _images(member: Member) -> list[dict[str, Any]]:
    images = []
    for container in member.running.containers:
        if container.repository:
            record = member.running.records.get(container.repository)
            images.append(
                {
                    "container": container.name,
                    "image": container.image,
                    "pushed_at": records.spell_time(record.pushed_at) if record else None,
                }
            )
    return images


def _rollout(member: Member) -> dict[str, Any]:
    """Format the rollout as it was recorded; without a record, or before its end, as ECS has it with the service."""
    ours = rollouts.read(member.running.tags, member.target)
    if ours and ours.state is not State.STARTED:
        return {"state": str(ours.state), "since": records.spell_time(ours.since), "reason": None}
    deployments = member.service.deployments if member.service else ()
    end = rollouts.judge(member.running.arn, deployments)
    return {
        "state": str(end.state if end else State.STARTED),
        "since": records.spell_time(ours.since) if ours else None,
        "reason": end.reason if end else None,
    }
