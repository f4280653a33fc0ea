"""Events: the JSON that EventBridge delivers, read into a Push, or what else it is.

Event shapes: https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html and
https://docs.aws.amazon.com/AmazonECR/latest/userguide/logging-using-cloudtrail.html
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast, get_args

from ecr_deploy.core import images, pushes, records
from ecr_deploy.core.fields import InvalidEventError, optional, text
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.news import REST_OF_RUN, DeploymentChange, News, NoPush, Tick
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import DAEMON

# Services made before 2021 have ARNs without their cluster.
_SERVICE_ARN = re.compile(
    r"arn:[^:]+:ecs:[^:]+:[0-9]{12}:(?P<kind>service(?P<deployment>-deployment)?|daemon)/"
    r"((?P<cluster>[^/]+)/)?(?P<name>[^/]+)(?(deployment)/[^/]+)"
)
# What is no end of a deployment.
_BEGINNING = re.compile("(SERVICE|DAEMON)_DEPLOYMENT_(PENDING|STOP_REQUESTED|(ROLLBACK_)?IN_PROGRESS)")
# What the config of an image is, in Docker's words and in OCI's; any other artefact (a chart, a signature) is none.
_IMAGE_CONFIGS = ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json")
# What belongs to an image is kept under tags made of its digest, by cosign and by the fallback for OCI referrers.
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema
_BELONGING = re.compile(r"sha256-[0-9a-f]{64}(\.(sig|att|sbom))?")


def parse(event: object) -> News:
    """Read an EventBridge event.

    Raises:
        InvalidEventError: the event claims to be a push, but is not whole.

    """
    if not isinstance(event, Mapping):
        field = "event"
        raise InvalidEventError(field, event)
    event_id = str(event.get("id", ""))
    kind = event.get("detail-type")
    source_and_kind = str(event.get("source")), str(kind)
    read = _READERS.get(source_and_kind)
    if read is None:
        from ecr_deploy.core import changes  # noqa: PLC0415 - few functions are sent any

        read = changes.READERS.get(source_and_kind)
    if read is None:
        return NoPush(f"an event of source {event.get('source')!r} and type {kind!r} is no push", event_id)
    return read(event, event_id)


def _native(event: Mapping[str, Any], event_id: str, pushing: str) -> Push | NoPush:
    """Read a push to a repository, or the arrival of a replica there: account and region are the receiving ones."""
    action = text(event, "detail.action-type")
    if action != pushing:
        return NoPush(f"the image action {action} is no push", event_id)
    if (result := text(event, "detail.result")) != "SUCCESS":
        return NoPush(f"the push ended in {result}", event_id)
    return _push(
        event,
        event_id,
        account="account",
        region="region",
        repository="detail.repository-name",
        tag="detail.image-tag",
        digest="detail.image-digest",
        time="time",
        artifact=optional(event, "detail.artifact-media-type"),
    )


def _cache(event: Mapping[str, Any], event_id: str) -> Push | NoPush:
    """Read the arrival of an image that was pulled through a cache, or that the cache refreshed by itself.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html
    """
    if (status := text(event, "detail.sync-status")) != "SUCCESS":
        return NoPush(f"pulling it through the cache ended in {status}", event_id)
    return _push(
        event,
        event_id,
        account="account",
        region="region",
        repository="detail.repository-name",
        tag="detail.image-tag",
        digest="detail.image-digest",
        time="time",
        artifact=None,
    )


def _cloudtrail(event: Mapping[str, Any], event_id: str) -> Push | NoPush:
    from ecr_deploy.core import manifests  # noqa: PLC0415 - events of CloudTrail alone have one

    name = text(event, "detail.eventName")
    if name != "PutImage":
        return NoPush(f"the API call {name} is no push", event_id)
    if error := optional(event, "detail.errorCode"):
        return NoPush(f"the push failed: {error}", event_id)
    pushed = "detail.responseElements.image"
    manifest = optional(event, f"{pushed}.imageManifest") or optional(event, "detail.requestParameters.imageManifest")
    return _push(
        event,
        event_id,
        account=f"{pushed}.registryId",
        region="detail.awsRegion" if optional(event, "detail.awsRegion") else "region",
        repository=f"{pushed}.repositoryName",
        tag=f"{pushed}.imageId.imageTag",
        digest=f"{pushed}.imageId.imageDigest",
        time="detail.eventTime" if optional(event, "detail.eventTime") else "time",
        artifact=manifests.artifact_of(manifest),
    )


def _deployment(event: Mapping[str, Any], event_id: str) -> DeploymentChange:
    """Read which service or daemon it is about; the rest is asked of ECS, which knows better than a late event.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/managed-daemons-events.html
    """
    resources = event.get("resources")
    match = _SERVICE_ARN.fullmatch(str(resources[0])) if isinstance(resources, list) and resources else None
    if match is None:
        field = "resources"
        raise InvalidEventError(field, resources)
    cluster = match["cluster"] or text(event, "detail.clusterArn").rpartition("/")[2]
    awaits_action = event["detail-type"] == "ECS Hook State Change"
    detail = event.get("detail")
    begins = isinstance(detail, Mapping) and _BEGINNING.fullmatch(str(detail.get("eventName"))) is not None
    name = f"{DAEMON}{match['name']}" if match["kind"] == "daemon" else match["name"]
    return DeploymentChange(Target(cluster, name), event_id, begins, awaits_action)


def _push(  # noqa: PLR0913 - one path for each field of a push
    event: Mapping[str, Any],
    event_id: str,
    *,
    account: str,
    region: str,
    repository: str,
    tag: str,
    digest: str,
    time: str,
    artifact: object,
) -> Push | NoPush:
    """Read the fields of a push from where this kind of event keeps them."""
    place = Repository(
        text(event, account, images.is_account),
        text(event, region, images.is_region),
        text(event, repository, images.is_ecr_repository_name),
    )
    if optional(event, tag) in (None, ""):
        return NoPush("an untagged push: a part of a multi-architecture image, or an attestation", event_id, str(place))
    pushed_tag = text(event, tag, images.is_tag)
    pushed_digest = text(event, digest, images.is_ecr_digest)
    pushed_at = records.parse_time(text(event, time, records.is_time))
    name = f"{place}:{pushed_tag}"
    if artifact and artifact not in _IMAGE_CONFIGS:
        return NoPush(f"an artefact of type {artifact} is no image", event_id, name)
    if _BELONGING.fullmatch(pushed_tag):
        return NoPush("a signature, attestation or SBOM is no image", event_id, name)
    return Push(Record(place, pushed_tag, pushed_digest, pushed_at), event_id)


def _retry(event: Mapping[str, Any], event_id: str) -> Push:
    """Read what `retry_of` wrote."""
    repository = Repository(
        text(event, "detail.registry", images.is_account),
        text(event, "detail.region", images.is_region),
        text(event, "detail.repository", images.is_ecr_repository_name),
    )
    record = Record(
        repository,
        text(event, "detail.tag", images.is_tag),
        text(event, "detail.digest", images.is_ecr_digest),
        records.parse_time(text(event, "detail.pushed_at", records.is_time)),
    )
    origin = text(event, "detail.origin", get_args(pushes.Origin).__contains__)
    by = optional(event, "detail.by")
    answer = optional(event, "detail.answer")
    targets = optional(event, "detail.targets")
    return Push(
        record,
        event_id,
        cast("pushes.Origin", origin),
        force=optional(event, "detail.force") is True,
        targets=frozenset(Target(*target) for target in targets) if isinstance(targets, list) else None,
        by=by if isinstance(by, str) else None,
        answer=cast("pushes.Answer", answer) if answer in get_args(pushes.Answer) else None,
    )


def _rest_of_run(event: Mapping[str, Any], event_id: str) -> Tick:
    """Read what `Tick.rest` wrote."""
    done = optional(event, "detail.done")
    began_at = records.parse_time(text(event, "detail.began_at", records.is_time))
    return Tick(event_id, began_at, done if isinstance(done, str) else None)


# By source and detail-type.
_READERS: dict[
    tuple[str, str],
    Callable[[Mapping[str, Any], str], News],
] = {
    ("aws.ecr", "ECR Image Action"): partial(_native, pushing="PUSH"),
    ("aws.ecr", "ECR Replication Action"): partial(_native, pushing="REPLICATE"),
    ("aws.ecr", "ECR Pull Through Cache Action"): _cache,
    ("aws.ecr", "AWS API Call via CloudTrail"): _cloudtrail,
    ("aws.events", "Scheduled Event"): lambda _, event_id: Tick(event_id),
    ("aws.ecs", "ECS Deployment State Change"): _deployment,
    ("aws.ecs", "ECS Daemon Deployment State Change"): _deployment,
    ("aws.ecs", "ECS Hook State Change"): _deployment,
    REST_OF_RUN: _rest_of_run,
    pushes.RETRY: _retry,
}
