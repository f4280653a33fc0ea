"""Back to what ran before: because a rollout takes too long, because it failed, or because somebody asks."""

import logging
from typing import Any

import pytest

from ecr_deploy.core.errors import InvalidRequestError
from tests.harness.road import APP, Registry, Road, definition, digest, pushed
from tests.harness.strict_ecs import Fault, StrictEcs

LATER = "2026-11-25T07:00:00Z"
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
INPUTS = {"rollback_on_failure": True, "deployment_timeout_minutes": 20, "reconcile": False}


def build(ecs: StrictEcs, **members: Any) -> None:
    first = ecs.register(definition("api", f"{APP}:v1"))
    ecs.add_service("prod", "api", first, service_revisions=True, members=members)


def updated(ecs: StrictEcs, **inputs: Any) -> Road:
    """The road just after the service was told to run v2."""
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    registry.push("v2")
    road = Road(ecs, inputs={**INPUTS, **inputs}, clients={"ecr": registry})
    assert road.deliver(pushed("v2")) == []
    road.events.taken.clear()
    return road


def told(road: Road) -> list[tuple[str, str | None]]:
    return [(detail["outcome"], detail["reason"]) for _, detail in road.events.taken]


@pytest.mark.newer_boto3
def test_a_rollout_that_is_not_live_in_time_is_taken_back_by_ecs(ecs: StrictEcs) -> None:
    build(ecs)
    road = updated(ecs)
    ecs.clock.sleep(19 * 60)
    assert road.deliver(TICK) == []
    assert told(road) == []

    ecs.clock.sleep(60)
    assert road.deliver(TICK) == []

    assert told(road) == [("rolled-back", "it was not live after 20 minutes")]
    assert road.image("prod", "api") == f"{APP}:v1"
    assert ecs.count("StopServiceDeployment") == 1
    ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")
    assert road.deliver(TICK) == []
    assert len(told(road)) == 1


def test_without_service_deployments_an_update_takes_it_back(ecs: StrictEcs) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    road = updated(ecs)
    ecs.register(definition("api", f"{APP}:stale"))
    ecs.clock.sleep(20 * 60)

    assert road.deliver(TICK) == []

    assert told(road) == [("rolled-back", "it was not live after 20 minutes")]
    assert ecs.task_definition("prod", "api") == ecs.revisions("api")[0]


@pytest.mark.newer_boto3
def test_a_deployment_that_ended_meanwhile_is_taken_back_by_an_update(ecs: StrictEcs) -> None:
    build(ecs)
    road = updated(ecs)
    ecs.clock.sleep(20 * 60)
    ecs.inject("StopServiceDeployment", Fault.ACCESS_DENIED)

    assert road.deliver(TICK) == []

    assert road.image("prod", "api") == f"{APP}:v1"
    assert ecs.count("UpdateService") == 2


@pytest.mark.parametrize("guard", ["deploymentCircuitBreaker", "alarms"])
def test_a_service_that_reverts_by_itself_is_left_to_it(ecs: StrictEcs, guard: str) -> None:
    build(ecs, deploymentConfiguration={guard: {"enable": True, "rollback": True}})
    road = updated(ecs)
    ecs.clock.sleep(60 * 60)

    assert road.deliver(TICK) == []

    assert told(road) == []
    assert road.image("prod", "api") == f"{APP}:v2"


def test_by_default_nothing_is_taken_back(ecs: StrictEcs) -> None:
    build(ecs)
    road = updated(ecs, rollback_on_failure=False)
    ecs.clock.sleep(24 * 60 * 60)

    assert road.deliver(TICK) == []

    assert told(road) == []
    assert road.image("prod", "api") == f"{APP}:v2"


def test_a_rollout_whose_event_was_lost_is_told_at_the_next_turn(ecs: StrictEcs) -> None:
    build(ecs)
    road = updated(ecs)
    ecs.end_deployments()

    assert road.deliver(TICK, TICK) == []

    assert told(road) == [("live", None)]


def test_what_was_taken_back_is_not_reconciled(ecs: StrictEcs) -> None:
    build(ecs)
    road = updated(ecs, reconcile=True)
    ecs.clock.sleep(20 * 60)
    road.deliver(TICK)
    ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")
    writes = len(ecs.writes)

    assert road.deliver(TICK) == []
    assert Road(ecs, inputs=INPUTS, clients=road.clients).deliver(TICK) == []

    assert road.image("prod", "api") == f"{APP}:v1"
    assert len(ecs.writes) == writes


def test_a_turn_of_which_ecs_does_not_answer_is_taken_again(ecs: StrictEcs) -> None:
    build(ecs)
    road = updated(ecs)
    ecs.end_deployments()
    ecs.inject("DescribeServices", Fault.INTERNAL, times=6)

    assert road.deliver(TICK) == ["message-0"]
    assert road.deliver(TICK) == []

    assert told(road) == [("live", None)]


def test_a_dry_run_looks_after_nothing(ecs: StrictEcs) -> None:
    build(ecs)
    updated(ecs)
    ecs.clock.sleep(60 * 60)
    writes = len(ecs.writes)

    assert Road(ecs, inputs={**INPUTS, "dry_run": True}).deliver(TICK) == []

    assert len(ecs.writes) == writes


def test_a_request_takes_a_live_service_back(ecs: StrictEcs, caplog: pytest.LogCaptureFixture) -> None:
    build(ecs)
    road = updated(ecs)
    ecs.end_deployments()
    caplog.set_level(logging.INFO, "ecr_deploy")

    answer = road.request(rollback={"cluster": "prod", "service": "api"})

    assert answer == {
        "dry_run": False,
        "rollback": {
            "image": f"{APP}:v2",
            "digest": digest("v2"),
            "cluster": "prod",
            "service": "api",
            "outcome": "rolled-back",
            "reason": "on request",
            "from": "api:1",
            "to": "api:2",
            "by": None,
        },
    }
    assert road.image("prod", "api") == f"{APP}:v1"
    assert told(road) == [("rolled-back", "on request")]
    assert "rolled-back on api in cluster prod: on request" in caplog.text
    assert road.push(pushed("v2"))["outcome"] == "skipped"


def test_a_dry_run_of_a_rollback(ecs: StrictEcs) -> None:
    build(ecs)
    road = updated(ecs)
    writes = len(ecs.writes)

    answer = road.request(rollback={"cluster": "prod", "service": "api", "dry_run": True})

    assert (answer["dry_run"], answer["rollback"]["from"], answer["rollback"]["to"]) == (True, "api:1", "api:2")
    assert len(ecs.writes) == writes
    assert told(road) == []


@pytest.mark.parametrize("target", [("prod", "theirs"), ("prod", "gone"), ("staging", "api")])
def test_nothing_to_roll_back(ecs: StrictEcs, target: tuple[str, str]) -> None:
    build(ecs)
    ecs.add_service("prod", "theirs", ecs.register(definition("theirs", "nginx")))
    ecs.add_cluster("staging")
    road = updated(ecs)

    with pytest.raises(InvalidRequestError, match=r"^There is nothing to roll back: .*\.$"):
        road.request(rollback={"cluster": target[0], "service": target[1]})


def test_history(ecs: StrictEcs) -> None:
    build(ecs)
    road = updated(ecs)
    ecs.move_deployment("prod", "api", "SUCCESSFUL")
    road.deliver(TICK)
    ecs.register(definition("api", f"{APP}:stale"))
    road.deliver(pushed("v3", time=LATER))
    road.request(rollback={"cluster": "prod", "service": "api"})

    answer = road.request(history={"cluster": "prod", "service": "api"})

    rollouts = answer.pop("history")
    assert answer == {"cluster": "prod", "service": "api"}
    assert [(one["from"], one["to"], one["state"]) for one in rollouts] == [
        ("api:2", "api:4", "rolled-back"),
        ("api:1", "api:2", "live"),
    ]
    assert rollouts[0]["images"] == [{"image": f"{APP}:v3", "digest": digest("v3"), "pushed_at": LATER}]


def test_history_of_a_service_that_is_not_there(ecs: StrictEcs) -> None:
    ecs.add_cluster("prod")

    with pytest.raises(InvalidRequestError, match=r"^There is no active service api in cluster prod\.$"):
        Road(ecs).request(history={"cluster": "prod", "service": "api"})


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (
            {"rollback": {"service": "api"}},
            "The field cluster of the request must be the name of an ECS cluster, but it is missing.",
        ),
        (
            {"rollback": {"cluster": "c", "service": ""}},
            'The field service of the request must be the name of an ECS service, but it is "".',
        ),
        (
            {"history": {"cluster": "c", "service": "s", "tag": 1}},
            "The request has no field tag; it may have cluster, service.",
        ),
        (
            {"history": {"cluster": "c", "service": "s"}, "tag": 1},
            "The request has no field tag; it may have by, history.",
        ),
        (
            {"rollback": "api"},
            (
                "The request has no field rollback; it may have "
                "clusters, digest, dry_run, force, region, registry, repository, services, tag."
            ),
        ),
    ],
)
def test_malformed_requests(ecs: StrictEcs, request_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Road(ecs).request(**request_)

    assert str(caught.value) == sentence
