"""ECR: what a registry says about its images."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ecr_deploy.aws.calls import Api, Maybe, Shape, batched
from ecr_deploy.core import manifests, records
from ecr_deploy.core.errors import CallError, Retry
from ecr_deploy.core.gates import Scan
from ecr_deploy.core.images import Repository
from ecr_deploy.core.records import Record

# All that an image may be; ECR would give a plain image for an index else.
# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html
_MANIFESTS = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
]
_IMAGE: Shape = {"imageDetails": [{"imageDigest": str, "imagePushedAt": datetime}]}
_TAGGED: Shape = {"imageDetails": [{"imageDigest": str, "imagePushedAt": datetime, "imageTags": [str]}]}
_MANIFEST: Shape = {
    "images": [
        {
            "imageId": {"imageDigest": str, "imageTag": Maybe(str)},
            "imageManifest": str,
            "imageManifestMediaType": Maybe(str),
        }
    ]
}
_FINDINGS: Shape = {
    "imageScanStatus": Maybe({"status": str}),
    "imageScanFindings": Maybe({"findingSeverityCounts": Maybe(dict)}),
}
# Of basic scans, and of enhanced ones, which go on.
# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanStatus.html
_SCANNED = frozenset({"COMPLETE", "ACTIVE"})
_NEVER_SCANNED = frozenset({"ScanNotFoundException", "ImageNotFoundException"})
_IMAGES_PER_PAGE = 1000
# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html
_IMAGES_PER_DESCRIBE = 100
MISSING = frozenset({"ImageNotFoundException", "RepositoryNotFoundException"})
"""The codes of what says that an image is not there."""


def find(api: Api, repository: Repository, tag: str, digest: str | None) -> Record:
    """The image that a tag points to, or that of the digest, and when it was pushed.

    Raises:
        CallError: the registry has no such image, or does not answer.

    """
    operation, subject = "DescribeImages", f"{repository}:{tag}" + (f"@{digest}" if digest else "")
    image_id = {"imageDigest": digest} if digest else {"imageTag": tag}
    place: dict[str, Any] = {"registryId": repository.account, "repositoryName": repository.name}
    try:
        found = api.call(operation, subject, _IMAGE, **place, imageIds=[image_id])["imageDetails"]
    except CallError as error:
        if error.code not in MISSING:
            raise
        raise _missing(subject, operation) from error
    if not found:
        raise _missing(subject, operation)
    return Record(repository, tag, found[0]["imageDigest"], records.to_milliseconds(found[0]["imagePushedAt"]))


def describe(api: Api, repository: Repository, tags: Iterable[str], digests: Iterable[str]) -> list[Record]:
    """What ECR says of some images: each of their tags with the time of the push; what is not there is left out.

    Raises:
        CallError: the registry does not answer.

    """
    wanted = [{"imageTag": tag} for tag in sorted(tags)] + [{"imageDigest": digest} for digest in sorted(digests)]
    return [record for ids in batched(wanted, _IMAGES_PER_DESCRIBE) for record in _describe(api, repository, ids)]


def _describe(api: Api, repository: Repository, ids: Sequence[Mapping[str, str]]) -> list[Record]:
    place: dict[str, Any] = {"registryId": repository.account, "repositoryName": repository.name}
    try:
        found = api.call("DescribeImages", str(repository), _IMAGE, **place, imageIds=list(ids))["imageDetails"]
    except CallError as error:
        if error.code not in MISSING:
            raise
        # One that is not there makes ECR answer for none.
        return [record for image_id in ids for record in _describe(api, repository, [image_id])] if len(ids) > 1 else []
    return [
        Record(repository, tag, image["imageDigest"], records.to_milliseconds(image["imagePushedAt"]))
        for image in found
        for tag in image.get("imageTags") or [""]
    ]


def tagged(api: Api, repository: Repository) -> list[Record]:
    """Every tag of a repository, with the image it points to and when that was pushed.

    Raises:
        CallError: the registry does not answer.

    """
    pages = api.pages(
        "DescribeImages",
        str(repository),
        _TAGGED,
        registryId=repository.account,
        repositoryName=repository.name,
        filter={"tagStatus": "TAGGED"},
        maxResults=_IMAGES_PER_PAGE,
    )
    return [
        Record(repository, tag, image["imageDigest"], records.to_milliseconds(image["imagePushedAt"]))
        for page in pages
        for image in page["imageDetails"]
        for tag in image["imageTags"]
    ]


def promote(api: Api, image: Record, tag: str) -> bool:
    """Give an image a tag more; False if it has that already.

    Raises:
        CallError: the registry has no such image any more, allows no tag to be moved, or does not answer.

    """
    subject = f"{image.repository}:{tag}"
    place: dict[str, Any] = {"registryId": image.repository.account, "repositoryName": image.repository.name}
    operation, image_ids = "BatchGetImage", [{"imageDigest": image.digest}, {"imageTag": tag}]
    held = api.call(operation, subject, _MANIFEST, **place, imageIds=image_ids, acceptedMediaTypes=_MANIFESTS)["images"]
    of_image = [image_held for image_held in held if image_held["imageId"]["imageDigest"] == image.digest]
    if any(image_held["imageId"].get("imageTag") == tag for image_held in of_image):
        return False
    if not of_image:
        by_digest = f"{image.repository}@{image.digest}"
        raise _missing(by_digest, operation)
    member = "imageManifestMediaType"
    media_type: dict[str, Any] = {member: of_image[0][member]} if of_image[0].get(member) else {}
    try:
        api.call(
            "PutImage",
            subject,
            {"image": dict},
            **place,
            **media_type,
            imageManifest=of_image[0]["imageManifest"],
            imageTag=tag,
        )
    except CallError as error:
        # Somebody was quicker, or a try that got no answer went through.
        if error.code == "ImageAlreadyExistsException":
            return False
        raise
    return True


def scan(api: Api, repository: Repository, digest: str) -> Scan:
    """What ECR says of its scan of an image: for an index, which is not scanned itself, of all of its images together.

    Raises:
        CallError: the registry does not answer.

    """
    found = _scan(api, repository, digest)
    if found.counts is not None:
        return found
    counts: Counter[str] = Counter()
    for part in _parts(api, repository, digest):
        found = _scan(api, repository, part)
        if found.counts is None:
            return found
        counts.update(found.counts)
    return Scan(found.status, counts) if found.counts is not None else found


def _scan(api: Api, repository: Repository, digest: str) -> Scan:
    operation, subject = "DescribeImageScanFindings", f"{repository}@{digest}"
    place: dict[str, Any] = {"registryId": repository.account, "repositoryName": repository.name}
    try:
        answer = api.call(operation, subject, _FINDINGS, **place, imageId={"imageDigest": digest}, maxResults=1)
    except CallError as error:
        if error.code not in _NEVER_SCANNED:
            raise
        return Scan()
    status = (answer.get("imageScanStatus") or {}).get("status", "UNKNOWN")
    if status not in _SCANNED:
        return Scan(status)
    return Scan(status, (answer.get("imageScanFindings") or {}).get("findingSeverityCounts") or {})


def _parts(api: Api, repository: Repository, digest: str) -> list[str]:
    """The digests of the images of an index, of which attestations are none; none of what is no index.

    https://docs.docker.com/build/metadata/attestations/attestation-storage/
    """
    place: dict[str, Any] = {"registryId": repository.account, "repositoryName": repository.name}
    image_ids = [{"imageDigest": digest}]
    subject = f"{repository}@{digest}"
    held = api.call("BatchGetImage", subject, _MANIFEST, **place, imageIds=image_ids, acceptedMediaTypes=_MANIFESTS)
    return [part for image in held["images"] for part in manifests.parts_of(image["imageManifest"])]


def _missing(subject: str, operation: str) -> CallError:
    return CallError(f"there is no image {subject}", operation, "ImageNotFoundException", Retry.NEVER)
