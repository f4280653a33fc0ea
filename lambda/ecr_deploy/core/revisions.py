"""Revisions: a task definition as ECS gave it, and new images for it, make the next revision."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ecr_deploy.core import images, records
from ecr_deploy.core.images import Image, Repository
from ecr_deploy.core.records import Record

# What DescribeTaskDefinition answers and RegisterTaskDefinition does not take.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html
DESCRIBE_ONLY = frozenset(
    {
        "compatibilities",
        "deleteRequestedAt",
        "deregisteredAt",
        "registeredAt",
        "registeredBy",
        "requiresAttributes",
        "revision",
        "status",
        "taskDefinitionArn",
    }
)


class Container(NamedTuple):
    """A container of a revision: its name, and its image as written there and as understood."""

    name: str
    image: str
    reference: Image | None

    @property
    def repository(self) -> Repository | None:
        """The ECR repository that the image is from, if it is from one."""
        return self.reference.ecr if self.reference else None


class Revision(NamedTuple):
    """One revision of a task definition. `source` is ECS's own JSON of it, with every member it had."""

    arn: str
    family: str
    number: int
    containers: tuple[Container, ...]
    tags: Mapping[str, str]
    records: Mapping[Repository, Record]
    source: bytes

    def __str__(self) -> str:
        """Name the revision as ECS does for people."""
        return f"{self.family}:{self.number}"

    def container(self, name: str) -> Container | None:
        """The container of that name."""
        return next((container for container in self.containers if container.name == name), None)

    @property
    def rejected(self) -> Mapping[Repository, Record]:
        """The pushes that a service was taken back from before this revision."""
        return records.rejected(self.tags, self.repositories)

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """The ECR repositories that its containers run."""
        return tuple(container.repository for container in self.containers if container.repository)

    def tag_of(self, container: Container) -> str | None:
        """The image tag that a container runs: as written, or as recorded where only the digest is written."""
        image = container.reference
        if image is None:
            return None
        if image.tag or image.digest is None:
            return image.tag or "latest"
        record = self._record_of(container)
        return record.tag if record and record.digest == image.digest else None

    def digest_of(self, container: Container) -> str | None:
        """The digest that a container runs: as written, or as recorded for the tag; None if neither tells."""
        image = container.reference
        if image is None:
            return None
        if image.digest:
            return image.digest
        record = self._record_of(container)
        return record.digest if record and record.tag == (image.tag or "latest") else None

    def _record_of(self, container: Container) -> Record | None:
        return self.records.get(container.repository) if container.repository else None


def read(answer: Mapping[str, Any]) -> Revision:
    """Read an answer of DescribeTaskDefinition (or RegisterTaskDefinition): `taskDefinition`, and `tags` beside it."""
    definition = answer["taskDefinition"]
    containers = tuple(
        Container(container["name"], container["image"], _parse(container["image"]))
        for container in definition.get("containerDefinitions", ())
    )
    tags = {tag["key"]: tag.get("value", "") for tag in answer.get("tags") or ()}
    return Revision(
        arn=definition["taskDefinitionArn"],
        family=definition["family"],
        number=definition["revision"],
        containers=containers,
        tags=tags,
        records=_records(tags, containers),
        source=json.dumps(definition).encode(),
    )


def with_tags(revision: Revision, tags: Mapping[str, str]) -> Revision:
    """The same revision after it was given some tags."""
    tags = {**revision.tags, **tags}
    return revision._replace(tags=tags, records=_records(tags, revision.containers))


def following(
    base: Revision,
    new_images: Mapping[str, str],
    new_records: Iterable[Record],
    rejections: Iterable[Record] = (),
    others: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The request that registers the revision after `base`: `base` with images changed and nothing else.

    `new_images` maps container names to images. `new_records`, `rejections` and `others` of our tags replace those of
    `base`; its owner's tags stay.
    """
    request = _registrable(base)
    for container in request["containerDefinitions"]:
        container["image"] = new_images.get(container["name"], container["image"])
    tags = records.write(_owners_tags(base.tags), new_records, rejections, others)
    # ECS refuses an empty list: "Tags can not be empty".
    if tags:
        request["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
    return request


def is_like(revision: Revision, request: Mapping[str, Any]) -> bool:
    """Whether registering `request` would give a copy of `revision`, records aside."""
    tags = {tag["key"]: tag["value"] for tag in request.get("tags", ())}
    definition = {member: value for member, value in request.items() if member != "tags"}
    return definition == _registrable(revision) and _owners_tags(tags) == _owners_tags(revision.tags)


def is_copy(revision: Revision, request: Mapping[str, Any]) -> bool:
    """Whether `revision` is what registering `request` gave: its records are the same, too."""
    tags = {tag["key"]: tag["value"] for tag in request.get("tags", ())}
    return is_like(revision, request) and revision.tags == tags


def _registrable(revision: Revision) -> dict[str, Any]:
    definition = json.loads(revision.source)
    return {member: value for member, value in definition.items() if member not in DESCRIBE_ONLY}


def _owners_tags(tags: Mapping[str, str]) -> dict[str, str]:
    # Keys that begin with aws: belong to AWS and can't be set.
    return {key: value for key, value in tags.items() if not records.is_ours(key) and not key.startswith("aws:")}


def _records(tags: Mapping[str, str], containers: Iterable[Container]) -> dict[Repository, Record]:
    return records.read(tags, (container.repository for container in containers if container.repository))


def _parse(text: str) -> Image | None:
    try:
        return images.parse(text)
    except images.InvalidImageError:
        return None
