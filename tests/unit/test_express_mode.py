"""Services in Express Mode: ECS manages them, and has an operation of their own to give them another image."""

import pytest

from tests.harness.road import APP, Registry, Road, definition, digest, pushed
from tests.harness.strict_ecs import StrictEcs
from tests.unit.test_rollouts import changed

EXPRESS = {"resourceManagementType": "ECS"}


@pytest.fixture
def express(ecs: StrictEcs) -> StrictEcs:
    """A service in Express Mode, and one beside it that is not."""
    family = {**definition("app", f"{APP}:v1"), "cpu": "256", "memory": "512"}
    ecs.add_service("prod", "app", ecs.register(family), members=EXPRESS, service_revisions=True)
    ecs.add_service("prod", "web", ecs.register(definition("web", f"{APP}:v1")))
    return ecs


def road_of(ecs: StrictEcs) -> Road:
    return Road(ecs, inputs={"express_mode": True})


@pytest.mark.newer_boto3
def test_it_is_updated_by_an_operation_of_its_own(express: StrictEcs) -> None:
    result = road_of(express).push(pushed("v2"))

    assert [service["outcome"] for service in result["services"]] == ["deployed", "deployed"]
    assert express.running("prod", "app")["containerDefinitions"][0]["image"] == f"{APP}:v2"
    assert express.running("prod", "app")["memory"] == "512"
    assert (express.count("UpdateExpressGatewayService"), express.count("UpdateService")) == (1, 1)


def test_it_is_not_managed_unless_asked_for(express: StrictEcs) -> None:
    result = Road(express).push(pushed("v2"))

    found = {service["service"]: (service["outcome"], service["reason_kind"]) for service in result["services"]}
    assert found == {"app": ("skipped", "controller"), "web": ("deployed", None)}


@pytest.mark.newer_boto3
def test_a_tag_that_was_moved_gets_a_copy_of_the_revision(express: StrictEcs) -> None:
    road = road_of(express)
    road.push(pushed("v1", digest("one"), time="2026-11-23T06:00:00Z"))
    moved = pushed("v1", digest("two"), time="2026-11-23T07:00:00Z")

    result = road.push(moved)
    road.push(moved)

    assert [service["outcome"] for service in result["services"]] == ["deployed", "deployed"]
    assert express.running("prod", "app")["containerDefinitions"][0]["image"] == f"{APP}:v1"
    copies = [express.definition(revision) for revision in express.revisions("app")]
    assert [copy["memory"] for copy in copies] == ["512", "512", "512"]
    assert express.count("UpdateExpressGatewayService") == 2, "one for each image"


@pytest.mark.newer_boto3
def test_its_rollout_is_reported_and_a_rejected_image_stays_out(express: StrictEcs) -> None:
    road = road_of(express)
    road.push(pushed("v2", time="2026-11-23T06:00:00Z"))
    express.move_deployment("prod", "app", "ROLLBACK_SUCCESSFUL", reason="alarm canary is in ALARM")

    assert road.deliver(changed(service="app")) == []

    [newest, *_] = road.request(history={"cluster": "prod", "service": "app"})["history"]
    assert newest["state"] == "rolled-back"
    again = road.push(pushed("v2", time="2026-11-23T06:00:00Z"))
    reasons = {service["service"]: service["reason_kind"] for service in again["services"]}
    assert reasons["app"] == "rolled-back-before"


@pytest.mark.newer_boto3
def test_a_rollback_that_is_asked_for(express: StrictEcs) -> None:
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    road = Road(express, inputs={"express_mode": True}, registry=registry)
    road.push(pushed("v2"))
    express.end_deployments()
    road.deliver(changed(service="app"))

    answer = road.request(rollback={"cluster": "prod", "service": "app"})

    assert answer["rollback"]["outcome"] == "rolled-back"
    assert express.running("prod", "app")["containerDefinitions"][0]["image"] == f"{APP}:v1"
