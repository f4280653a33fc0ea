"""Scans: what ECR found in images that rules let in only where it found nothing grave."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from ecr_deploy.aws import ecr
from ecr_deploy.aws.calls import WORKERS
from ecr_deploy.core.gates import Scan
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.records import Record
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment


def look_at(
    environment: Environment, settings: Settings, memories: Iterable[Memory], pushes: Iterable[Record]
) -> Settings:
    """Give the settings with what ECR found in all images that memories and pushes name; asks only where rules do.

    Raises:
        EcrDeployError: a registry does not say it.

    """
    named = {(push.repository, push.digest) for push in pushes}
    named |= {
        (repository, name.digest)
        for memory in memories
        for repository, desire in memory.desires.items()
        for name in desire.pushes
    }
    facts = settings.rules.facts
    wanted = [image for image in named - facts.scans.keys() if settings.rules.scans(image[0])]
    if not wanted:
        return settings

    def scan(image: tuple[Repository, str]) -> Scan:
        repository, digest = image
        return ecr.scan(environment.registry(repository.region), repository, digest)

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="scan") as pool:
        found = dict(zip(wanted, pool.map(scan, wanted), strict=True))
    return settings._replace(rules=settings.rules.given(facts._replace(scans={**facts.scans, **found})))
