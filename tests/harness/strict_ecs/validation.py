"""What ECS accepts: requests by botocore's own model, task definitions and tags by ECS's rules."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session

from . import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel, ServiceModel, Shape

Json = dict[str, Any]

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
MAX_CONTAINERS = 10
MAX_DEFINITION_BYTES = 64 * 1024
MAX_IMAGE_LENGTH = 255
MAX_TAGS = 50
MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256
RESERVED_TAG_PREFIX = "aws:"

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "blob": (str,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
    "integer": (int,),
    "list": (list,),
    "long": (int,),
    "map": (dict,),
    "string": (str,),
    "structure": (dict,),
    "timestamp": (int, float),
}


class Problem(NamedTuple):
    """Where a JSON value departs from the model, and how: "unknown", "missing" or "type"."""

    path: str
    kind: str


@functools.cache
def botocore_session() -> botocore.session.Session:
    """Give the one botocore session of the doubles: loading the model of a service takes longer than most tests."""
    return botocore.session.Session()


@functools.cache
def service_model(service: str = "ecs") -> ServiceModel:
    """Give botocore's model of a service."""
    return botocore_session().get_service_model(service)


@functools.cache
def operation_model(operation: str, service: str = "ecs") -> OperationModel:
    """Give botocore's model of one operation."""
    return service_model(service).operation_model(operation)


def problems(shape: Shape, value: object, path: str = "") -> Iterator[Problem]:
    """Compare a JSON value with a shape of botocore's model, at every depth. JSON's null counts as absent."""
    if value is None:
        return
    is_bool_for_number = isinstance(value, bool) and shape.type_name != "boolean"
    if is_bool_for_number or not isinstance(value, _JSON_TYPES[shape.type_name]):
        yield Problem(path, "type")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from problems(shape.member, item, f"{path}[{index}]")
    elif isinstance(value, dict):
        yield from _member_problems(shape, value, f"{path}." if path else "")


def _member_problems(shape: Shape, value: Json, prefix: str) -> Iterator[Problem]:
    is_map = shape.type_name == "map"
    for name in () if is_map else shape.required_members:
        if value.get(name) is None:
            yield Problem(prefix + name, "missing")
    for name, item in value.items():
        member = shape.value if is_map else shape.members.get(name)
        if member is None:
            yield Problem(prefix + name, "unknown")
        else:
            yield from problems(member, item, prefix + name)


def check_request(operation: str, request: Json) -> Json:
    """Refuse a request that the model does not know; only what registers may carry members newer than it."""
    lenient = operation in {"RegisterTaskDefinition", "RegisterDaemonTaskDefinition"}
    for path, kind in problems(operation_model(operation).input_shape, request):
        if kind == "type":
            code, message = "SerializationException", f"{path} has a value of the wrong type."
            raise errors.EcsError(code, message)
        if kind == "missing":
            message = f"{path[0].upper()}{path[1:]} can not be blank."
            raise errors.client(message) if lenient else errors.invalid_parameter(message)
        if not lenient:
            message = f"{operation} has no member {path}."
            raise errors.house_rule(message)
    return request


def check_definition(definition: Json) -> None:
    """Refuse a task definition, of a daemon or not, that ECS would refuse. Its tags: see check_tags."""
    describe_only = sorted(DESCRIBE_ONLY & definition.keys())
    if describe_only:
        message = f"{', '.join(describe_only)} can not be set: ECS adds it."
        raise errors.invalid_parameter(message)
    _check_family(definition.get("family"))
    if "FARGATE" in (definition.get("requiresCompatibilities") or []):
        _check_fargate(definition)
    containers = definition.get("containerDefinitions") or []
    if not containers:
        message = "Container list cannot be empty."
        raise errors.client(message)
    if len(containers) > MAX_CONTAINERS:
        message = f"Too many containers: a task definition can have at most {MAX_CONTAINERS}."
        raise errors.client(message)
    for container in containers:
        _check_image(container.get("image"))
    size = len(json.dumps(definition, separators=(",", ":"), ensure_ascii=False).encode())
    if size > MAX_DEFINITION_BYTES:
        message = f"Actual length: '{size}'. Max allowed length is '{MAX_DEFINITION_BYTES}' bytes."
        raise errors.client(message)


def _check_family(family: str | None) -> None:
    if not family:
        message = "Family can not be blank."
        raise errors.client(message)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", family):
        message = "Family contains invalid characters."
        raise errors.client(message)


def _check_fargate(definition: Json) -> None:
    for member in ("cpu", "memory"):
        if not definition.get(member):
            message = f"Fargate requires that '{member}' be defined at the task level."
            raise errors.client(message)
    if definition.get("networkMode") != "awsvpc":
        message = "Fargate only supports network mode ‘awsvpc’."  # noqa: RUF001 - AWS's own quotation marks
        raise errors.client(message)


def _check_image(image: str | None) -> None:
    if not image:
        message = "Container.image should not be null or empty."
        raise errors.client(message)
    if len(image.partition("@")[0]) > MAX_IMAGE_LENGTH:
        message = f"Container.image should be at most {MAX_IMAGE_LENGTH} characters."
        raise errors.client(message)


def check_tags(tags: list[Json], *, owner: bool = False) -> dict[str, str]:
    """Refuse a list of tags that ECS would refuse, else give it as a dict.

    An owner may have tags that begin with `aws:`, because CloudFormation sets some; they don't count for the limit.
    """
    if not tags:
        message = "Tags can not be empty."
        raise errors.client(message)
    checked: dict[str, str] = {}
    for tag in tags:
        key, value = tag.get("key"), tag.get("value") or ""
        if not key:
            message = "Tag key can not be blank."
            raise errors.invalid_parameter(message)
        if key in checked:
            message = f"Duplicate tag keys found: {key}."
            raise errors.invalid_parameter(message)
        _check_tag_text("key", key, MAX_TAG_KEY)
        _check_tag_text("value", value, MAX_TAG_VALUE)
        if not owner and any(text.lower().startswith(RESERVED_TAG_PREFIX) for text in (key, value)):
            message = f"Tag {key} begins with {RESERVED_TAG_PREFIX}, which is reserved for AWS."
            raise errors.invalid_parameter(message)
        checked[key] = value
    check_tag_count(checked)
    return checked


def check_tag_count(tags: dict[str, str]) -> None:
    """Refuse more tags than a resource can have."""
    if sum(not key.lower().startswith(RESERVED_TAG_PREFIX) for key in tags) > MAX_TAGS:
        message = f"The number of tags exceeds the limit of {MAX_TAGS}."
        raise errors.invalid_parameter(message)


def _check_tag_text(what: str, text: str, limit: int) -> None:
    if len(text) > limit:
        message = f"Tag {what} is longer than {limit} characters: {text}"
        raise errors.invalid_parameter(message)
    # botocore's pattern for both: [\p{L}\p{Z}\p{N}_.:/=+\-@]*
    if not all(character in "_.:/=+-@" or unicodedata.category(character)[0] in "LZN" for character in text):
        message = f"Tag {what} contains invalid characters: {text}"
        raise errors.invalid_parameter(message)
