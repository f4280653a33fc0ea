"""A push: deployed, followed up, and reported."""

from collections.abc import Sequence

from ecr_deploy import deployer, follow_ups, report
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.gates import EXPIRED
from ecr_deploy.core.outcomes import Outcome, PushResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.settings import Settings
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment


def deploy(environment: Environment, pushes: Sequence[Push], settings: Settings) -> Results:
    """Deploy pushes together, and give what came of each; whatever goes wrong is a result, too.

    After those of the pushes come the results of others that had to wait, and came along.
    """
    if not pushes:
        return []
    try:
        results = _deploy(environment, pushes, settings)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not end an invocation without a word for each push
        failed = report.log_unexpected(error, *report.name(pushes))
        if len(pushes) > 1:
            # What one of them brought to light must not keep the others.
            return [result for push in pushes for result in deploy(environment, [push], settings)]
        results = [(push, failed) for push in pushes]
    news = [(push, result) for push, result in results if not _is_known(push, result)]
    for push, result in news:
        report.log(push, result, dry_run=settings.dry_run)
    follow_ups.report_pushes(environment, [push for push, _ in news], [result for _, result in news], settings)
    return results


def _deploy(environment: Environment, pushes: Sequence[Push], settings: Settings) -> Results:
    try:
        settings = environment.settings_now(settings)
        results = deployer.deploy(pushes, environment, settings)
    except EcrDeployError as error:
        return [(push, PushResult.failed(error)) for push in pushes]
    if settings.rules.run_before() and not settings.dry_run:
        from ecr_deploy import tasks_first  # noqa: PLC0415 - few need it

        results = tasks_first.begin(environment, results, settings)
    deployed = [push for push, _ in results]
    ended = follow_ups.after_push(environment, deployed, [result for _, result in results], settings)
    return list(zip(deployed, ended, strict=True))


def _is_known(push: Push, result: PushResult) -> bool:
    """Whether all was said of a push that still waits, or came to nothing after it had waited."""
    is_over = result.reason is not None and result.reason.kind == EXPIRED
    return push.origin == "memory" and result.outcome not in {Outcome.DEPLOYED, Outcome.FAILED} and not is_over
