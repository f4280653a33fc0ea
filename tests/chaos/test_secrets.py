"""Whatever goes wrong, the log holds nothing of a container's environment."""

import json

import pytest

from tests.harness.cloudwatch import log_lines
from tests.harness.road import APP, Road, definition, pushed
from tests.harness.strict_ecs import Fault, StrictEcs

FOREVER = 1000


@pytest.mark.parametrize("times", [1, FOREVER])
@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        (operation, fault)
        for operation in ("DescribeTaskDefinition", "RegisterTaskDefinition", "UpdateService")
        for fault in Fault
        if fault.can_hit(operation)
    ],
)
def test_no_environment_of_a_container_is_ever_logged(ecs: StrictEcs, operation: str, fault: Fault, times: int) -> None:
    container = {
        **definition("api", f"{APP}:v1")["containerDefinitions"][0],
        "environment": [{"name": "TOKEN", "value": "hunter2"}],
        "secrets": [{"name": "PASSWORD", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/hunter3"}],
    }
    ecs.add_service("prod", "api", ecs.register({"family": "api", "containerDefinitions": [container]}))
    road = Road(ecs)
    ecs.inject(operation, fault, times=times)

    with log_lines() as log:
        road.push(pushed("v2"))
        ecs.heal()
        road.push(pushed("v3", time="2026-11-23T07:00:00Z"))

    assert "hunter2" in json.dumps(ecs.running("prod", "api"))
    assert road.image("prod", "api") == f"{APP}:v3"
    assert log
    assert "hunter" not in "".join(log)
