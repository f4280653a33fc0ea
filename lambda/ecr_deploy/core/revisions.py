"""Revisions: a task definition as ECS gave it, and new images for it, make the next revision."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ecr_deploy.core import images
from ecr_deploy.core.images import Image, Repository

DAEMON = "daemon/"
"""What the names of daemons begin with, and those of their families: no service and no other family has a slash."""

# What DescribeTaskDefinition answers and RegisterTaskDefinition does not take; likewise for daemon task definitions.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DaemonTaskDefinition.html
DESCRIBE_ONLY = frozenset(
    {
        "compatibilities",
        "daemonTaskDefinitionArn",
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
# The role of an instance of the module is named after its function and region.
_INSTANCE = re.compile(r"arn:[^:]+:sts::[0-9]+:assumed-role/(?P<function>.+)-[a-z]{2,}(-[a-z]+)+-[0-9]+/(?P=function)")


class Container(NamedTuple):
    """A container of a revision: its name, and its image as written there and as understood."""

    name: str
    image: str
    reference: Image | None

    @property
    def repository(self) -> Repository | None:
        """The ECR repository that the image is from, if it is from one."""
        return self.reference.ecr if self.reference else None

    @property
    def tag(self) -> str | None:
        """The tag as written, or the one that ECS takes where nothing is written; None by digest alone."""
        if self.reference is None or (self.reference.tag is None and self.reference.digest):
            return None
        return self.reference.tag or "latest"

    @property
    def digest(self) -> str | None:
        """The digest as written."""
        return self.reference.digest if self.reference else None


class Revision(NamedTuple):
    """One revision of a task definition.

    `registered_by` is the ARN of who registered it, `tags` are its owner's, `source` is ECS's own JSON of it, with
    every member it had.
    """

    arn: str
    family: str
    number: int
    is_active: bool
    registered_by: str
    containers: tuple[Container, ...]
    tags: Mapping[str, str]
    source: bytes

    def __str__(self) -> str:
        """Name the revision as ECS does for people."""
        return f"{self.family}:{self.number}"

    def container(self, name: str) -> Container | None:
        """The container of that name."""
        return next((container for container in self.containers if container.name == name), None)

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """The ECR repositories that its containers run."""
        return tuple(container.repository for container in self.containers if container.repository)

    @property
    def instance(self) -> str | None:
        """The name of the instance of ecr-deploy that registered it; None if somebody else did.

        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html#ECS-Type-TaskDefinition-registeredBy
        """
        match = _INSTANCE.fullmatch(self.registered_by)
        return match["function"] if match else None


def name_of(arn: str) -> str:
    """The name of a revision for people: `family:number`, after `daemon/` where it is of a daemon task definition."""
    kind, _, name = arn.rpartition("/")
    return f"{DAEMON}{name}" if kind.endswith(":daemon-task-definition") else name


def family_of(arn: str) -> str:
    """The family of a revision; that of a daemon task definition begins with `daemon/`."""
    return name_of(arn).rpartition(":")[0]


def read(answer: Mapping[str, Any]) -> Revision:
    """Read an answer of DescribeTaskDefinition (or RegisterTaskDefinition): `taskDefinition`, and `tags` beside it.

    Or one of DescribeDaemonTaskDefinition: `daemonTaskDefinition`, with the tags that were asked for apart.
    """
    kind = "daemonTaskDefinition" if "daemonTaskDefinition" in answer else "taskDefinition"
    definition = answer[kind]
    arn = definition[f"{kind}Arn"]
    return Revision(
        arn=arn,
        family=family_of(arn),
        number=definition["revision"],
        is_active=definition.get("status", "ACTIVE") == "ACTIVE",
        registered_by=definition.get("registeredBy", ""),
        containers=tuple(
            Container(container["name"], container["image"], _parse(container["image"]))
            for container in definition.get("containerDefinitions", ())
        ),
        tags={tag["key"]: tag.get("value", "") for tag in answer.get("tags") or ()},
        source=json.dumps(definition).encode(),
    )


def sketch(arn: str, images_: Iterable[Mapping[str, Any]]) -> Revision:
    """A revision of which only its ARN and the `containerImages` of a service revision are known."""
    family, _, number = name_of(arn).rpartition(":")
    containers = (Container(image["containerName"], image["image"], _parse(image["image"])) for image in images_)
    return Revision(
        arn, family, int(number), is_active=True, registered_by="", containers=tuple(containers), tags={}, source=b""
    )


def following(base: Revision, new_images: Mapping[str, str]) -> dict[str, Any]:
    """The request that registers the revision after `base`: `base` with images changed and nothing else.

    `new_images` maps container names to images.
    """
    request = _registrable(base)
    for container in request["containerDefinitions"]:
        container["image"] = new_images.get(container["name"], container["image"])
    # ECS refuses an empty list: "Tags can not be empty".
    if tags := _settable(base.tags):
        request["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
    return request


def is_like(revision: Revision, request: Mapping[str, Any]) -> bool:
    """Whether registering `request` would give a copy of `revision`."""
    tags = {tag["key"]: tag["value"] for tag in request.get("tags", ())}
    definition = {member: value for member, value in request.items() if member != "tags"}
    return definition == _registrable(revision) and tags == _settable(revision.tags)


def moved(running: Revision, newest: Revision) -> Iterator[Repository]:
    """The repositories of containers that a newer revision has from another one than what runs."""
    for container in newest.containers:
        own = running.container(container.name)
        if own and container.repository and container.repository != own.repository:
            yield container.repository


def fingerprint(revision: Revision) -> str:
    """A text that is the same for all revisions that differ in nothing but images."""
    definition = _registrable(revision)
    for container in definition.get("containerDefinitions", ()):
        del container["image"]
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:20]


def _registrable(revision: Revision) -> dict[str, Any]:
    definition = json.loads(revision.source)
    return {member: value for member, value in definition.items() if member not in DESCRIBE_ONLY}


def _settable(tags: Mapping[str, str]) -> dict[str, str]:
    # Keys that begin with aws: belong to AWS and can't be set.
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def _parse(text: str) -> Image | None:
    try:
        return images.parse(text)
    except images.InvalidImageError:
        return None
