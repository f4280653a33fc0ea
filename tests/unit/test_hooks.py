"""PAUSE hooks: a deployment that awaits an action is told, is not late, and goes on or back as somebody says."""

import logging
from typing import Any

import pytest

from ecr_deploy.core.errors import InvalidRequestError
from tests.harness.road import APP, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs

pytestmark = pytest.mark.newer_boto3

TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event"}


@pytest.fixture
def road(ecs: StrictEcs, caplog: pytest.LogCaptureFixture) -> Road:
    """The road while a service is updated to v2."""
    caplog.set_level(logging.INFO, "ecr_deploy")
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")), service_revisions=True)
    road = Road(ecs, inputs={"rollback_on_failure": True})
    for day, tag in enumerate(("v1", "v2"), start=22):
        road.registry.push(tag, time=f"2026-11-{day}T06:00:00Z")  # type: ignore[union-attr]
    road.push(pushed("v2"))
    road.events.taken.clear()
    return road


def awaiting(resource: str = "service/prod/api", **detail: Any) -> dict[str, Any]:
    """The event of a deployment that awaits an action."""
    return {
        "id": "hook",
        "source": "aws.ecs",
        "detail-type": "ECS Hook State Change",
        "resources": [f"arn:aws:ecs:eu-west-1:123456789012:{resource}"],
        "detail": {"eventName": "HOOK_AWAITING_ACTION", **detail},
    }


@pytest.mark.parametrize("resource", ["service/prod/api", "service/api", "service-deployment/prod/api/1"])
def test_it_is_told_once(ecs: StrictEcs, road: Road, resource: str) -> None:
    ecs.pause("prod", "api")
    event = awaiting(resource, clusterArn="arn:aws:ecs:eu-west-1:123456789012:cluster/prod")

    assert road.deliver(event) == []
    assert road.deliver(event) == []

    [(kind, detail)] = road.events.taken
    assert kind == "Deployment Waiting"
    assert (detail["image"], detail["from"], detail["to"]) == (f"{APP}:v2", "api:1", "api:2")
    assert detail["reason_kind"] == "hook"
    assert detail["reason"].startswith("the deployment is paused at POST_TEST_TRAFFIC_SHIFT until somebody approves")
    assert detail["reason"].endswith("Z ECS does ROLLBACK")

    ecs.client().continue_service_deployment(
        serviceDeploymentArn=ecs.client().describe_services(cluster="prod", services=["api"])["services"][0][
            "currentServiceDeployment"
        ],
        hookId=ecs_hook(ecs),
    )
    ecs.pause("prod", "api", stage="PRE_SCALE_UP")
    road.deliver(event)
    assert len(road.events.taken) == 2


def ecs_hook(ecs: StrictEcs) -> str:
    """The id of the hook that the service waits at."""
    service = ecs.client().describe_services(cluster="prod", services=["api"])["services"][0]
    arns = [service["currentServiceDeployment"]]
    [deployment] = ecs.client().describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
    return str(deployment["lifecycleHookDetails"][-1]["hookId"])


def test_those_of_others_and_those_that_are_over_are_nothing_to_tell(ecs: StrictEcs, road: Road) -> None:
    assert road.deliver(awaiting()) == []
    ecs.update_service("prod", "api", "api:1")
    ecs.pause("prod", "api")
    assert road.deliver(awaiting(), awaiting("service/prod/nobody")) == []

    assert road.events.taken == []


def test_an_event_that_names_no_service_is_dead_lettered(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    road.deliver(awaiting("task/prod/1"))
    assert "resources is malformed" in caplog.text


def test_what_waits_for_a_person_is_not_late(ecs: StrictEcs, road: Road) -> None:
    ecs.pause("prod", "api")
    ecs.clock.sleep(86400)
    road.deliver(TICK)
    assert road.image("prod", "api") == f"{APP}:v2"

    # Of what went on it counts from then.
    assert answered(road, "approve", "v2") == [("unchanged", "its deployment was paused, and goes on")]
    ecs.clock.sleep(29 * 60)
    road.deliver(TICK)
    assert road.image("prod", "api") == f"{APP}:v2"
    ecs.clock.sleep(60)
    road.deliver(TICK)
    assert road.image("prod", "api") == f"{APP}:v1"


def answered(road: Road, answer: str, tag: str) -> list[tuple[str, str]]:
    """What came of the answer for each service."""
    found = road.request(**{answer: {"repository": "app", "tag": tag}}, by="ann")
    return [(service["outcome"], service["reason"]) for service in found["pushes"][0]["services"]]


def test_it_goes_back_as_somebody_says(ecs: StrictEcs, road: Road) -> None:
    ecs.pause("prod", "api")

    [(outcome, _)] = answered(road, "reject", "v1")
    assert (outcome, road.image("prod", "api")) == ("skipped", f"{APP}:v2")
    assert answered(road, "reject", "v2") == [("unchanged", "its deployment was paused, and is rolled back")]

    assert road.image("prod", "api") == f"{APP}:v1"


def test_one_that_is_not_paused_stays_as_it_is(road: Road) -> None:
    assert answered(road, "approve", "v2") == [("unchanged", "it runs this image already")]


def test_a_runtime_that_is_too_old_says_what_to_do(ecs: StrictEcs, road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    ecs.pause("prod", "api")
    client = road.handler.environment.ecs_with_events.client
    monkeypatch.setattr(client, "continue_service_deployment", None, raising=False)

    with pytest.raises(InvalidRequestError, match="too old for ContinueServiceDeployment: continue the deployment"):
        answered(road, "approve", "v2")
