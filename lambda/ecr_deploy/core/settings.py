"""Settings: what Terraform set, read from the function's environment and validated."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args

from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.gates import Gates, Stage
from ecr_deploy.core.images import ImageReference, is_account, is_tag
from ecr_deploy.core.rules import Rule, Rules, Scope

if TYPE_CHECKING:
    from ecr_deploy.core.order_by import OrderBy
    from ecr_deploy.core.tasks import Task
    from ecr_deploy.core.versions import Range

VARIABLE = "ECR_DEPLOY_SETTINGS"

_MOST_MINUTES = 100 * 366 * 24 * 60  # a hundred years
# As many as a family may have.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
_MOST_REVISIONS = 1_000_000

BaseRevision = Literal["latest", "running"]


class InvalidSettingsError(EcrDeployError):
    """A setting that the function can't work with; the message names it, its value and what it may be."""


class Settings(NamedTuple):
    """The inputs of the Terraform module that the function needs."""

    account_id: str
    rules: Rules
    image_reference: ImageReference
    base_revision: BaseRevision
    enabled_tag_key: str
    require_opt_in: bool
    dry_run: bool
    reconcile: bool
    rollback_on_failure: bool
    deployment_timeout: timedelta
    scheduled_tasks: bool
    codedeploy: bool
    express_mode: bool
    keep_revisions: int | None
    image_parameter_prefix: str | None
    topics: tuple[str, ...]
    chat_topics: tuple[str, ...]
    table_name: str
    queue_url: str
    dead_letter_queue_url: str


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings from the variable ECR_DEPLOY_SETTINGS, a JSON object.

    Raises:
        InvalidSettingsError: the variable is missing or is no JSON object, or a setting has a value it may not have.

    """
    try:
        values = json.loads(environment.get(VARIABLE, ""))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        message = f"The environment variable {VARIABLE} must hold the settings as a JSON object."
        raise InvalidSettingsError(message)
    read = _Reader(values, "")
    account_id = read("account_id", "an AWS account id of 12 digits", _is_account)
    calendars = read.texts("change_calendars")
    rules = read("rules", "a list of at least one object", _is_list_of(dict), [{}])
    promoted = tuple(str(rule["promote_tag"]) for rule in rules if rule.get("promote_tag"))
    settings = Settings(
        account_id=account_id,
        rules=Rules(
            scopes=(Scope(clusters=read.globs("clusters", ("*",))),),
            rules=tuple(
                _rule(_Reader(rule, f"rules[{index}]."), account_id, calendars, promoted)
                for index, rule in enumerate(rules)
            ),
        ),
        image_reference=cast("ImageReference", read.one_of("image_reference", get_args(ImageReference), "tag")),
        base_revision=cast("BaseRevision", read.one_of("base_revision", get_args(BaseRevision), "latest")),
        enabled_tag_key=read("enabled_tag_key", "a tag key", _is_text, "ecr-deploy:enabled"),
        require_opt_in=read("require_opt_in", "true or false", _is_bool, default=False),
        dry_run=read("dry_run", "true or false", _is_bool, default=False),
        reconcile=read("reconcile", "true or false", _is_bool, default=False),
        rollback_on_failure=read("rollback_on_failure", "true or false", _is_bool, default=False),
        deployment_timeout=read.minutes("deployment_timeout_minutes", default=30),
        scheduled_tasks=read("scheduled_tasks", "true or false", _is_bool, default=False),
        codedeploy=read("codedeploy", "true or false", _is_bool, default=False),
        express_mode=read("express_mode", "true or false", _is_bool, default=False),
        keep_revisions=read("keep_revisions", "a whole number from 1", _is_count, 0) or None,
        image_parameter_prefix=read("image_parameter_prefix", "a path", _is_text, "") or None,
        topics=read.texts("topic_arns"),
        chat_topics=read.texts("chat_topic_arns"),
        table_name=read("table_name", "the name of a table", _is_text),
        queue_url=read("queue_url", "the URL of a queue", _is_text),
        dead_letter_queue_url=read("dead_letter_queue_url", "the URL of a queue", _is_text),
    )
    read.refuse_others()
    return settings


def _rule(read: "_Reader", account_id: str, calendars: tuple[str, ...], promoted: tuple[str, ...]) -> Rule:
    rule = Rule(
        registries=tuple(
            read("registries", "a list of AWS account ids", _is_list_of(str, is_item=_is_account), (account_id,))
        ),
        repositories=read.globs("repositories", ("*",)),
        tags=read.globs("tags", ("*",)),
        exclude_tags=read.texts("exclude_tags"),
        semver=read.semver("semver", prereleases=read("include_prereleases", "true or false", _is_bool, default=False)),
        order_by=read.order_by("order_by"),
        clusters=read.globs("clusters", ("*",)),
        services=read.globs("services", ("*",)),
        containers=read.globs("containers", ("*",)),
        families=read.texts("families"),
        gates=Gates(
            change_calendars=(*calendars, *read.texts("change_calendars")),
            minimum_image_age=read.minutes("minimum_image_age"),
            after=read.stage("after"),
            approval=read.approval("approval"),
            run_before=read.tasks("run_before"),
        ),
        promote_tag=read("promote_tag", "an image tag", _is_tag, "") or None,
        promoted_tags=promoted,
    )
    read.refuse_others()
    return rule


def _task(read: "_Reader") -> "Task":
    from ecr_deploy.core.tasks import Task  # noqa: PLC0415 - few need it

    network = read("network_configuration", "an object", lambda value: isinstance(value, dict), {})
    launch: dict[str, Any] = {}
    if network:
        inner = _Reader(network, "network_configuration.")
        assigned = inner("assign_public_ip", "true or false", _is_bool, default=False)
        launch["networkConfiguration"] = {
            "awsvpcConfiguration": {
                "subnets": list(inner.globs("subnets", ())),
                "securityGroups": list(inner.texts("security_groups")),
                "assignPublicIp": "ENABLED" if assigned else "DISABLED",
            }
        }
        inner.refuse_others()
    if launch_type := read("launch_type", "EC2, FARGATE or EXTERNAL", _is_text, ""):
        launch["launchType"] = launch_type
    task = Task(
        family=read("family", "the name of a family", _is_text),
        container=read("container", "the name of a container", _is_text),
        command=read.texts("command"),
        timeout=timedelta(minutes=read("timeout_minutes", "a number of minutes", _is_number, default=15)),
        launch=launch,
    )
    read.refuse_others()
    return task


class _Reader:
    """Takes validated values out of a JSON object; `path` says where the object stands, for the messages."""

    def __init__(self, values: Mapping[str, Any], path: str) -> None:
        self._values = values
        self._path = path
        self._known: set[str] = set()

    def __call__(self, name: str, expected: str, is_valid: Callable[[Any], bool], default: object = None) -> Any:
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
        return tuple(_task(_Reader(value, f"{self._path}{name}[{index}].")) for index, value in enumerate(values))

    def minutes(self, name: str, default: int = 0) -> timedelta:
        """A number of minutes."""
        return timedelta(minutes=self(name, "a number of minutes", _is_number, default))

    def stage(self, name: str) -> Stage | None:
        """A stage that pushes have to pass; None where there is none."""
        value = self(name, "an object", lambda given: isinstance(given, dict), default={})
        if not value:
            return None
        read = _Reader(value, f"{self._path}{name}.")
        stage = Stage(
            clusters=tuple(read("clusters", "a list of at least one text", _is_list_of(str))),
            services=read.globs("services", ("*",)),
            live=read.minutes("live_minutes"),
        )
        read.refuse_others()
        return stage

    def approval(self, name: str) -> timedelta | None:
        """For how long somebody may approve a push; None where nobody has to."""
        value = self(name, "an object", lambda given: isinstance(given, dict), default=())
        if value == ():
            return None
        read = _Reader(value, f"{self._path}{name}.")
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
