"""Fields of events: what stands at a path, or why it can't be read."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ecr_deploy.core.errors import EcrDeployError


class InvalidEventError(EcrDeployError):
    """An event that claims to be a push, but lacks a field or holds a malformed one.

    `field` is the path of the field in the event; `value` is what stood there, None if nothing did.
    """

    def __init__(self, field: str, value: object = None) -> None:
        problem = "is missing" if value is None else f"is malformed: {json.dumps(value, default=str)[:300]}"
        super().__init__(f"{field} {problem}")
        self.field = field
        self.value = value


def text(event: Mapping[str, Any], path: str, is_valid: Callable[[str], bool] = bool) -> str:
    """The text at a dotted path.

    Raises:
        InvalidEventError: nothing is there, or it is not valid.

    """
    value = optional(event, path)
    if not isinstance(value, str) or not is_valid(value):
        raise InvalidEventError(path, value)
    return value


def optional(event: Mapping[str, Any], path: str) -> object:
    """Whatever is at a dotted path; None where the path ends early."""
    value: object = event
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
