"""ECR: what a registry says about its images."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.aws import calls
from ecr_deploy.core import records
from ecr_deploy.core.errors import CallError, Retry
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
_NOT_THERE = frozenset({"ImageNotFoundException", "RepositoryNotFoundException"})


def find(client: Any, repository: Repository, tag: str, digest: str | None) -> Record:
    """The image that a tag points to, or that of the digest, and when it was pushed.

    Raises:
        CallError: the registry has no such image, or does not answer.

    """
    subject = f"{repository}:{tag}" + (f"@{digest}" if digest else "")
    image_id = {"imageDigest": digest} if digest else {"imageTag": tag}
    try:
        answer = client.describe_images(
            registryId=repository.account, repositoryName=repository.name, imageIds=[image_id]
        )
    except (ClientError, BotoCoreError) as error:
        explained = calls.explain(error, "DescribeImages", subject)
        if explained.code in _NOT_THERE:
            message = f"there is no image {subject}"
            raise CallError(message, "DescribeImages", explained.code, Retry.NEVER) from error
        raise explained from error
    image = answer["imageDetails"][0]
    return Record(repository, tag, image["imageDigest"], records.to_milliseconds(image["imagePushedAt"]))


def tagged(client: Any, repository: Repository) -> list[Record]:
    """Every tag of a repository, with the image it points to and when that was pushed.

    Raises:
        CallError: the registry does not answer.

    """
    try:
        pages = client.get_paginator("describe_images").paginate(
            registryId=repository.account,
            repositoryName=repository.name,
            filter={"tagStatus": "TAGGED"},
            PaginationConfig={"PageSize": 1000},
        )
        images = [image for page in pages for image in page["imageDetails"]]
    except (ClientError, BotoCoreError) as error:
        raise calls.explain(error, "DescribeImages", str(repository)) from error
    return [
        Record(repository, tag, image["imageDigest"], records.to_milliseconds(image["imagePushedAt"]))
        for image in images
        for tag in image["imageTags"]
    ]


def promote(client: Any, image: Record, tag: str) -> bool:
    """Give an image a tag more; False if it has that already.

    Raises:
        CallError: the registry has no such image any more, lets no tag be moved, or does not answer.

    """
    place = {"registryId": image.repository.account, "repositoryName": image.repository.name}
    image_id = {"imageDigest": image.digest}
    operation = "BatchGetImage"
    try:
        answer = client.batch_get_image(**place, imageIds=[image_id, {"imageTag": tag}], acceptedMediaTypes=_MANIFESTS)
        held = {one["imageId"].get("imageTag"): one for one in answer["images"]}
        if tag in held and held[tag]["imageId"]["imageDigest"] == image.digest:
            return False
        found = next((one for one in answer["images"] if one["imageId"]["imageDigest"] == image.digest), None)
        if found is None:
            message = f"there is no image {image.repository}@{image.digest}"
            raise CallError(message, operation, "ImageNotFoundException", Retry.NEVER)
        media_type = found.get("imageManifestMediaType")
        operation = "PutImage"
        client.put_image(
            **place,
            imageManifest=found["imageManifest"],
            imageTag=tag,
            **({"imageManifestMediaType": media_type} if media_type else {}),
        )
    except (ClientError, BotoCoreError) as error:
        explained = calls.explain(error, operation, f"{image.repository}:{tag}")
        # Somebody was quicker.
        if explained.code == "ImageAlreadyExistsException":
            return False
        raise explained from error
    return True
