"""News of a scan: one has ended, and what waited for its findings may go on, or not."""

from ecr_deploy import fleet_reader, report, waiting
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.news import ScanEnd
from ecr_deploy.core.outcomes import PushResult
from ecr_deploy.deployer import Results
from ecr_deploy.environment import Environment


def end(environment: Environment, news: ScanEnd) -> tuple[list[PushResult], Results]:
    """Deploy what waited for a scan in the repository; gives what failed of that, and what came of pushes."""
    rules = environment.settings.rules
    if environment.settings.dry_run or not rules.scans(news.repository):
        return [], []
    try:
        targets = fleet_reader.running(environment, rules, news.repository.__eq__)
    except EcrDeployError as error:
        return [report.log_failed(news.event_id, f"looking for what waits: {error}", error)], []
    return waiting.deploy(environment, news.event_id, targets)
