"""News of a task: one that had to run first has ended, and services get the image, or don't."""

from ecr_deploy import report, tasks_first, waiting
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.news import TaskChange
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment


def end(environment: Environment, news: TaskChange) -> tuple[list[PushResult], Results]:
    """Judge the task, and deploy what waited for it; gives what failed of that, and what came of pushes."""
    if environment.settings.dry_run:
        return [], []
    try:
        tasks_first.report_failed(environment, tasks_first.end(environment, news.started_by, news.task))
    except EcrDeployError as error:
        return [report.log_failed(news.event_id, f"judging the task {news.started_by}: {error}", error)], []
    return waiting.deploy_in(environment, news.event_id, news.cluster)
