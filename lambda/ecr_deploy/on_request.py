"""Requests: what people ask of the function directly."""

from collections.abc import Callable, Mapping
from typing import Any

from ecr_deploy import deployer, follow_ups, on_push, on_schedule, report
from ecr_deploy.aws import ecr
from ecr_deploy.aws.table import Known
from ecr_deploy.core import requests
from ecr_deploy.core.errors import CallError, EcrDeployError, InvalidRequestError
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.requests import (
    Adopt,
    Deploy,
    Explain,
    Freeze,
    History,
    Image,
    Plan,
    Rollback,
    Status,
    Unfreeze,
)
from ecr_deploy.environment import Environment
from ecr_deploy.rollout_watch import Watch

# Stands for that of an image that is not there yet.
_NO_DIGEST = "sha256:" + "0" * 64


class FollowUpError(EcrDeployError):
    """A rollback was done, but not what has to follow it; the message is the follow-up's."""

    kind = "follow-up"


def answer(environment: Environment, event: Mapping[str, Any]) -> dict[str, Any]:
    """Do what is asked, and say what came of it.

    Raises:
        EcrDeployError: the request is malformed, names an image that is not there, or can't be done.

    """
    request, by = requests.parse(event, environment.settings, environment.region)
    return _ANSWERS[type(request)](environment, request, by)


def _deploy(environment: Environment, request: Deploy, by: str | None) -> dict[str, Any]:
    record = _find(environment, request.image)
    push = Push(record, "request", "request", force=request.force, by=by, answer=request.answer)
    rules = environment.settings.rules.within(request.scope)
    settings = environment.settings._replace(rules=rules, dry_run=request.dry_run)
    results = on_push.deploy(environment, [push], settings)
    if request.answer and not request.dry_run:
        from ecr_deploy import hooks  # noqa: PLC0415 - most requests need not load it

        results = [
            (pushed, hooks.answer(environment, pushed, result) if pushed == push else result)
            for pushed, result in results
        ]
    return report.answer(results, dry_run=request.dry_run)


def _roll_back(environment: Environment, request: Rollback, by: str | None) -> dict[str, Any]:
    target, settings = request.target, environment.settings
    watch = Watch(environment, settings)
    result = None
    if settings.rules.reaches(target):
        result = watch.roll_back(target, by=by, dry_run=request.dry_run, force=request.force, to=request.to)
    if result is None:
        message = (
            f"There is nothing to roll back: ecr-deploy made no deployment that {target.name} in cluster "
            f"{target.cluster} runs now, or the service is not in the scope of the rules."
        )
        raise InvalidRequestError(message)
    if not request.dry_run and (failed := follow_ups.after_rollouts(environment, "request", [result], [target])):
        raise FollowUpError(str(failed[0].reason))
    return {"dry_run": request.dry_run, "rollback": report.format_rollout(result)}


def _plan(environment: Environment, request: Plan, _: str | None) -> dict[str, Any]:
    plan = on_schedule.plan(environment, request.scope, adopted_long_ago=request.adopted_long_ago)
    waits = [
        {"cluster": target.cluster, "service": target.name, **report.format_wait(push, reason)}
        for target, push, reason in plan.waits
    ]
    return {**report.answer(plan.results, dry_run=True), "waits": waits, "looked_at": plan.looked_at}


def _adopt(environment: Environment, _: Adopt, __: str | None) -> dict[str, Any]:
    adopted = on_schedule.adopt(environment)
    return {"adopted": [{"cluster": target.cluster, "name": target.name} for target in adopted]}


def _freeze(environment: Environment, request: Freeze, by: str | None) -> dict[str, Any]:
    from ecr_deploy import freezing  # noqa: PLC0415 - as above

    return freezing.freeze(environment, request, by)


def _unfreeze(environment: Environment, request: Unfreeze, _: str | None) -> dict[str, Any]:
    from ecr_deploy import freezing  # noqa: PLC0415 - as above

    return freezing.lift(environment, request)


def _status(environment: Environment, request: Status, _: str | None) -> dict[str, Any]:
    from ecr_deploy import status  # noqa: PLC0415 - most requests need not load it

    return status.answer(environment, request.scope)


def _history(environment: Environment, request: History, _: str | None) -> dict[str, Any]:
    target = request.target
    if target is None:
        return _fleet_history(environment, request)
    known = environment.table.read([target])[target]
    if not isinstance(known, Known):
        raise known
    found = {rollout.key: rollout for rollout in (*environment.table.history(target), *known.memory.rollouts)}
    if not found and environment.ecs.service(target) is None:
        message = f"There is no active service {target.name} in cluster {target.cluster}."
        raise InvalidRequestError(message)
    newest_first = sorted(found.values(), key=lambda rollout: (rollout.started_at, rollout.id), reverse=True)
    history = [report.format_past(rollout) for rollout in newest_first]
    return {"cluster": target.cluster, "service": target.name, "history": history}


def _fleet_history(environment: Environment, request: History) -> dict[str, Any]:
    services = environment.ecs.services(environment.settings.rules.within(request.scope))
    found = [
        (rollout, target)
        for target, known in environment.table.read(service.target for service in services).items()
        if isinstance(known, Known)
        for rollout in known.memory.rollouts
    ]
    newest_first = sorted(found, key=lambda pair: (pair[0].started_at, pair[1]), reverse=True)
    return {
        "history": [
            {"cluster": target.cluster, "service": target.name, **report.format_past(rollout)}
            for rollout, target in newest_first
        ]
    }


def _explain(environment: Environment, request: Explain, _: str | None) -> dict[str, Any]:
    """Say for each rule whether it allows the push; the rest is what a dry run of the push says."""
    settings = environment.settings_now(environment.settings)._replace(dry_run=True)
    try:
        record = _find(environment, request.image)
    except CallError as error:
        if error.code not in ecr.MISSING:
            raise
        # Nobody has pushed it yet: what would become of it if somebody did now?
        image = request.image
        record = Record(image.repository, image.tag, image.digest or _NO_DIGEST, environment.now())
    push = Push(record, "request")
    results = deployer.deploy([push], environment, settings, everything=True)
    [result] = [result for planned, result in results if planned == push]
    [explained] = report.answer([(push, result)], dry_run=True)["pushes"]
    rejections = [rule.rejection(record) for rule in settings.rules.rules]
    rules = [
        {"rule": index, "matches": rejection is None, "reason": rejection} for index, rejection in enumerate(rejections)
    ]
    digest = None if record.digest == _NO_DIGEST else record.digest
    return {**explained, "digest": digest, "rules": rules}


def _find(environment: Environment, image: Image) -> Record:
    return ecr.find(environment.registry(image.repository.region), *image)


_ANSWERS: dict[type, Callable[[Environment, Any, str | None], dict[str, Any]]] = {
    Deploy: _deploy,
    Explain: _explain,
    Plan: _plan,
    Rollback: _roll_back,
    History: _history,
    Status: _status,
    Adopt: _adopt,
    Freeze: _freeze,
    Unfreeze: _unfreeze,
}
