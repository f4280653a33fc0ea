"""Operators: answers what people ask of the function directly."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ecr_deploy import aftercare, deployer, explain, history, report
from ecr_deploy.aws import ecr
from ecr_deploy.core import requests
from ecr_deploy.core.errors import InvalidRequestError
from ecr_deploy.core.events import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.requests import Deploy, Explain, History, Rollback
from ecr_deploy.rollout_watch import Watch

if TYPE_CHECKING:
    from ecr_deploy.door import Door


def answer(door: "Door", event: Mapping[str, Any]) -> dict[str, Any]:
    """Do what is asked, and tell what came of it.

    Raises:
        EcrDeployError: the request is malformed, names an image that is not there, or can't be done.

    """
    request = requests.parse(event, door.settings, door.region)
    if isinstance(request, Deploy):
        return _deploy(door, request)
    if isinstance(request, Explain):
        return _explain(door, request)
    if isinstance(request, Rollback):
        return _roll_back(door, request)
    return _history(door, request)


def _deploy(door: "Door", request: Deploy) -> dict[str, Any]:
    image = request.image
    record = ecr.find(door.client("ecr", region_name=image.repository.region), *image)
    if request.force:
        record = record._replace(pushed_at=door.now())
    settings = door.settings._replace(rules=door.settings.rules.within(request.scope), dry_run=request.dry_run)
    push = Push(record, "request", "request", force=request.force)
    [result] = door.deploy([push], settings)
    return report.answer([(push, result)], dry_run=request.dry_run)


def _explain(door: "Door", request: Explain) -> dict[str, Any]:
    image = request.image
    record = Record(image.repository, image.tag, image.digest or "", door.now())
    everywhere = door.settings._replace(rules=door.settings.rules.everywhere())
    members, _ = deployer.read_fleet(door.ecs, everywhere)
    return explain.explain(record, members, door.settings_now(door.settings))


def _roll_back(door: "Door", request: Rollback) -> dict[str, Any]:
    target = request.target
    watch = Watch(door.ecs, door.settings, door.now(), door.codedeploy)
    result = watch.take_back(target, dry_run=request.dry_run) if door.settings.rules.reaches(target) else None
    if result is None:
        message = (
            f"There is nothing to roll back: ecr-deploy made no deployment that {target.name} in cluster "
            f"{target.cluster} runs now, or the service is not in the scope of the rules."
        )
        raise InvalidRequestError(message)
    if not request.dry_run:
        aftercare.tell(door, "request", [result], [target])
    return {"dry_run": request.dry_run, "rollback": report.spell_rollout(result)}


def _history(door: "Door", request: History) -> dict[str, Any]:
    target = request.target
    service = door.ecs.service(target)
    if service is None:
        message = f"There is no active service {target.name} in cluster {target.cluster}."
        raise InvalidRequestError(message)
    revisions = door.ecs.revisions(service.family)
    return {"cluster": target.cluster, "service": target.name, "history": history.of(target, revisions)}
