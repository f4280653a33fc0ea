"""News of a deployment in another region: what waited for a stage there may go on, or not."""

from ecr_deploy import fleet_reader, report, stages, waiting
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.gates import Facts, Gates
from ecr_deploy.core.news import RemoteChange
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment


def track(environment: Environment, news: RemoteChange) -> tuple[list[PushResult], Results]:
    """Record what was reported, and deploy what waited for it; gives what failed of that, and what came of pushes."""
    settings, repository = environment.settings, news.push.repository
    awaited = [stage for stage in settings.rules.stages(repository) if stage.region == news.region]
    if settings.dry_run or not awaited or news.account != settings.account_id:
        return [], []
    try:
        environment.remote.add(news)
        reports = stages.elsewhere(environment, news.region, [(stage, repository) for stage in awaited])
        facts = Facts(environment.now(), stages=reports)
        # Of many services that become live one after the other, only the last opens the gate.
        if all(Gates(after=stage).holds(news.push, facts, {}) for stage in awaited):
            return [], []
        targets = fleet_reader.running(environment, settings.rules, repository.is_copy_of)
    except EcrDeployError as error:
        return [report.log_failed(news.event_id, f"recording a deployment in {news.region}: {error}", error)], []
    return waiting.deploy(environment, news.event_id, targets)
