"""What becomes of a rollout: told once, with the right end, in whatever order ECS's events come."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.harness.road import APP, Queues, Registry, Road, definition, digest, pushed
from tests.harness.strict_ecs import Fault, StrictEcs

KEY = "ecr-deploy:rollout/prod/api"
LATER = "2026-11-25T07:00:00Z"


EVENTS = Path(__file__).parents[1] / "events" / "deployments"
IN_PROGRESS, COMPLETED, FAILED = "in-progress", "completed", "failed"


def changed(state: str = COMPLETED, *, service: str = "api", deployment: str = "ecs-svc/1") -> dict[str, Any]:
    """The recorded event of a state of a deployment, for a service."""
    event: dict[str, Any] = json.loads((EVENTS / f"{state}.json").read_text())
    event["resources"] = [f"arn:aws:ecs:eu-west-1:123456789012:service/prod/{service}"]
    event["detail"]["deploymentId"] = deployment
    return event


@pytest.fixture
def api(ecs: StrictEcs) -> StrictEcs:
    """A service that runs v1."""
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")), service_revisions=True)
    return ecs


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    registry.push("v2")
    return registry


@pytest.fixture
def road(api: StrictEcs, registry: Registry, caplog: pytest.LogCaptureFixture) -> Road:
    """The road just after the service was told to run v2."""
    caplog.set_level(logging.INFO, "ecr_deploy")
    road = Road(api, clients={"ecr": registry})
    assert road.deliver(pushed("v2")) == []
    road.events.taken.clear()
    caplog.clear()
    return road


def ends(road: Road) -> list[tuple[str, str, str]]:
    """The ends of rollouts that were told on the bus: outcome, from and to."""
    return [
        (detail["outcome"], detail["from"], detail["to"])
        for _, detail in road.events.taken
        if detail["outcome"] not in ("started", "waiting")
    ]


def state(ecs: StrictEcs, revision: str = "api:2") -> str:
    history = Road(ecs).request(history={"cluster": "prod", "service": "api"})["history"]
    return str(next(one["state"] for one in history if one["to"] == revision))


def test_an_update_is_told_as_started(api: StrictEcs) -> None:
    road = Road(api)

    road.deliver(pushed("v2"))

    [(detail_type, detail)] = road.events.taken
    assert detail_type == "Deployment Started"
    assert (begun := road.memory("prod", "api").rollout)
    assert detail == {
        "version": 1,
        "function": "ecr-deploy",
        "account": "123456789012",
        "region": "eu-west-1",
        "outcome": "started",
        "trigger": "push",
        "by": None,
        "image": f"{APP}:v2",
        "digest": digest("v2"),
        "previous_image": f"{APP}:v1",
        "pushed_at": "2026-11-23T06:00:00Z",
        "seconds_since_push": None,
        "cluster": "prod",
        "service": "api",
        "family": None,
        "from": "api:1",
        "to": "api:2",
        "deployment": begun.id,
        "reason": None,
        "reason_kind": None,
    }
    assert state(api) == "started"


def test_events_say_what_began_a_rollout_and_who_asked(api: StrictEcs, registry: Registry) -> None:
    road = Road(api, clients={"ecr": registry}, inputs={"reconcile": True})
    said: list[list[Any]] = []

    def ends_live() -> None:
        api.end_deployments()
        road.deliver(changed())
        said.extend(
            [detail["outcome"], detail["trigger"], detail["by"], detail["previous_image"], detail["deployment"]]
            for _, detail in road.events.taken
        )
        road.events.taken.clear()

    road.request(repository="app", tag="v2", by="jane")
    ids = [road.memory("prod", "api").rollouts[0].id]
    ends_live()
    registry.push("v3", time=LATER)
    road.deliver({"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
    ids += [road.memory("prod", "api").rollouts[0].id]
    ends_live()
    road.request(rollback={"cluster": "prod", "service": "api"}, by="joe")
    ends_live()

    v1, v2 = f"{APP}:v1@{digest('v1')}", f"{APP}:v2@{digest('v2')}"
    assert said == [
        ["started", "request", "jane", f"{APP}:v1", ids[0]],
        ["live", "request", "jane", v1, ids[0]],
        ["started", "scheduled-run", None, f"{APP}:v2", ids[1]],
        ["live", "scheduled-run", None, v2, ids[1]],
        ["rolled-back", "rollback", "joe", v2, ids[1]],
    ]


def test_live(api: StrictEcs, road: Road, caplog: pytest.LogCaptureFixture) -> None:
    assert road.deliver(changed(IN_PROGRESS)) == []
    assert ends(road) == []

    api.end_deployments()
    assert road.deliver(changed()) == []

    assert ends(road) == [("live", "api:1", "api:2")]
    assert state(api) == "live"
    [line] = [
        record.__dict__ for record in caplog.records if record.getMessage().endswith("live on api in cluster prod")
    ]
    assert (line["image"], line["outcome"], line["event_id"]) == (f"{APP}:v2", "live", changed()["id"])
    assert line["Rollouts"] == 1
    assert line["PushToLiveSeconds"] >= 0


@pytest.mark.newer_boto3
def test_a_circuit_breakers_way_back_is_never_live(api: StrictEcs, road: Road) -> None:
    api.move_deployment("prod", "api", "ROLLBACK_IN_PROGRESS", reason="circuit breaker")
    for event in (changed(FAILED), changed(IN_PROGRESS)):
        assert road.deliver(event) == []
    assert ends(road) == []

    api.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL", reason="circuit breaker")
    assert road.deliver(changed(COMPLETED, deployment="ecs-svc/2")) == []

    assert ends(road) == [("rolled-back", "api:1", "api:2")]
    assert state(api) == "rolled-back"
    assert road.image("prod", "api") == f"{APP}:v1"


def test_in_any_order_and_twice_each_is_told_once(api: StrictEcs, road: Road) -> None:
    api.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")

    for events in ([changed(COMPLETED), changed(FAILED)], [changed(IN_PROGRESS), changed(FAILED)], [changed()]):
        assert road.deliver(*events, *events) == []
    assert Road(api, events=road.events, clients=road.clients).deliver(changed(FAILED)) == []

    assert ends(road) == [("rolled-back", "api:1", "api:2")]


def test_where_ecs_keeps_no_service_deployments(ecs: StrictEcs, registry: Registry) -> None:
    for name in ("api", "web"):
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")))
    road = Road(ecs, clients={"ecr": registry})
    road.deliver(pushed("v2"))
    ecs.move_deployment("prod", "api", "ROLLBACK_IN_PROGRESS")
    ecs.move_deployment("prod", "web", "SUCCESSFUL")

    assert road.deliver(changed(FAILED), changed(service="web")) == []

    assert ends(road) == [("rolled-back", "api:1", "api:2"), ("live", "web:1", "web:2")]


def test_a_failure_that_nobody_takes_back(api: StrictEcs, road: Road) -> None:
    """The circuit breaker without rollback leaves the service where it is."""
    service = api._service("prod", "api")  # noqa: SLF001 - the double knows no circuit breaker without rollback
    service.rollouts[0].update(rolloutState="FAILED", rolloutStateReason="tasks failed to start")

    assert road.deliver(changed(FAILED)) == []

    assert ends(road) == [("failed", "api:1", "api:2")]
    assert road.events.taken[-1][1]["reason"] == "tasks failed to start"
    assert road.image("prod", "api") == f"{APP}:v2"


def test_a_newer_deployment_is_no_failure_of_the_older(api: StrictEcs, road: Road) -> None:
    assert road.deliver(pushed("v3", time=LATER)) == []
    api.end_deployments()

    assert road.deliver(changed(deployment="ecs-svc/3"), changed()) == []

    assert ("live", "api:2", "api:3") in ends(road)
    assert "failed" not in [outcome for outcome, *_ in ends(road)]
    assert "rolled-back" not in [outcome for outcome, *_ in ends(road)]


def test_deployments_of_others_are_nothing_to_tell(api: StrictEcs, road: Road) -> None:
    api.add_service("prod", "theirs", api.register(definition("theirs", "nginx")))

    assert road.deliver(changed(service="theirs"), changed(service="gone")) == []

    assert road.events.taken == []


def test_a_service_out_of_scope_is_left_alone(api: StrictEcs, road: Road) -> None:
    api.end_deployments()

    assert Road(api, inputs={"clusters": ["staging"]}, events=road.events).deliver(changed()) == []

    assert road.events.taken == []
    assert state(api) == "started"


@pytest.mark.parametrize(
    ("resources", "missing"),
    [
        (None, "resources"),
        ([], "resources"),
        (["arn:aws:ecs:eu-west-1:123456789012:service/api"], "detail.clusterArn"),
        (["api"], "resources"),
        ("api", "resources"),
    ],
)
def test_an_event_that_names_no_service_is_buried(
    ecs: StrictEcs, aws_queues: Queues, caplog: pytest.LogCaptureFixture, resources: object, missing: str
) -> None:
    event = changed() | {"resources": resources}

    assert Road(ecs, queues=aws_queues).deliver(event) == []

    assert aws_queues.dead_letters() == [json.dumps(event)]
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == [missing]


def test_what_ecs_does_not_tell_now_is_asked_again(api: StrictEcs, road: Road) -> None:
    api.end_deployments()
    api.inject("DescribeServices", Fault.INTERNAL, times=6)

    assert road.deliver(changed()) == ["message-0"]
    assert road.deliver(changed()) == []

    assert ends(road) == [("live", "api:1", "api:2")]


def test_a_service_that_is_rolled_back_is_not_updated_until_that_is_over(api: StrictEcs, road: Road) -> None:
    api.move_deployment("prod", "api", "ROLLBACK_IN_PROGRESS")
    reason = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
    api._service("prod", "api").rollouts[0]["rolloutStateReason"] = reason  # noqa: SLF001 - ECS's own words

    answer = road.push(pushed("v3", time=LATER))

    assert answer["outcome"] == "waiting"
    assert answer["reason"].startswith("it is being rolled back")
    assert [detail_type for detail_type, _ in road.events.taken] == ["Deployment Waiting"]
    assert len(api.revisions("api")) == 2


@pytest.mark.newer_boto3
def test_what_had_to_wait_is_deployed_once_that_is_over(api: StrictEcs, road: Road, registry: Registry) -> None:
    api.move_deployment("prod", "api", "ROLLBACK_IN_PROGRESS")
    registry.push("v3", time=LATER)
    road.deliver(pushed("v3", time=LATER))
    assert road.image("prod", "api") == f"{APP}:v1"

    api.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")
    assert road.deliver(changed()) == []

    assert road.image("prod", "api") == f"{APP}:v3"
    assert [detail["outcome"] for _, detail in road.events.taken] == ["waiting", "rolled-back", "started"]


def test_what_was_rolled_back_does_not_come_again_by_itself(api: StrictEcs, road: Road) -> None:
    api.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")
    road.deliver(changed(FAILED))

    repeated = road.push(pushed("v2"))
    assert repeated["outcome"] == "skipped"
    assert repeated["reason"].startswith("it was rolled back")
    assert road.image("prod", "api") == f"{APP}:v1"

    assert road.push(pushed("v2", time=LATER))["outcome"] == "deployed"
    assert road.image("prod", "api") == f"{APP}:v2"


def test_not_even_after_another_image_of_the_definition_was_deployed(ecs: StrictEcs, registry: Registry) -> None:
    side = APP._replace(name="side")
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1", f"{side}:v1")), service_revisions=True)
    road = Road(ecs, clients={"ecr": registry})
    road.deliver(pushed("v2"))
    ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")
    road.deliver(changed(FAILED))

    assert road.push(pushed("v2", repository="side", time=LATER))["outcome"] == "deployed"
    assert road.image("prod", "api") == f"{APP}:v1"
    ecs.end_deployments()

    assert Road(ecs).push(pushed("v2"))["outcome"] == "skipped"
    assert Road(ecs).push(pushed("v3", time=LATER))["outcome"] == "deployed"
    assert not [key for key in ecs.tags(ecs.revisions("api")[-1]) if "rejected" in key]


def test_a_tag_that_was_moved_during_its_rollout_is_rolled_back_alone(api: StrictEcs, registry: Registry) -> None:
    """Both rollouts have one revision, and ECS goes back to what ran before the first."""
    api.deregister(api.revisions("api")[0])
    api.add_service("prod", "moved", api.register(definition("moved", f"{APP}:v1")), service_revisions=True)
    road = Road(api, registry=registry)
    first, second = (
        pushed("v2", digest(image), time=time)
        for image, time in (("one", "2026-11-23T06:00:00Z"), ("two", "2026-11-23T07:00:00Z"))
    )
    road.push(first)
    road.push(second)
    api.break_circuit("prod", "moved")

    assert road.deliver(changed(service="moved")) == []

    told = [(detail["outcome"], detail["service"]) for _, detail in road.events.taken if detail["outcome"] != "started"]
    assert told.count(("rolled-back", "moved")) == 1
    again = {service["service"]: service["reason_kind"] for service in road.push(second)["services"]}
    assert again["moved"] == "rolled-back-before"
    # The first was never live, but nobody rolled it back.
    assert road.memory("prod", "moved").images["main"].digest == digest("one")
