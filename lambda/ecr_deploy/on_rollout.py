"""News of a rollout: how it ended, what follows from that, and what had to wait for its end."""

from ecr_deploy import follow_ups, on_schedule, report
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.events import DeploymentChange, GroupChange
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import Scope
from ecr_deploy.environment import Environment
from ecr_deploy.rollout_watch import Watch


def track(environment: Environment, news: DeploymentChange | GroupChange) -> list[PushResult]:
    """Find out how rollouts ended, and deploy what had to wait for that; gives what came of it, failures among it.

    A push waits for the end of a service's rollout only while that is rolled back; in a deployment group of CodeDeploy
    it waits for every end.
    """
    if environment.settings.dry_run:
        return []
    if isinstance(news, DeploymentChange):
        return _track(environment, news.target, news.event_id)
    rules = environment.settings.rules
    try:
        targets = environment.controllers.services(news.application, news.group)
    except EcrDeployError as error:
        return [report.log_failed(news.event_id, f"tracking {news.application}: {error}", error)]
    reached = [target for target in targets if rules.reaches(target)]
    return [result for target in reached for result in _track(environment, target, news.event_id, waits=True)]


def _track(environment: Environment, target: Target, event_id: str, *, waits: bool = False) -> list[PushResult]:
    settings = environment.settings
    try:
        results = Watch(environment.ecs, settings, environment.now(), environment.controllers).follow(target)
    except EcrDeployError as error:
        return [report.log_failed(event_id, f"tracking {target.name}: {error}", error)]
    problems = follow_ups.after_rollouts(environment, event_id, results, [target])
    if waits or any(result.state is State.ROLLED_BACK for result in results):
        scope = Scope((target.cluster or "",), (target.name,))
        narrowed = settings._replace(rules=settings.rules.within(scope))
        problems += on_schedule.deploy_missed(environment, event_id, narrowed)
    return problems
