"""The brake: what would update too many services at once waits until somebody approves it."""

from typing import Any

import pytest

from tests.harness.road import APP, Registry, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs

TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
SIDE = APP._replace(name="side")
WHY = "it would update 3 services at once, of which at most 2 may be: somebody must approve it"


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    """Three services that run app, and one that runs side."""
    for name in ("api", "web", "job"):
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")))
    ecs.add_service("prod", "side", ecs.register(definition("side", f"{SIDE}:v1")))
    road = Road(ecs, registry=(registry := Registry()), inputs={"max_services_at_once": 2, "reconcile": True})
    for repository in ("app", "side"):
        registry.push("v1", repository, time="2026-11-22T06:00:00Z")
        registry.push("v2", repository, time="2026-11-23T06:00:00Z")
    return road


def images(road: Road, *names: str) -> list[str]:
    return [road.image("prod", name).rpartition(":")[2] for name in names or ("api", "web", "job")]


def reasons(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(service["outcome"], service["reason_kind"], service["reason"]) for service in answer["services"]]


def test_too_many_wait_until_somebody_approves(road: Road) -> None:
    assert reasons(road.push(pushed("v2"))) == [("waiting", "approval", WHY)] * 3
    assert (images(road), road.ecs.writes) == (["v1"] * 3, [])
    assert {wait["reason"] for service in road.request(status={})["services"] for wait in service["waits"]} == {WHY}

    answer = road.request(approve={"repository": "app", "tag": "v2"}, by="ann")

    assert answer["pushes"][0]["outcome"] == "deployed"
    assert images(road) == ["v2"] * 3


def test_as_many_as_may_be_are_updated(road: Road) -> None:
    road.ecs.retag_service("prod", "job", {"ecr-deploy:pinned": "yes"})

    assert road.push(pushed("v2"))["outcome"] == "deployed"
    assert images(road) == ["v2", "v2", "v1"]


def test_those_that_run_it_already_do_not_count(road: Road) -> None:
    road.push(pushed("v2"))
    road.request(approve={"repository": "app", "tag": "v2", "services": ["api"]}, by="ann")
    assert images(road) == ["v2", "v1", "v1"]

    # Nobody approved it for the others.
    assert {kind for outcome, kind, _ in reasons(road.push(pushed("v2"))) if outcome == "waiting"} == {"approval"}
    road.request(approve={"repository": "app", "tag": "v2"}, by="ann")
    assert images(road) == ["v2"] * 3


def test_what_waits_is_not_let_through_one_by_one(road: Road) -> None:
    road.push(pushed("v2"))
    for name in ("api", "web", "job"):
        arn = f"arn:aws:ecs:eu-west-1:123456789012:service/prod/{name}"
        detail = {"eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": "ecs-svc/1"}
        road.deliver(
            {"source": "aws.ecs", "detail-type": "ECS Deployment State Change", "resources": [arn], "detail": detail}
        )
    road.deliver(TICK)
    road.cold_start()
    road.deliver(TICK)

    assert (images(road), road.ecs.writes) == (["v1"] * 3, [])


def test_another_push_of_the_batch_goes_on(road: Road) -> None:
    assert road.deliver(pushed("v2"), pushed("v2", repository="side")) == []

    assert images(road, "api", "side") == ["v1", "v2"]


def test_a_scheduled_run_counts_all_that_it_finds(road: Road) -> None:
    """Two of one repository, and one of another: three at once."""
    road.ecs.retag_service("prod", "job", {"ecr-deploy:pinned": "yes"})
    road.deliver(TICK)
    for repository in ("app", "side"):
        assert road.registry is not None
        road.registry.push("v3", repository, time="2026-11-24T06:00:00Z")
    road.ecs.clock.sleep(600)

    road.deliver(TICK)

    assert (images(road, "api", "web", "side"), road.ecs.writes) == (["v1"] * 3, [])


def test_a_request_and_a_plan_are_told_so(road: Road) -> None:
    planned = road.request(repository="app", tag="v2", dry_run=True)["pushes"][0]
    assert reasons(planned) == [("waiting", "approval", WHY)] * 3

    asked = road.request(repository="app", tag="v2")["pushes"][0]
    assert (asked["outcome"], images(road)) == ("waiting", ["v1"] * 3)


def test_what_is_rejected_stays_out(road: Road) -> None:
    road.push(pushed("v2"))

    road.request(reject={"repository": "app", "tag": "v2"}, by="ann")

    assert road.push(pushed("v2"))["reason_kind"] == "rejected"
    assert images(road) == ["v1"] * 3
