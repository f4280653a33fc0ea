"""What lists and descriptions have in common: pages, limits, and what is missing."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeVar

from . import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .validation import Json

Item = TypeVar("Item")
Owner = TypeVar("Owner")

MAX_PAGE = 100
MAX_DESCRIBED = 20


def missing(arn: str) -> Json:
    """Give the failure that ECS lists, with HTTP 200, for what it does not have."""
    return {"arn": arn, "reason": "MISSING"}


def describe(
    member: str,
    asked_member: str,
    request: Json,
    known: Mapping[str, tuple[Owner, Item]],
    describe_one: Callable[[Owner, Item], Json],
) -> Json:
    """Describe up to 20 items, of each of which the owner is known, too; AWS lists those that it does not have."""
    asked = request[asked_member]
    some(asked_member, asked)
    at_most(MAX_DESCRIBED, asked, asked_member)
    return {
        member: [describe_one(*known[arn]) for arn in asked if arn in known],
        "failures": [missing(arn) for arn in asked if arn not in known],
    }


def page(member: str, items: Sequence[object], request: Json, default_size: int = MAX_PAGE) -> Json:
    """Give a page of items, and what leads to the next."""
    size = request.get("maxResults")
    if size is None:
        size = default_size
    if not 1 <= size <= MAX_PAGE:
        message = f"maxResults must be between 1 and {MAX_PAGE}."
        raise errors.invalid_parameter(message)
    start = _offset(member, request.get("nextToken"))
    answer: Json = {member: list(items[start : start + size])}
    if start + size < len(items):
        answer["nextToken"] = base64.b64encode(f"{member} {start + size}".encode()).decode()
    return answer


def _offset(member: str, token: str | None) -> int:
    if token is None:
        return 0
    try:
        of_member, _, offset = base64.b64decode(token, validate=True).decode().partition(" ")
        if of_member == member:
            return int(offset)
    except (binascii.Error, ValueError):
        pass
    message = "Invalid token."
    raise errors.invalid_parameter(message)


def some(what: str, items: Iterable[object]) -> None:
    """Refuse an empty list."""
    if not items:
        message = f"{what} cannot be empty."
        raise errors.invalid_parameter(message)


def at_most(limit: int, items: Sequence[object], what: str) -> None:
    """Refuse a list that is too long."""
    if len(items) > limit:
        message = f"{what} can have at most {limit} items."
        raise errors.invalid_parameter(message)
