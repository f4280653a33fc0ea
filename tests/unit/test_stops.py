"""Why a rollout failed: what ECS tells of its tasks, wherever the rollout's end is told."""

import logging
from typing import Any

import pytest

from tests.harness.road import APP, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs
from tests.unit.test_rollouts import changed

# What a rollout was rolled back from, an older one does not know how to ask.
pytestmark = pytest.mark.newer_boto3

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
BREAKER = "ECS deployment circuit breaker: tasks failed to start."


@pytest.fixture
def road(ecs: StrictEcs, caplog: pytest.LogCaptureFixture) -> Road:
    """The road just after a service was told to run v2."""
    caplog.set_level(logging.INFO, "ecr_deploy")
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")), service_revisions=True)
    road = Road(ecs, inputs={"rollback_on_failure": True})
    road.registry.push("v1", time="2026-11-22T06:00:00Z")  # type: ignore[union-attr]
    road.push(pushed("v2"))
    road.events.taken.clear()
    return road


def reasons(road: Road) -> list[Any]:
    """Why the rollout ended, wherever that is told: event and history."""
    [event] = [detail["reason"] for _, detail in road.events.taken]
    history = road.request(history={"cluster": "prod", "service": "api"})["history"]
    return [event, history[0]["reason"]]


def test_exit_codes_of_its_tasks(ecs: StrictEcs, road: Road, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        ecs.fail_task("prod", "api", 137, container_reason=OUT_OF_MEMORY)
    ecs.break_circuit("prod", "api", reason=BREAKER)

    road.deliver(changed())

    text = f"{BREAKER[:-1]}; container main: exit 137, {OUT_OF_MEMORY}; 3 of 3 tasks"
    assert reasons(road) == [text, text]
    assert f"{APP}:v2: rolled-back on api in cluster prod: {text}" in [one.getMessage() for one in caplog.records]


def test_the_most_frequent_cause_and_none_of_other_revisions(ecs: StrictEcs, road: Road) -> None:
    for code in (1, 2, 1):
        ecs.fail_task("prod", "api", code)
    # Healthy, and stopped because others were not.
    ecs.fail_task("prod", "api", 0, reason="Scaling activity initiated by (deployment ecs-svc/1)")
    ecs.move_deployment("prod", "api", "ROLLBACK_IN_PROGRESS", reason=BREAKER)
    for _ in range(5):
        ecs.fail_task("prod", "api", 3)
    ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL", reason=BREAKER)

    road.deliver(changed())

    assert reasons(road)[0].endswith("; container main: exit 1; 2 of 3 tasks")


@pytest.mark.parametrize(
    ("codes", "task_reason", "container_reason", "expected"),
    [
        (None, "CannotPullContainerError: no such image", "CannotPullContainerError: no such image",
         "container main: CannotPullContainerError: no such image; 1 of 1 task"),
        (None, "ResourceInitializationError: no secret", None, "ResourceInitializationError: no secret; 1 of 1 task"),
        (143, "Task failed ELB health checks in (target-group x)", None,
         "container main: exit 143, Task failed ELB health checks in (target-group x); 1 of 1 task"),
        ({"main": None, "nobody": 1}, "TaskFailedToStart: " + "x" * 400, None,
         f"TaskFailedToStart: {'x' * 280}…; 1 of 1 task"),
    ],
)  # fmt: skip
def test_tasks_that_could_not_start(  # noqa: PLR0913, PLR0917 - fixtures and cases
    ecs: StrictEcs, road: Road, codes: Any, task_reason: str, container_reason: str | None, expected: str
) -> None:
    ecs.fail_task("prod", "api", codes, reason=task_reason, container_reason=container_reason)
    ecs.break_circuit("prod", "api", reason="broken")

    road.deliver(changed())

    assert reasons(road)[0] == f"broken; {expected}"


def test_events_where_no_task_ever_started(ecs: StrictEcs, road: Road) -> None:
    ecs.add_event("prod", "api", "has reached a steady state.")
    for reason in ("memory", "cpu", "ports"):
        ecs.add_event("prod", "api", f"was unable to place a task: no {reason}.")
    ecs.break_circuit("prod", "api", reason="broken")

    road.deliver(changed())

    told = "was unable to place a task: no cpu; was unable to place a task: no ports"
    assert reasons(road) == [f"broken; {told}"] * 2


def test_events_of_before_tell_nothing_of_it(ecs: StrictEcs) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")), service_revisions=True)
    ecs.add_event("prod", "api", "was unable to place a task.")
    ecs.clock.sleep(10)
    road = Road(ecs)
    road.push(pushed("v2"))
    road.events.taken.clear()
    ecs.break_circuit("prod", "api", reason="broken")

    road.deliver(changed())

    assert reasons(road) == ["broken"] * 2


def test_one_that_is_late(ecs: StrictEcs, road: Road) -> None:
    ecs.fail_task("prod", "api", 1)
    ecs.clock.sleep(3700)
    ecs.fail_task("prod", "api", 2)

    road.deliver({"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event"})

    assert reasons(road) == ["it was not live after 30 minutes; container main: exit 2; 1 of 1 task"] * 2
    assert road.image("prod", "api") == f"{APP}:v1"


@pytest.mark.parametrize("operation", ["ListTasks", "DescribeTasks"])
def test_what_only_tells_keeps_nobody_from_acting(
    ecs: StrictEcs, road: Road, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    ecs.fail_task("prod", "api", 1)
    ecs.deny(operation)
    ecs.clock.sleep(1860)

    road.deliver({"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event"})

    assert reasons(road) == ["it was not live after 30 minutes"] * 2
    assert road.image("prod", "api") == f"{APP}:v1"
    assert "why api:2 failed on api is not known" in caplog.text
