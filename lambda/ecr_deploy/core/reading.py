"""Reading settings: validated values out of the JSON that Terraform wrote."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.gates import SEVERITIES, Stage
from ecr_deploy.core.images import is_account, is_region, is_tag

if TYPE_CHECKING:
    from ecr_deploy.core.order_by import OrderBy
    from ecr_deploy.core.tasks import Task
    from ecr_deploy.core.versions import Range

# A hundred years.
_MOST_MINUTES = 100 * 366 * 24 * 60
# As many as a family may have.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
_MOST_REVISIONS = 1_000_000


class InvalidSettingsError(EcrDeployError):
    """A setting that the function can't work with; the message names it, its value and what it may be."""


def _task(read: "Reader") -> "Task":
    from ecr_deploy.core.tasks import Task  # noqa: PLC0415 - few need it

    network = read("network_configuration", "an object", lambda value: isinstance(value, dict), {})
    launch: dict[str, Any] = {}
    if network:
        inner = Reader(network, "network_configuration.")
        assigned = inner.flag("assign_public_ip")
        launch["networkConfiguration"] = {
            "awsvpcConfiguration": {
                "subnets": list(inner.globs("subnets", ())),
                "securityGroups": list(inner.texts("security_groups")),
                "assignPublicIp": "ENABLED" if assigned else "DISABLED",
            }
        }
        inner.refuse_others()
    if launch_type := read.text("launch_type", "EC2, FARGATE or EXTERNAL", ""):
        launch["launchType"] = launch_type
    task = Task(
        family=read.text("family", "the name of a family"),
        container=read.text("container", "the name of a container"),
        command=read.texts("command"),
        timeout=read.minutes("timeout_minutes", 15),
        launch=launch,
    )
    read.refuse_others()
    return task


class Reader:
    """Takes validated values out of a JSON object; `path` says where the object stands, for the messages."""

    def __init__(self, values: Mapping[str, Any], path: str) -> None:
        self._values = values
        self._path = path
        self._known: set[str] = set()

    def __call__(self, name: str, expected: str, is_valid: Callable[[Any], bool], default: object = None) -> Any:
        """Take one value, which must be valid; an error says what was `expected`. The default is not looked at."""
        self._known.add(name)
        # Terraform writes null for what was not given.
        value = default if self._values.get(name) is None else self._values[name]
        if (value is not default and not is_valid(value)) or value is None:
            message = f"The setting {self._path}{name} must be {expected}, but it is {json.dumps(value)}."
            raise InvalidSettingsError(message)
        return value

    def refuse_others(self) -> None:
        """Refuse what nobody asked for: a misspelt field of a rule would allow more pushes than its author meant."""
        for name in sorted(self._values.keys() - self._known):
            message = f"There is no setting {self._path}{name}, but it is {json.dumps(self._values[name])}."
            raise InvalidSettingsError(message)

    def flag(self, name: str) -> bool:
        """True or false; false by default."""
        return bool(self(name, "true or false", _is_bool, default=False))

    def text(self, name: str, expected: str, default: str | None = None) -> str:
        """A text that is not empty."""
        return str(self(name, expected, _is_text, default))

    def account(self, name: str) -> str:
        """The id of an account."""
        return str(self(name, "an AWS account id of 12 digits", _is_account))

    def accounts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of at least one id of an account."""
        return tuple(self(name, "a list of AWS account ids", _is_list_of(str, is_item=_is_account), default))

    def objects(self, name: str, default: Sequence[Mapping[str, Any]]) -> "list[Reader]":
        """A list of at least one object."""
        values = self(name, "a list of at least one object", _is_list_of(dict), default)
        return [Reader(value, f"{self._path}{name}[{index}].") for index, value in enumerate(values)]

    def count(self, name: str) -> int | None:
        """A whole number from 1; None where there is none."""
        return self(name, "a whole number from 1", _is_count, 0) or None

    def tag(self, name: str) -> str | None:
        """An image tag; None where there is none."""
        return self(name, "an image tag", _is_tag, "") or None

    def severity(self, name: str) -> str | None:
        """A severity of findings; None where there is none."""
        return self(name, f"one of {', '.join(SEVERITIES)}", _is_severity, "") or None

    def globs(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of at least one glob."""
        return tuple(self(name, "a list of at least one text", _is_list_of(str), default))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; none by default."""
        return tuple(self(name, "a list of texts", _is_list_of(str, least=0), ()))

    def one_of(self, name: str, values: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        return str(self(name, f"one of {', '.join(values)}", lambda value: value in values, default))

    def order_by(self, name: str) -> "OrderBy | None":
        """An order of pushes by their tags; None where there is none."""
        value = self(name, "an object with pattern and type", lambda given: given == {} or _is_order(given), default={})
        if not value:
            return None
        from ecr_deploy.core import order_by  # noqa: PLC0415 - most users need not load it

        try:
            return order_by.parse(value["pattern"], value["type"])
        except order_by.InvalidOrderByError as error:
            message = f"The setting {self._path}{name} can't order pushes: {error}."
            raise InvalidSettingsError(message) from error

    def tasks(self, name: str) -> "tuple[Task, ...]":
        """Tasks that run first; none by default."""
        values = self(name, "a list of objects", _is_list_of(dict, least=0), ())
        return tuple(_task(Reader(value, f"{self._path}{name}[{index}].")) for index, value in enumerate(values))

    def minutes(self, name: str, default: int = 0) -> timedelta:
        """A number of minutes."""
        return timedelta(minutes=self(name, "a number of minutes", _is_number, default))

    def timeout(self, name: str) -> timedelta | None:
        """A number of minutes; None where there is none."""
        value = self(name, "a number of minutes", _is_number, default=())
        return None if value == () else timedelta(minutes=value)

    def stage(self, name: str) -> Stage | None:
        """A stage that pushes have to pass; None where there is none."""
        value = self(name, "an object", lambda given: isinstance(given, dict), default={})
        if not value:
            return None
        read = Reader(value, f"{self._path}{name}.")
        stage = Stage(
            clusters=tuple(read("clusters", "a list of at least one text", _is_list_of(str))),
            services=read.globs("services", ("*",)),
            live=read.minutes("live_minutes"),
            region=str(read("region", "the name of a region", _is_region, "")),
        )
        read.refuse_others()
        return stage

    def approval(self, name: str) -> timedelta | None:
        """For how long somebody may approve a push; None where nobody has to."""
        value = self(name, "an object", lambda given: isinstance(given, dict), default=())
        if value == ():
            return None
        read = Reader(value, f"{self._path}{name}.")
        hours = read("expires_hours", "a whole number of hours from 1", _is_hours, default=_MOST_MINUTES // 60)
        read.refuse_others()
        return timedelta(hours=hours)

    def semver(self, name: str, *, prereleases: bool) -> "Range | None":
        """A range of versions; None where there is none."""
        text = self(name, "a range of semantic versions", _is_text, default=())
        if not text:
            return None
        from ecr_deploy.core import versions  # noqa: PLC0415 - most users need not load it

        try:
            return versions.parse_range(text, prereleases=prereleases)
        except versions.InvalidRangeError as error:
            message = f"The setting {self._path}{name} must be a range of semantic versions, but {error}."
            raise InvalidSettingsError(message) from error


def _is_order(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"pattern", "type"} and all(map(_is_text, value.values()))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    # JSON as Python reads it knows Infinity and NaN, too.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_MINUTES


def _is_hours(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_MINUTES // 60


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_REVISIONS


def _is_severity(value: object) -> bool:
    return value in SEVERITIES


def _is_region(value: object) -> bool:
    return isinstance(value, str) and is_region(value)


def _is_tag(value: object) -> bool:
    return isinstance(value, str) and is_tag(value)


def _is_account(value: object) -> bool:
    return isinstance(value, str) and is_account(value)


def _is_list_of(kind: type, least: int = 1, is_item: Callable[[object], bool] = bool) -> Callable[[object], bool]:
    # An empty rule is a rule.
    return lambda value: (
        isinstance(value, list)
        and len(value) >= least
        and all(isinstance(item, kind) and (kind is dict or is_item(item)) for item in value)
    )
