"""A push: deployed, followed up, and reported."""

from collections.abc import Sequence

from ecr_deploy import deployer, follow_ups, report
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.events import Push
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment


def deploy(environment: Environment, pushes: Sequence[Push], settings: Settings) -> list[PushResult]:
    """Deploy pushes together, and give what came of each; whatever goes wrong is a result, too."""
    if not pushes:
        return []
    try:
        results = _deploy(environment, pushes, settings)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not end an invocation without a word for each push
        failed = report.log_unexpected(error, *report.name(pushes))
        if len(pushes) > 1:
            # What one of them brought to light must not keep the others.
            return [result for push in pushes for result in deploy(environment, [push], settings)]
        results = [failed]
    for push, result in zip(pushes, results, strict=True):
        report.log(push, result, dry_run=settings.dry_run)
    follow_ups.report_pushes(environment, pushes, results, settings)
    return results


def _deploy(environment: Environment, pushes: Sequence[Push], settings: Settings) -> list[PushResult]:
    try:
        settings = environment.settings_now(settings)
        results = deployer.deploy(pushes, environment.ecs, settings, environment.controllers)
    except EcrDeployError as error:
        return [PushResult.failed(error)] * len(pushes)
    return follow_ups.after_push(environment, pushes, results, settings)
