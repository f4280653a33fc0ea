"""Rollbacks: what a service goes back to, and how it gets there."""

from collections.abc import Iterable

from ecr_deploy.aws import ecr
from ecr_deploy.core import revisions, rollouts
from ecr_deploy.core.errors import CallError, EcrDeployError, InvalidRequestError, Retry
from ecr_deploy.core.fleet import Service
from ecr_deploy.core.images import Repository
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import Rollout, State
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.leases import FamilyLease


def carry_out(service: Service, rollout: Rollout, environment: Environment, lease: FamilyLease) -> Revision:
    """Roll a service back from a rollout; gives the revision that it runs from now on.

    Raises:
        EcrDeployError: that can't be done.

    """
    if rollouts.is_rolling_out(service.deployments) and _stop(environment, service):
        return environment.ecs.revision(rollout.before)
    revision = _revision_to_return_to(rollout, environment, lease)
    for _, answer in environment.controllers.update([service], revision):
        if isinstance(answer, EcrDeployError):
            raise answer
    return revision


def back_to(revision: str, current: Rollout, rollouts_known: Iterable[Rollout]) -> Rollout:
    """The rollouts since a service ran a revision (`family:number`), as one that takes it back there.

    Raises:
        InvalidRequestError: none of them began there.

    """
    newest_first = sorted({past.key: past for past in rollouts_known}.values(), key=lambda past: past.key, reverse=True)
    since: list[Rollout] = []
    for past in newest_first:
        if past.key > current.key or past.state is State.ROLLED_BACK:
            continue
        since.append(past)
        if past.before_name == revision:
            pushes = dict.fromkeys(push for rollout in since for push in rollout.pushes)
            images = {name: image for rollout in since for name, image in rollout.images.items()}
            return current._replace(before=past.before, pushes=tuple(pushes), images=images)
    known = ", ".join(dict.fromkeys(past.before_name for past in since)) or "none"
    message = f"There is no rollout from {revision} since which nothing was rolled back; there are from: {known}."
    raise InvalidRequestError(message)


def check_images(service: Service, rollout: Rollout, environment: Environment, settings: Settings) -> None:
    """Check that ECR still has the images that a service would go back to.

    Raises:
        InvalidRequestError: one is gone.

    """
    before = environment.ecs.revision(rollout.before)
    wanted: dict[Repository, list[str]] = {}
    for container in before.containers:
        if not container.repository or container.name not in rollout.images:
            continue
        if not settings.rules.covers(container.repository, service.target):
            continue
        name = container.digest or container.tag
        if name and not _has(environment, container.repository, container.tag, container.digest):
            wanted.setdefault(container.repository, []).append(container.image)
    if wanted:
        gone = ", ".join(image for images in wanted.values() for image in images)
        message = f"ECR no longer has {gone}, which {before} runs; with force it is rolled back all the same."
        raise InvalidRequestError(message)


def _has(environment: Environment, repository: Repository, tag: str | None, digest: str | None) -> bool:
    try:
        registry = environment.registry(repository.region)
        tags, digests = ([], [digest]) if digest else ([tag or "latest"], [])
        return bool(ecr.describe(registry, repository, tags, digests))
    except CallError as error:
        if error.retry is not Retry.NEVER:
            raise
        # A registry that we may not ask is taken to have it.
        return True


def _revision_to_return_to(rollout: Rollout, environment: Environment, lease: FamilyLease) -> Revision:
    """What the service ran before, or a copy of it where that can't be run any more as it stands."""
    before = environment.ecs.revision(rollout.before, fresh=True)
    if rollout.before == rollout.revision:
        # The tag stands for another image now.
        request = revisions.following(before, rollout.images)
    elif before.is_active:
        return before
    else:
        request = revisions.following(before, {})
    lease.begin_note([before])
    newest = environment.ecs.newest(before.family) or before
    lease.wait()
    copy = environment.ecs.register(before.family, request, newest.number)
    lease.add(copy, before)
    lease.end_note()
    return copy


def _stop(environment: Environment, service: Service) -> bool:
    """Whether ECS rolls the deployment back that runs, by itself."""
    if service.service_deployment is None:
        return False
    try:
        environment.ecs.stop(service.service_deployment)
    except CallError as error:
        # It ended meanwhile, or is of a kind that can't be stopped: an update does it, too.
        if error.retry is not Retry.NEVER:
            raise
        return False
    return True
