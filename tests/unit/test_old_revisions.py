"""Revisions of ours beyond the newest few are deregistered once a rollout is live, but none that something uses."""

import pytest
from botocore.config import Config

from tests.harness.road import ACCOUNT, APP, REGION, Queues, Road, client, definition, pushed
from tests.harness.strict_ecs import Fault, StrictEcs
from tests.unit.test_rollouts import changed

CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/starts-tasks"


@pytest.fixture
def road(ecs: StrictEcs, aws_queues: Queues) -> Road:
    """A service `api` of which the newest two revisions are kept."""
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    events = client("events", Config())
    inputs = {"keep_revisions": 2, "clusters": ["prod"]}
    road = Road(ecs, queues=aws_queues, inputs=inputs, clients={"events": events})
    # moto would take the schedule of a rule for a pattern that matches every event.
    events.put_events = road.events.put_events
    return road


def deploy(road: Road, *numbers: int) -> None:
    """Deploy pushes one after the other, each until it is live."""
    for number in numbers:
        assert road.deliver(pushed(f"v{number}", time=f"2026-11-23T{number:02}:00:00Z")) == []
        road.ecs.end_deployments()
        assert road.deliver(changed()) == []


def active(ecs: StrictEcs) -> list[int]:
    return [int(arn.rpartition(":")[2]) for arn in ecs.revisions("api", active=True)]


def test_the_newest_stay_and_so_does_what_others_registered(road: Road) -> None:
    deploy(road, 2, 3)
    assert active(road.ecs) == [1, 2, 3]

    deploy(road, 4, 5)

    assert active(road.ecs) == [1, 4, 5]


def test_not_one_that_a_service_uses_in_whatever_cluster(road: Road) -> None:
    deploy(road, 2, 3)
    road.ecs.add_service("elsewhere", "api", road.ecs.revisions("api")[1])

    deploy(road, 4, 5)

    assert active(road.ecs) == [1, 2, 4, 5]


def test_not_one_that_a_service_would_be_taken_back_to(road: Road) -> None:
    deploy(road, 2, 3)
    road.ecs.add_service("prod", "slow", road.ecs.revisions("api")[1])
    assert road.deliver(pushed("v4", time="2026-11-23T04:00:00Z")) == []

    road.ecs.move_deployment("prod", "api", "SUCCESSFUL")
    assert road.deliver(changed()) == []

    assert active(road.ecs) == [1, 2, 3, 4]


def test_not_one_that_is_scheduled(road: Road) -> None:
    deploy(road, 2, 3)
    second, third = road.ecs.revisions("api")[1:3]
    events, scheduler = client("events"), client("scheduler")
    events.put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    target = {"Id": "1", "Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": {"TaskDefinitionArn": second}}
    events.put_targets(Rule="nightly", Targets=[target])
    scheduler.create_schedule(
        Name="weekly",
        ScheduleExpression="rate(7 days)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": CLUSTER, "RoleArn": ROLE, "EcsParameters": {"TaskDefinitionArn": third}},
    )

    deploy(road, 4, 5, 6)

    assert active(road.ecs) == [1, 2, 3, 5, 6]


def test_what_can_not_be_done_is_for_the_next_rollout(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    deploy(road, 2, 3)
    road.ecs.inject("DeregisterTaskDefinition", Fault.ACCESS_DENIED)

    deploy(road, 4)
    assert active(road.ecs) == [1, 2, 3, 4]
    assert "old revisions: DeregisterTaskDefinition of api:2 is not allowed" in caplog.text

    deploy(road, 5)
    assert active(road.ecs) == [1, 4, 5]


def test_nothing_is_looked_for_before_there_are_too_many(road: Road) -> None:
    deploy(road, 2, 3)

    assert road.ecs.count("ListClusters") == 0
    assert road.ecs.count("DeregisterTaskDefinition") == 0
