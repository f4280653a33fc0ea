"""`examples/terraform-managed-service`: settings by Terraform, images by pushes, and never a plan that is not empty."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.harness.event_source import EventSourceMapping
from tests.harness.fleet import Service, running_services
from tests.harness.lambda_runtime import Function
from tests.harness.registry import push
from tests.harness.terraform import ZIP, Root, copy_module

pytestmark = pytest.mark.usefixtures("aws", "_no_leftovers")


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    root = Root(copy_module(tmp_path_factory.mktemp("managed")) / "terraform-managed-service")
    yield root
    root.destroy()


def test_settings_by_terraform_and_images_by_pushes(root: Root) -> None:
    outputs = root.apply()
    with Function(outputs["function_name"], ZIP) as function:
        mapping = EventSourceMapping(function)

        push(outputs["repository"], "v2")
        mapping.drain()

        assert running() == {"image": "managed:v2", "LOG_LEVEL": "info"}
        assert root.unexpected_changes() == []

        root.apply(log_level="debug")

        assert running() == {"image": "managed:v2", "LOG_LEVEL": "info"}
        assert root.unexpected_changes() == []

        push(outputs["repository"], "v3")
        mapping.drain()

        assert running() == {"image": "managed:v3", "LOG_LEVEL": "debug"}
        assert root.unexpected_changes() == []


def running() -> dict[str, Any]:
    """The image of the service, and its setting."""
    revision = running_services()[Service("managed", "managed")].revision
    definition = boto3.client("ecs").describe_task_definition(taskDefinition=revision)["taskDefinition"]
    [container] = definition["containerDefinitions"]
    environment = {one["name"]: one["value"] for one in container["environment"]}
    return {"image": container["image"].rpartition("/")[2], **environment}
