"""News of a rollout: that a service changes, how it ended, what follows from that, and what had to wait for its end."""

from collections.abc import Iterable

from ecr_deploy import follow_ups, on_push, report, waiting
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.news import DeploymentChange, GroupChange
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.rollouts import State
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment
from ecr_deploy.rollout_watch import RolloutResult, Watch


def track(environment: Environment, news: DeploymentChange | GroupChange) -> tuple[list[PushResult], Results]:
    """Find out how rollouts ended, and deploy what had to wait for that.

    Gives what failed of it, and what came of the pushes that waited.
    """
    if isinstance(news, DeploymentChange):
        environment.ecs.forget(news.target)
    if environment.settings.dry_run:
        return [], []
    if isinstance(news, DeploymentChange) and news.awaits_action:
        from ecr_deploy import hooks  # noqa: PLC0415 - few services have any

        return hooks.report_waiting(
            environment, news.event_id, filter(environment.settings.rules.reaches, [news.target])
        ), []
    if isinstance(news, DeploymentChange):
        if news.begins:
            return [], []
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
    failed, pushes = waiting.deploy(environment, event_id, reached)
    # What is live there may go on to where a rule waited for that.
    passed = [
        Push(record, event_id)
        for result in results
        if result.state is State.LIVE
        for record in result.rollout.pushes
        if environment.settings.rules.is_stage(result.target, record.repository)
    ]
    return problems + failed, [*pushes, *on_push.deploy(environment, passed, environment.settings)]
