"""ECR: what a registry says about its images."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from . import aws, records
from .errors import CallError, Retry
from .images import Repository
from .records import Record

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
        explained = aws.explain(error, "DescribeImages", subject)
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
        raise aws.explain(error, "DescribeImages", str(repository)) from error
    return [
        Record(repository, tag, image["imageDigest"], records.to_milliseconds(image["imagePushedAt"]))
        for image in images
        for tag in image["imageTags"]
    ]
