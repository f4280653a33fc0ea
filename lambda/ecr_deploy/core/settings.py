"""Settings: what Terraform set, read from the function's environment and validated."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, NamedTuple, cast, get_args

from ecr_deploy.core.gates import Gates
from ecr_deploy.core.images import ImageReference
from ecr_deploy.core.reading import InvalidSettingsError, Reader
from ecr_deploy.core.rules import Rule, Rules, Scope

VARIABLE = "ECR_DEPLOY_SETTINGS"

BaseRevision = Literal["latest", "running"]


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
    daemons: bool
    keep_revisions: int | None
    max_services_at_once: int | None
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
    read = Reader(values, "")
    account_id = read.account("account_id")
    calendars = read.texts("change_calendars")
    readers = read.objects("rules", [{}])
    promoted = tuple(tag for reader in readers if (tag := reader.tag("promote_tag")))
    settings = Settings(
        account_id=account_id,
        rules=Rules(
            scopes=(Scope(clusters=read.globs("clusters", ("*",))),),
            rules=tuple(_rule(reader, account_id, calendars, promoted) for reader in readers),
        ),
        image_reference=cast("ImageReference", read.one_of("image_reference", get_args(ImageReference), "tag")),
        base_revision=cast("BaseRevision", read.one_of("base_revision", get_args(BaseRevision), "latest")),
        enabled_tag_key=read.text("enabled_tag_key", "a tag key", "ecr-deploy:enabled"),
        require_opt_in=read.flag("require_opt_in"),
        dry_run=read.flag("dry_run"),
        reconcile=read.flag("reconcile"),
        rollback_on_failure=read.flag("rollback_on_failure"),
        deployment_timeout=read.minutes("deployment_timeout_minutes", 30),
        scheduled_tasks=read.flag("scheduled_tasks"),
        codedeploy=read.flag("codedeploy"),
        express_mode=read.flag("express_mode"),
        daemons=read.flag("daemons"),
        keep_revisions=read.count("keep_revisions"),
        max_services_at_once=read.count("max_services_at_once"),
        image_parameter_prefix=read.text("image_parameter_prefix", "a path", "") or None,
        topics=read.texts("topic_arns"),
        chat_topics=read.texts("chat_topic_arns"),
        table_name=read.text("table_name", "the name of a table"),
        queue_url=read.text("queue_url", "the URL of a queue"),
        dead_letter_queue_url=read.text("dead_letter_queue_url", "the URL of a queue"),
    )
    read.refuse_others()
    return settings


def _rule(read: Reader, account_id: str, calendars: tuple[str, ...], promoted: tuple[str, ...]) -> Rule:
    rule = Rule(
        registries=read.accounts("registries", (account_id,)),
        repositories=read.globs("repositories", ("*",)),
        tags=read.globs("tags", ("*",)),
        exclude_tags=read.texts("exclude_tags"),
        semver=read.semver("semver", prereleases=read.flag("include_prereleases")),
        order_by=read.order_by("order_by"),
        clusters=read.globs("clusters", ("*",)),
        services=read.globs("services", ("*",)),
        containers=read.globs("containers", ("*",)),
        families=read.texts("families"),
        gates=Gates(
            change_calendars=(*calendars, *read.texts("change_calendars")),
            minimum_image_age=read.minutes("minimum_image_age"),
            after=read.stage("after"),
            max_scan_severity=read.severity("max_scan_severity"),
            scan_timeout=read.timeout("scan_timeout_minutes"),
            approval=read.approval("approval"),
            run_before=read.tasks("run_before"),
        ),
        promote_tag=read.tag("promote_tag"),
        promoted_tags=promoted,
    )
    read.refuse_others()
    return rule
