"""Freezing: what somebody freezes, and what had to wait until that is lifted."""

from typing import Any

from ecr_deploy import report, waiting
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError
from ecr_deploy.core.freezes import Freeze
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.core.requests import Freeze as FreezeRequest
from ecr_deploy.core.requests import Unfreeze
from ecr_deploy.core.rules import Scope, matches
from ecr_deploy.environment import Environment


class StillWaitingError(EcrDeployError):
    """A freeze was lifted, but what waited for that could not be looked at."""

    kind = "still-waiting"

    def __init__(self, problem: PushResult) -> None:
        super().__init__(f"It is not frozen any more, but what waited was not deployed: {problem.reason}")


def freeze(environment: Environment, request: FreezeRequest, by: str | None) -> dict[str, Any]:
    """Freeze what a request names; gives all that is frozen.

    Raises:
        InvalidRequestError: it is to be lifted before now, or nothing is ever deployed.
        EcrDeployError: that can't be written down.

    """
    now = environment.now()
    _check(environment)
    new = Freeze(request.scope.clusters, request.scope.services, request.reason, by or "somebody", now, request.until)
    if new.is_over(now):
        message = f"The field until of the request is {report.format_freeze(new)['until']}, which is over."
        raise InvalidRequestError(message)
    _, after = environment.freezes.change(lambda known: (*(old for old in known if not old.is_over(now)), new))
    report.log_frozen(new, "frozen")
    return {"freezes": [report.format_freeze(freeze) for freeze in after]}


def lift(environment: Environment, request: Unfreeze) -> dict[str, Any]:
    """Lift all that is frozen within a scope, and deploy what waited there.

    Raises:
        InvalidRequestError: nothing is frozen there.
        StillWaitingError: what waited could not be looked at.
        EcrDeployError: the table or ECS refuses, or another writer was quicker.

    """
    _check(environment)
    scope = request.scope
    before, after = environment.freezes.change(lambda known: (old for old in known if not _is_within(old, scope)))
    lifted = [freeze for freeze in before if freeze not in after]
    if not lifted:
        frozen = "; ".join(f"{', '.join(old.clusters)}/{', '.join(old.services)}" for old in before) or "nothing"
        message = f"Nothing is frozen within these clusters and services. Frozen is: {frozen}."
        raise InvalidRequestError(message)
    for freeze in lifted:
        report.log_frozen(freeze, "not frozen any more")
    services = environment.ecs.services(environment.settings.rules.within(scope))
    problems, results = waiting.deploy(environment, "request", [service.target for service in services])
    if problems:
        raise StillWaitingError(problems[0])
    lifted_and_left = {"lifted": lifted, "freezes": list(after)}
    return {
        **{name: [report.format_freeze(freeze) for freeze in found] for name, found in lifted_and_left.items()},
        **report.answer(results, dry_run=False),
    }


def _is_within(freeze: Freeze, scope: Scope) -> bool:
    clusters = all(matches(glob, scope.clusters) for glob in freeze.clusters)
    return clusters and all(matches(glob, scope.services) for glob in freeze.services)


def _check(environment: Environment) -> None:
    if environment.settings.dry_run:
        message = "The function is set to dry_run: it deploys nothing, so that there is nothing to freeze."
        raise InvalidRequestError(message)
