"""Pushes: an image in moto's ECR, and the events that AWS sends about it.

moto's ECR sends none, so whoever pushes puts them on the bus. AWS itself refuses events from `aws.*` sources there;
moto takes them.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import boto3

_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"


def upload(repository: str, tag: str, aws: Any = boto3) -> dict[str, Any]:
    """Put a new image into ECR, unannounced, in a second of its own; return it as PutImage answers.

    `aws` is a session in the registry's account.

    ECR and its events tell the time in whole seconds: of two pushes in one second, either might count as the later.
    """
    time.sleep(1 - time.time() % 1)
    content = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "size": 7, "digest": f"sha256:{uuid.uuid4().hex * 2}"},
        "layers": [],
    }
    manifest = json.dumps(content)
    image: dict[str, Any] = aws.client("ecr").put_image(
        repositoryName=repository,
        imageTag=tag,
        imageDigest=f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}",
        imageManifest=manifest,
        imageManifestMediaType=_MANIFEST_TYPE,
    )["image"]
    return image


def push(repository: str, tag: str, *, trail: bool = False, aws: Any = boto3) -> str:
    """Push a new image and announce it, by CloudTrail's event too in an account with a trail; return its digest."""
    image = upload(repository, tag, aws)
    digest: str = image["imageId"]["imageDigest"]
    announce(
        {
            "action-type": "PUSH",
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": digest,
            "image-tag": tag,
            "manifest-media-type": _MANIFEST_TYPE,
        },
        aws,
    )
    if trail:
        _put_event("AWS API Call via CloudTrail", _put_image_call(image))
    return digest


def announce(detail: Mapping[str, Any], aws: Any = boto3) -> None:
    """Put ECR's own event about an image on the bus, whatever its detail says."""
    _put_event("ECR Image Action", detail, aws=aws)


def put_event(event: Mapping[str, Any]) -> None:
    """Put a recorded event of whatever service on the bus."""
    _put_event(event["detail-type"], event["detail"], event["source"], event["resources"])


def _put_event(
    detail_type: str,
    detail: Mapping[str, Any],
    source: str = "aws.ecr",
    resources: Sequence[str] = (),
    aws: Any = boto3,
) -> None:
    entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail), "Resources": list(resources)}
    answer = aws.client("events").put_events(Entries=[entry])
    assert not answer["FailedEntryCount"], answer


def _put_image_call(image: Mapping[str, Any]) -> dict[str, Any]:
    about = {key: image[key] for key in ("registryId", "repositoryName", "imageManifest")}
    return {
        "eventVersion": "1.08",
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "ecr.amazonaws.com",
        "eventName": "PutImage",
        "awsRegion": boto3.Session().region_name,
        "requestParameters": {**about, "imageTag": image["imageId"]["imageTag"]},
        "responseElements": {"image": {**about, "imageId": image["imageId"]}},
    }
