"""The function in a process of its own, over TLS: connections and bytes, which are the same on every machine."""

from typing import Any

import pytest

from bench import function
from ecr_deploy.aws.calls import WORKERS
from ecr_deploy.aws.raw_json import without_events
from tests.harness.road import APP, definition
from tests.harness.strict_ecs import StrictEcs

SERVICES = 100
# Of DynamoDB, where two items are written at once, and of EventBridge.
OTHERS = 3


@pytest.fixture(scope="module")
def pushes() -> dict[str, Any]:
    return function.pushes(SERVICES)


def test_connections_are_those_of_the_workers(pushes: dict[str, Any]) -> None:
    assert 0 < pushes["idle"]["connects"] <= WORKERS + OTHERS
    assert pushes["hot"]["connects"] == 0


def test_what_is_known_is_not_sent_again(pushes: dict[str, Any]) -> None:
    """100 services with their events are 1.5 MB."""
    assert pushes["idle"]["bytes"] > 1_500_000
    assert pushes["hot"]["bytes"] < 60_000


def test_events_are_not_parsed() -> None:
    ecs = StrictEcs()
    for index in range(10):
        ecs.add_service("prod", f"service-{index}", ecs.register(definition(f"family-{index}", f"{APP}:v1")))
    names = ", ".join(f'"service-{index}"' for index in range(10))
    answer = ecs.handle("DescribeServices", f'{{"cluster": "prod", "services": [{names}]}}'.encode()).body
    event = b'{"id": "1", "createdAt": 1763971200.1, "message": "(service api) has reached a steady state."}'
    body = answer.replace(b'"events": []', b'"events": [' + b", ".join([event] * 100) + b"]")

    assert len(body) > 10 * len(answer) > 0
    assert without_events(body) == answer
