"""`examples/environments`: each push ends where its rules send it."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.harness.event_source import EventSourceMapping
from tests.harness.fleet import Service, running_services
from tests.harness.lambda_runtime import Function
from tests.harness.registry import push
from tests.harness.terraform import ZIP, unexpected_changes_of

pytestmark = pytest.mark.usefixtures("_no_leftovers")


@pytest.fixture(scope="module")
def functions(environments: Any) -> Iterator[dict[str, Function]]:
    names = environments.outputs["function_names"]["value"]
    with ExitStack() as stack:
        yield {environment: stack.enter_context(Function(name, ZIP)) for environment, name in names.items()}


def test_builds_go_to_staging_and_releases_to_production(environments: Any, functions: dict[str, Function]) -> None:
    repository = environments.outputs["repository"]["value"]
    mappings = {environment: EventSourceMapping(function) for environment, function in functions.items()}

    def running() -> dict[str, str]:
        fleet = running_services()
        return {
            name: fleet[Service(f"shop-{name}", "shop")].images["shop"].rpartition("/shop:")[2] for name in mappings
        }

    def pushed(tag: str) -> str:
        digest = push(repository, tag)
        for mapping in mappings.values():
            mapping.drain()
        return digest

    pushed("main-123")
    assert running() == {"staging": "main-123", "production": "none-yet"}

    digest = pushed("v1.4.0")
    assert running() == {"staging": "main-123", "production": f"v1.4.0@{digest}"}

    pushed("v1.3.9")
    assert running() == {"staging": "main-123", "production": f"v1.4.0@{digest}"}
    line = functions["production"].logs[-1]
    assert (line["outcome"], line["image"].rpartition(":")[2]) == ("superseded", "v1.3.9")
    assert not any("v1.4.0" in str(line) for line in functions["staging"].logs), "it costs no invocation"


def test_second_plan_is_empty(environments: Any) -> None:
    assert unexpected_changes_of(environments.terraform) == []
