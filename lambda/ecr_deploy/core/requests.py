"""Requests: what an operator asks for by invoking the function directly."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from ecr_deploy.core import images, records
from ecr_deploy.core.errors import InvalidRequestError
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.pushes import Answer
from ecr_deploy.core.rules import Scope
from ecr_deploy.core.settings import Settings


class Image(NamedTuple):
    """The image in question: what a tag points to, or that of the digest."""

    repository: Repository
    tag: str
    digest: str | None


class Deploy(NamedTuple):
    """Deploy an image now. `scope` narrows what it may reach; with `force` it replaces a newer one, too.

    With an `answer`, approve it for what waits for that, or reject it.
    """

    image: Image
    scope: Scope
    dry_run: bool
    force: bool
    answer: Answer | None = None


class Explain(NamedTuple):
    """Say what would become of a push of an image, and why."""

    image: Image


class Plan(NamedTuple):
    """Say what the next scheduled run would do; with `adopted_long_ago` as if it had seen all services all along."""

    scope: Scope
    adopted_long_ago: bool


class Rollback(NamedTuple):
    """Roll a service back to what it ran before, or to a revision (`family:number`) that it ran, `to`.

    `force` does it even where ECR has that image no longer.
    """

    target: Target
    dry_run: bool
    force: bool
    to: str | None


class History(NamedTuple):
    """Say what was deployed to a service when; without one, to all in a scope, as far as each remembers by itself."""

    target: Target | None
    scope: Scope


class Status(NamedTuple):
    """Say what services in a scope run, and where their rollouts stand."""

    scope: Scope


class Adopt(NamedTuple):
    """Record what services run that were never recorded, and deploy nothing."""


class Freeze(NamedTuple):
    """Deploy nothing within a scope until it is lifted, or a time."""

    scope: Scope
    reason: str
    until: datetime | None


class Unfreeze(NamedTuple):
    """Lift what is frozen within a scope, and deploy what waited there."""

    scope: Scope


Request = Deploy | Explain | Plan | Rollback | History | Status | Adopt | Freeze | Unfreeze


class Asked(NamedTuple):
    """A request, and who asks, if they say so."""

    request: Request
    by: str | None


def parse(event: Mapping[str, Any], settings: Settings, region: str) -> Asked:
    """Read a request; registry and region are the function's own unless given.

    Raises:
        InvalidRequestError: a field is missing, unknown or malformed.

    """
    defaults = {"registry": settings.account_id, "region": region}
    for name, read in _KINDS.items():
        if isinstance(event.get(name), Mapping):
            _refuse_others(event, {name, "by"})
            by = event[name].get("by", event.get("by"))
            asked = {field: value for field, value in event[name].items() if field != "by"}
            return Asked(read(asked, defaults, settings), _get({"by": by}, "by"))
    by = _get({"by": event.get("by")}, "by")
    return Asked(_read_deploy({name: value for name, value in event.items() if name != "by"}, defaults, settings), by)


def _read_deploy(event: Mapping[str, Any], defaults: Mapping[str, Any], settings: Settings) -> Deploy:
    _refuse_others(event, {*_IMAGE, *_SCOPE, "dry_run", "force"})
    values = {**defaults, **_OPTIONAL, **event}
    return Deploy(
        _read_image(values),
        _read_scope(values),
        dry_run=_get(values, "dry_run") or settings.dry_run,
        force=_get(values, "force"),
    )


def _read_answer(event: Mapping[str, Any], defaults: Mapping[str, Any], settings: Settings, answer: Answer) -> Deploy:
    return _read_deploy(event, defaults, settings)._replace(answer=answer)


def _read_explain(event: Mapping[str, Any], defaults: Mapping[str, Any], _: Settings) -> Explain:
    _refuse_others(event, _IMAGE)
    return Explain(_read_image({**defaults, **_OPTIONAL, **event}))


def _read_plan(event: Mapping[str, Any], _: Mapping[str, Any], __: Settings) -> Plan:
    _refuse_others(event, {*_SCOPE, "adopted_long_ago"})
    values = {**_OPTIONAL, **event}
    return Plan(_read_scope(values), adopted_long_ago=_get(values, "adopted_long_ago"))


def _read_rollback(event: Mapping[str, Any], _: Mapping[str, Any], settings: Settings) -> Rollback:
    _refuse_others(event, {*_SERVICE, "dry_run", "force", "to"})
    values = {**_OPTIONAL, **event}
    dry_run = _get(values, "dry_run") or settings.dry_run
    return Rollback(_read_target(values), dry_run=dry_run, force=_get(values, "force"), to=_get(values, "to"))


def _read_history(event: Mapping[str, Any], _: Mapping[str, Any], __: Settings) -> History:
    if not event.keys() & _SERVICE:
        _refuse_others(event, _SCOPE)
        return History(None, _read_scope({**_OPTIONAL, **event}))
    _refuse_others(event, _SERVICE)
    return History(_read_target(event), Scope())


def _read_status(event: Mapping[str, Any], _: Mapping[str, Any], __: Settings) -> Status:
    _refuse_others(event, _SCOPE)
    return Status(_read_scope({**_OPTIONAL, **event}))


def _read_adopt(event: Mapping[str, Any], _: Mapping[str, Any], __: Settings) -> Adopt:
    _refuse_others(event, set())
    return Adopt()


def _read_freeze(event: Mapping[str, Any], _: Mapping[str, Any], __: Settings) -> Freeze:
    _refuse_others(event, {*_SCOPE, "reason", "until"})
    values = {**_OPTIONAL, **event}
    until = _get(values, "until")
    return Freeze(_read_scope(values), _get(values, "reason"), records.parse_time(until) if until else None)


def _read_unfreeze(event: Mapping[str, Any], _: Mapping[str, Any], __: Settings) -> Unfreeze:
    _refuse_others(event, _SCOPE)
    return Unfreeze(_read_scope({**_OPTIONAL, **event}))


def _read_image(values: Mapping[str, Any]) -> Image:
    name, tag = _get(values, "repository"), _get(values, "tag")
    return Image(Repository(_get(values, "registry"), _get(values, "region"), name), tag, _get(values, "digest"))


def _read_scope(values: Mapping[str, Any]) -> Scope:
    return Scope(tuple(_get(values, "clusters")), tuple(_get(values, "services")))


def _read_target(values: Mapping[str, Any]) -> Target:
    return Target(_get(values, "cluster"), _get(values, "service"))


def _refuse_others(event: Mapping[str, Any], known: set[str]) -> None:
    for name in sorted(event.keys() - known):
        message = f"The request has no field {name}; it may have {', '.join(sorted(known))}."
        raise InvalidRequestError(message)


def _get(values: Mapping[str, Any], name: str) -> Any:
    expected, is_valid = _VALID[name]
    if not is_valid(values.get(name)):
        found = f"it is {json.dumps(values[name])}" if name in values else "it is missing"
        message = f"The field {name} of the request must be {expected}, but {found}."
        raise InvalidRequestError(message)
    return values[name]


def _text(is_valid: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and is_valid(value)


def _is_globs(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(glob, str) for glob in value)


def _is_revision(value: object) -> bool:
    return isinstance(value, str) and value.rpartition(":")[2].isdecimal() and value.rpartition(":")[0] != ""


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


_KINDS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], Settings], Request]] = {
    "explain": _read_explain,
    "plan": _read_plan,
    "rollback": _read_rollback,
    "history": _read_history,
    "status": _read_status,
    "adopt": _read_adopt,
    "freeze": _read_freeze,
    "unfreeze": _read_unfreeze,
    "approve": partial(_read_answer, answer="approve"),
    "reject": partial(_read_answer, answer="reject"),
}
_IMAGE = {"repository", "tag", "registry", "region", "digest"}
_SERVICE = {"cluster", "service"}
_SCOPE = {"clusters", "services"}
_OPTIONAL: dict[str, Any] = {
    "digest": None,
    "clusters": ["*"],
    "services": ["*"],
    "dry_run": False,
    "force": False,
    "to": None,
    "until": None,
    "adopted_long_ago": False,
}
_VALID: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "repository": ("the name of an ECR repository", _text(images.is_ecr_repository_name)),
    "tag": ("an image tag", _text(images.is_tag)),
    "registry": ("an AWS account id of 12 digits", _text(images.is_account)),
    "region": ("an AWS region", _text(images.is_region)),
    "digest": ("sha256: and 64 hexadecimal digits", lambda value: value is None or _text(images.is_ecr_digest)(value)),
    "clusters": ("a list of at least one glob", _is_globs),
    "services": ("a list of at least one glob", _is_globs),
    "cluster": ("the name of an ECS cluster", _text(bool)),
    "service": ("the name of an ECS service", _text(bool)),
    "by": ("a name", lambda value: value is None or _text(bool)(value)),
    "dry_run": ("true or false", _is_bool),
    "force": ("true or false", _is_bool),
    "to": ("a revision, family:number", lambda value: value is None or _is_revision(value)),
    "adopted_long_ago": ("true or false", _is_bool),
    "reason": ("a text", _text(bool)),
    "until": ("a time, as in 2026-12-01T08:00:00Z", lambda value: value is None or _text(records.is_time)(value)),
}
