"""Requests: what people ask of the function directly."""

from collections.abc import Mapping
from typing import Any

from ecr_deploy import deployer, follow_ups, history, on_push, report
from ecr_deploy.aws import ecr
from ecr_deploy.core import admission, requests
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError
from ecr_deploy.core.events import Push
from ecr_deploy.core.outcomes import Outcome, TargetResult
from ecr_deploy.core.records import Record
from ecr_deploy.core.requests import Deploy, Explain, History, Rollback
from ecr_deploy.core.rules import Rule
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.rollout_watch import Watch


class FollowUpError(EcrDeployError):
    """A rollback was done, but not what has to follow it; the message is the follow-up's."""

    kind = "follow-up"


def answer(environment: Environment, event: Mapping[str, Any]) -> dict[str, Any]:
    """Do what is asked, and say what came of it.

    Raises:
        EcrDeployError: the request is malformed, names an image that is not there, or can't be done.

    """
    request = requests.parse(event, environment.settings, environment.region)
    if isinstance(request, Deploy):
        return _deploy(environment, request)
    if isinstance(request, Explain):
        return _explain(environment, request)
    if isinstance(request, Rollback):
        return _roll_back(environment, request)
    return _history(environment, request)


def _deploy(environment: Environment, request: Deploy) -> dict[str, Any]:
    image = request.image
    record = ecr.find(environment.registry(image.repository.region), *image)
    if request.force:
        record = record._replace(pushed_at=environment.now())
    rules = environment.settings.rules.within(request.scope)
    push = Push(record, "request", "request", force=request.force)
    settings = environment.settings._replace(rules=rules, dry_run=request.dry_run)
    [result] = on_push.deploy(environment, [push], settings)
    return report.answer([(push, result)], dry_run=request.dry_run)


def _roll_back(environment: Environment, request: Rollback) -> dict[str, Any]:
    target, settings = request.target, environment.settings
    watch = Watch(environment.ecs, settings, environment.now(), environment.controllers)
    result = watch.take_back(target, dry_run=request.dry_run) if settings.rules.reaches(target) else None
    if result is None:
        message = (
            f"There is nothing to roll back: ecr-deploy made no deployment that {target.name} in cluster "
            f"{target.cluster} runs now, or the service is not in the scope of the rules."
        )
        raise InvalidRequestError(message)
    if not request.dry_run and (failed := follow_ups.after_rollouts(environment, "request", [result], [target])):
        raise FollowUpError(str(failed[0].reason))
    return {"dry_run": request.dry_run, "rollback": report.format_rollout(result)}


def _history(environment: Environment, request: History) -> dict[str, Any]:
    target = request.target
    service = environment.ecs.service(target)
    if service is None:
        message = f"There is no active service {target.name} in cluster {target.cluster}."
        raise InvalidRequestError(message)
    revisions = environment.ecs.revisions(service.family)
    return {"cluster": target.cluster, "service": target.name, "history": history.of(target, revisions)}


def _explain(environment: Environment, request: Explain) -> dict[str, Any]:
    """Say for each rule whether it allows a push made now, and what a dry run of it says of all that runs the image."""
    image = request.image
    record = Record(image.repository, image.tag, image.digest or "", environment.now())
    settings = environment.settings_now(environment.settings)._replace(dry_run=True)
    push = Push(record, "request")
    [result] = deployer.deploy([push], environment.ecs, settings, environment.controllers)
    planned = {one.target: one for one in result.targets}
    everywhere = settings._replace(rules=settings.rules.everywhere())
    members, _ = deployer.read_fleet(environment.ecs, everywhere)
    running = [member for member in members if record.repository in member.running.repositories]
    running.sort(key=lambda member: (member.target.cluster or "", member.target.name))
    explained = [(member, _explain_target(planned.get(member.target), record, settings)) for member in running]
    return {
        "image": push.image,
        "rules": [_explain_rule(index, rule, record, settings) for index, rule in enumerate(settings.rules.rules)],
        "services": [
            {"cluster": member.target.cluster, "service": member.target.name, **one}
            for member, one in explained
            if member.service
        ],
        "families": [{"family": member.target.name, **one} for member, one in explained if not member.service],
    }


def _explain_rule(index: int, rule: Rule, push: Record, settings: Settings) -> dict[str, Any]:
    rejection = rule.rejection(push)
    hold = None if rejection else rule.holds(push, settings.rules.moment)
    return {"rule": index, "matches": rejection is None, "reason": rejection or (hold.text if hold else None)}


def _explain_target(planned: TargetResult | None, push: Record, settings: Settings) -> dict[str, Any]:
    """What a dry run says of a target; where it says nothing, no rule takes the push there."""
    outcome = planned.outcome if planned else Outcome.SKIPPED
    reason = planned.reason if planned else admission.out_of_scope(push, settings.rules)
    return {"outcome": str(outcome), **report.format_reason(reason)}
