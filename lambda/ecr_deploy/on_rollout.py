"""News of a rollout: how it ended, what follows from that, and what had to wait for its end."""

from collections.abc import Iterable

from ecr_deploy import follow_ups, on_push, report
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.events import DeploymentChange, GroupChange
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment
from ecr_deploy.rollout_watch import RolloutResult, Watch


def track(environment: Environment, news: DeploymentChange | GroupChange) -> tuple[list[PushResult], Results]:
    """Find out how rollouts ended, and deploy what had to wait for that.

    Gives what failed of it, and what came of the pushes that waited.
    """
    if environment.settings.dry_run:
        return [], []
    if isinstance(news, DeploymentChange) and news.awaits_action:
        from ecr_deploy import hooks  # noqa: PLC0415 - few services have any

        return hooks.tell(environment, news.event_id, filter(environment.settings.rules.reaches, [news.target])), []
    if isinstance(news, DeploymentChange):
        return _track(environment, [news.target], news.event_id)
    try:
        targets = environment.controllers.services(news.application, news.group)
    except EcrDeployError as error:
        return [report.log_failed(news.event_id, f"tracking {news.application}: {error}", error)], []
    return _track(environment, targets, news.event_id)


def _track(environment: Environment, targets: Iterable[Target], event_id: str) -> tuple[list[PushResult], Results]:
    reached = [target for target in targets if environment.settings.rules.reaches(target)]
    problems: list[PushResult] = []
    results: list[RolloutResult] = []
    watch = Watch(environment, environment.settings)
    for target in reached:
        try:
            results += watch.follow(target)
        except EcrDeployError as error:
            problems.append(report.log_failed(event_id, f"tracking {target.name}: {error}", error))
    if reached:
        problems += follow_ups.after_rollouts(environment, event_id, results, reached)
    failed, pushes = on_push.deploy_waiting(environment, event_id, reached)
    return problems + failed, pushes
