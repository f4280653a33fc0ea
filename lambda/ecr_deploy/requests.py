"""Requests: what an operator asks for by invoking the function directly."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from . import images
from .errors import EcrDeployError
from .images import Repository
from .rules import Scope
from .settings import Settings


class InvalidRequestError(EcrDeployError):
    """A request with a field that is missing, unknown or malformed; the message names it and its value."""

    @classmethod
    def of(cls, request: object) -> "InvalidRequestError":
        """Tell that something is no request at all."""
        return cls(f"A request must be a JSON object, but it is {json.dumps(request)}.")


class Request(NamedTuple):
    """Deploy an image now, or `explain` what would become of it.

    `scope` narrows what it may reach; `force` lets it replace a newer one.
    """

    repository: Repository
    tag: str
    digest: str | None
    scope: Scope
    dry_run: bool
    force: bool
    explain: bool = False


def parse(event: Mapping[str, Any], settings: Settings, region: str) -> Request:
    """Read a request; registry and region are the function's own unless given.

    Raises:
        InvalidRequestError: a field is missing, unknown or malformed.

    """
    if isinstance(event.get("explain"), Mapping):
        return parse(event["explain"], settings, region)._replace(explain=True)
    for name in sorted(event.keys() - _FIELDS):
        message = f"The request has no field {name}; it may have {', '.join(sorted(_FIELDS))}."
        raise InvalidRequestError(message)
    values = {"registry": settings.account_id, "region": region, "digest": None} | _DEFAULTS | dict(event)
    for name, (expected, is_valid) in _VALID.items():
        if not is_valid(values.get(name)):
            found = f"it is {json.dumps(values[name])}" if name in values else "it is missing"
            message = f"The field {name} of the request must be {expected}, but {found}."
            raise InvalidRequestError(message)
    return Request(
        repository=Repository(values["registry"], values["region"], values["repository"]),
        tag=values["tag"],
        digest=values["digest"],
        scope=Scope(tuple(values["clusters"]), tuple(values["services"])),
        dry_run=values["dry_run"] or settings.dry_run,
        force=values["force"],
    )


def _text(is_valid: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and is_valid(value)


def _is_globs(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(glob, str) for glob in value)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


_DEFAULTS: dict[str, Any] = {"clusters": ["*"], "services": ["*"], "dry_run": False, "force": False}
_VALID: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "repository": ("the name of an ECR repository", _text(images.is_ecr_repository_name)),
    "tag": ("an image tag", _text(images.is_tag)),
    "registry": ("an AWS account id of 12 digits", _text(images.is_account)),
    "region": ("an AWS region", _text(images.is_region)),
    "digest": ("sha256: and 64 hexadecimal digits", lambda value: value is None or _text(images.is_ecr_digest)(value)),
    "clusters": ("a list of at least one glob", _is_globs),
    "services": ("a list of at least one glob", _is_globs),
    "dry_run": ("true or false", _is_bool),
    "force": ("true or false", _is_bool),
}
_FIELDS = frozenset(_VALID)
