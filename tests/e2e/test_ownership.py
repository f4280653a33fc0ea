"""Settings by Terraform, images by pushes, and never a plan that is not empty: both ways to share a service."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.harness.event_source import EventSourceMapping
from tests.harness.fleet import Service, running_services
from tests.harness.lambda_runtime import Function
from tests.harness.registry import push
from tests.harness.terraform import ZIP, Root, copy_module

pytestmark = pytest.mark.usefixtures("aws", "_no_leftovers")


# What Terraform merges into an example: tags on all that it makes, and images by digest.
TAGGED = 'provider "aws" {\n  default_tags {\n    tags = { team = "shop" }\n  }\n}\n'
BY_DIGEST = 'module "ecr_deploy" {\n  image_reference = "digest"\n}\n'


@contextmanager
def applied(
    example: str, tmp_path: Path, files: Mapping[str, str] | None = None
) -> Iterator[tuple[Root, str, EventSourceMapping]]:
    """An example as applied, with more files; its repository, and the road of its pushes. Destroyed in the end."""
    directory = copy_module(tmp_path / "module") / example
    for name, text in (files or {}).items():
        (directory / name).write_text(text)
    root = Root(directory)
    try:
        outputs = root.apply()
        with Function(outputs["function_name"], ZIP) as function:
            yield root, outputs["repository"], EventSourceMapping(function)
    finally:
        root.destroy()


def test_settings_go_out_with_the_next_push(tmp_path: Path) -> None:
    with applied("terraform-managed-service", tmp_path) as (root, repository, mapping):
        push(repository, "v2")
        mapping.drain()

        assert running("managed") == {"image": "managed:v2", "LOG_LEVEL": "info"}
        assert root.unexpected_changes() == []

        root.apply(log_level="debug")

        assert running("managed") == {"image": "managed:v2", "LOG_LEVEL": "info"}
        assert root.unexpected_changes() == []

        push(repository, "v3")
        mapping.drain()

        assert running("managed") == {"image": "managed:v3", "LOG_LEVEL": "debug"}
        assert root.unexpected_changes() == []


def test_terraform_owns_the_service_and_reads_its_image(tmp_path: Path) -> None:
    with applied("terraform-reads-image", tmp_path) as (root, repository, mapping):
        push(repository, "v2")
        mapping.drain()

        assert running("owned") == {"image": "owned:v2", "LOG_LEVEL": "info"}
        assert root.unexpected_changes() == []

        root.apply(log_level="debug")

        assert running("owned") == {"image": "owned:v2", "LOG_LEVEL": "debug"}
        assert root.unexpected_changes() == []

        push(repository, "v3")
        mapping.drain()

        assert running("owned") == {"image": "owned:v3", "LOG_LEVEL": "debug"}
        assert root.unexpected_changes() == []


@pytest.mark.parametrize(
    ("example", "name"), [("terraform-managed-service", "managed"), ("terraform-reads-image", "owned")]
)
def test_the_plan_is_empty_with_default_tags_and_an_image_by_digest(tmp_path: Path, example: str, name: str) -> None:
    files = {"tags.tf": TAGGED, "digest_override.tf": BY_DIGEST}
    with applied(example, tmp_path, files) as (root, repository, mapping):
        digest = push(repository, "v2")
        mapping.drain()

        assert running(name)["image"] == f"{name}@{digest}"
        assert tags(name) == {"team": "shop"}
        assert root.unexpected_changes() == []

        root.apply(log_level="debug")

        assert running(name)["image"] == f"{name}@{digest}"
        assert root.unexpected_changes() == []


def tags(name: str) -> dict[str, str]:
    """The tags of the revision that the service runs."""
    revision = running_services()[Service(name, name)].revision
    answer = boto3.client("ecs").describe_task_definition(taskDefinition=revision, include=["TAGS"])
    return {tag["key"]: tag["value"] for tag in answer["tags"]}


def running(name: str) -> dict[str, Any]:
    """The image of the service, and its setting."""
    revision = running_services()[Service(name, name)].revision
    definition = boto3.client("ecs").describe_task_definition(taskDefinition=revision)["taskDefinition"]
    [container] = definition["containerDefinitions"]
    environment = {one["name"]: one["value"] for one in container["environment"]}
    return {"image": container["image"].rpartition("/")[2], **environment}
