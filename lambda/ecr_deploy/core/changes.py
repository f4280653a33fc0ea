"""Changes: events of what pushes wait for, but for those of ECS's deployments, which come most often."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ecr_deploy.core import images, records
from ecr_deploy.core.fields import InvalidEventError, optional, text
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.images import InvalidImageError, Repository
from ecr_deploy.core.news import DETAIL_TYPES, GroupChange, NoPush, RemoteChange, ScanEnd, TaskChange
from ecr_deploy.core.records import Record

# Of clusters and services.
_NAME = re.compile(r"(daemon/)?[A-Za-z0-9_-]{1,255}")


def group(event: Mapping[str, Any], event_id: str) -> GroupChange:
    """Read which deployment group it is about.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/monitoring-cloudwatch-events.html
    """
    return GroupChange(text(event, "detail.application"), text(event, "detail.deploymentGroup"), event_id)


def task(event: Mapping[str, Any], event_id: str) -> TaskChange | NoPush:
    """Read a task that has stopped, if it is one of ours.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
    """
    from ecr_deploy.core import tasks  # noqa: PLC0415 - few functions are sent any of these

    started_by = optional(event, "detail.startedBy")
    if not str(started_by).startswith(tasks.STARTED_BY) or optional(event, "detail.lastStatus") != "STOPPED":
        return NoPush("a task of others, or one that runs, is no push", event_id)
    cluster = text(event, "detail.clusterArn").rpartition("/")[2]
    return TaskChange(cluster, str(started_by), event["detail"], event_id)


def scan(event: Mapping[str, Any], event_id: str) -> ScanEnd:
    """Read whose scan has ended; ECR names the repository, Amazon Inspector gives its ARN.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-events.html
    """
    name = text(event, "detail.repository-name").rpartition(":repository/")[2]
    account, region = text(event, "account", images.is_account), text(event, "region", images.is_region)
    if not images.is_ecr_repository_name(name):
        field = "detail.repository-name"
        raise InvalidEventError(field, name)
    return ScanEnd(Repository(account, region, name), event_id)


def remote(event: Mapping[str, Any], event_id: str) -> RemoteChange | NoPush:
    """Read what ecr-deploy in another region reports: what became of an image on a service there.

    EventBridge writes the sender's account and region, not the detail. schemas/deployment.v1.json has the rest.
    """
    named = (optional(event, f"detail.{name}") for name in ("image", "digest", "cluster", "service"))
    if None in named:
        return NoPush("a deployment of no known image, or to no service, is no push", event_id)
    repository, tag = _image(text(event, "detail.image"))
    pushed_at = records.parse_time(text(event, "detail.pushed_at", records.is_time))
    push = Record(repository, tag, text(event, "detail.digest", images.is_ecr_digest), pushed_at)
    return RemoteChange(
        account=text(event, "account", images.is_account),
        region=text(event, "region", images.is_region),
        target=Target(text(event, "detail.cluster", _is_name), text(event, "detail.service", _is_name)),
        push=push,
        outcome=text(event, "detail.outcome"),
        at=records.parse_time(text(event, "time", records.is_time)),
        event_id=event_id,
    )


def _is_name(value: str) -> bool:
    return _NAME.fullmatch(value) is not None


def _image(name: str) -> tuple[Repository, str]:
    try:
        image = images.parse(name)
    except InvalidImageError:
        image = None
    if image is None or image.ecr is None or image.tag is None:
        field = "detail.image"
        raise InvalidEventError(field, name)
    return image.ecr, image.tag


# By source and detail-type.
READERS: Mapping[
    tuple[str, str],
    Callable[[Mapping[str, Any], str], GroupChange | NoPush | RemoteChange | ScanEnd | TaskChange],
] = {
    ("aws.ecr", "ECR Image Scan"): scan,
    ("aws.inspector2", "Inspector2 Scan"): scan,
    ("aws.ecs", "ECS Task State Change"): task,
    ("aws.codedeploy", "CodeDeploy Deployment State-change Notification"): group,
    **dict.fromkeys((("ecr-deploy", kind) for kind in DETAIL_TYPES.values()), remote),
}
