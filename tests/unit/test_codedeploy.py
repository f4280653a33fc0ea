"""Services that CodeDeploy rolls out: what it is asked for, what is waited for, and what came of it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from tests.harness.road import APP, Queues, Registry, Road, definition, pushed
from tests.harness.strict_codedeploy import StrictCodeDeploy, refusal
from tests.harness.strict_ecs import StrictEcs
from tests.unit.test_rollouts import EVENTS

LATER = "2026-11-25T07:00:00Z"
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.fixture
def codedeploy(ecs: StrictEcs) -> StrictCodeDeploy:
    """A service `shop` with its deployment group, on v1."""
    codedeploy = StrictCodeDeploy(ecs)
    codedeploy.add_group("shop")
    codedeploy.add_service("shop", ecs.register(definition("shop", f"{APP}:v1")))
    return codedeploy


@pytest.fixture
def road(ecs: StrictEcs, codedeploy: StrictCodeDeploy) -> Road:
    return build(ecs, codedeploy)


@pytest.fixture
def queued_road(road: Road, aws_queues: Queues) -> Road:
    """One that could dead-letter a message; a message that comes back is to be tried again."""
    road.queues = aws_queues
    road.cold_start()
    return road


def build(ecs: StrictEcs, codedeploy: StrictCodeDeploy, **inputs: Any) -> Road:
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    registry.push("v2")
    clients = {"codedeploy": codedeploy, "ecr": registry}
    return Road(ecs, inputs={"codedeploy": True, **inputs}, clients=clients)


def properties(app_spec: Mapping[str, Any]) -> dict[str, Any]:
    [resource] = app_spec["Resources"]
    properties: dict[str, Any] = resource["TargetService"]["Properties"]
    return properties


def ended(state: str) -> dict[str, Any]:
    """The recorded event of a deployment."""
    event: dict[str, Any] = json.loads((EVENTS / f"codedeploy-{state}.json").read_text())
    return event


def told(road: Road) -> list[tuple[str, str | None]]:
    return [(detail["outcome"], detail["reason"]) for _, detail in road.events.taken]


def test_a_deployment_brings_the_new_revision(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    result = road.push(pushed("v2"))

    assert (result["outcome"], result["services"][0]["to"]) == ("deployed", "shop:2")
    [request] = [request for operation, request in codedeploy.calls if operation == "CreateDeployment"]
    content = request.pop("revision")["appSpecContent"]["content"]
    assert request == {
        "applicationName": "shop",
        "deploymentGroupName": "shop",
        "description": "ecr-deploy: shop:2",
    }
    assert json.loads(content) == {
        "version": 0.0,
        "Resources": [
            {
                "TargetService": {
                    "Type": "AWS::ECS::Service",
                    "Properties": {
                        "TaskDefinition": ecs.revisions("shop")[-1],
                        "LoadBalancerInfo": {"ContainerName": "main", "ContainerPort": 8080},
                        "PlatformVersion": "1.4.0",
                    },
                }
            }
        ],
    }
    assert ecs.count("UpdateService") == 0


def test_a_capacity_provider_strategy_is_kept(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 1}, {"capacityProvider": "FARGATE"}]
    revision = ecs.revisions("shop")[0]
    codedeploy.add_service("shop", revision, platformVersion=None, capacityProviderStrategy=strategy)

    road.push(pushed("v2"))

    [app_spec] = codedeploy.app_specs.values()
    assert properties(app_spec)["CapacityProviderStrategy"] == [
        {"CapacityProvider": "FARGATE_SPOT", "Base": 1, "Weight": 3},
        {"CapacityProvider": "FARGATE", "Base": 0, "Weight": 0},
    ]
    assert "PlatformVersion" not in properties(app_spec)


def test_what_the_primary_task_set_runs_counts(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    stale = ecs.register(definition("shop", f"{APP}:v0"))
    primary = {"status": "PRIMARY", "taskDefinition": ecs.revisions("shop")[0], "platformVersion": "1.3.0"}
    members = {
        "taskSets": [{"status": "ACTIVE", "taskDefinition": stale}, primary],
        "platformVersion": "LATEST",
        "loadBalancers": [{"containerName": "main", "containerPort": 80}],
    }
    ecs.add_service("prod", "shop", stale, deployment_controller="CODE_DEPLOY", members=members)

    result = road.push(pushed("v2"))

    assert result["services"][0]["from"] == "shop:1"
    [app_spec] = codedeploy.app_specs.values()
    assert properties(app_spec)["PlatformVersion"] == "1.3.0"


def test_the_deployment_group_is_found_once(codedeploy: StrictCodeDeploy, road: Road) -> None:
    for name in ("functions", "servers", "more-functions"):
        codedeploy.add_application(name, "Lambda")
    for name in ("other", "third"):
        codedeploy.add_group(name, "others")
    road.push(pushed("v2"))
    searches = {
        "ListApplications": 3,
        "BatchGetApplications": 1,
        "ListDeploymentGroups": 2,
        "GetDeploymentGroup": 3,
    }
    assert {operation: codedeploy.count(operation) for operation in searches} == searches
    codedeploy.end()

    assert road.push(pushed("v3", time=LATER))["outcome"] == "deployed"

    assert {operation: codedeploy.count(operation) for operation in searches} == searches
    assert codedeploy.count("CreateDeployment") == 2


def test_a_group_that_moved_is_found_again(ecs: StrictEcs, codedeploy: StrictCodeDeploy, queued_road: Road) -> None:
    road = queued_road
    assert road.deliver(pushed("v2")) == []
    codedeploy.end()
    codedeploy.delete_group("shop")
    codedeploy.add_group("shop", "new-shop")
    newer = pushed("v3", time=LATER)

    assert road.deliver(newer) == ["message-0"]
    assert road.deliver(newer) == []

    assert codedeploy.deployments["d-000000002"]["applicationName"] == "new-shop"
    assert len(ecs.revisions("shop")) == 3


def test_an_old_push_and_one_that_is_live_ask_codedeploy_nothing(codedeploy: StrictCodeDeploy, road: Road) -> None:
    road.push(pushed("v2"))
    codedeploy.end()
    codedeploy.calls.clear()

    assert road.push(pushed("v2"))["outcome"] == "unchanged"
    assert road.push(pushed("v0", time="2026-11-22T06:00:00Z"))["outcome"] == "superseded"

    assert codedeploy.calls == []


def test_a_deployment_that_runs_is_waited_for(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    running = codedeploy.begin("shop")

    result = road.push(pushed("v2"))

    assert result["outcome"] == "waiting"
    assert result["reason"] == f"its CodeDeploy deployment {running} is not over"
    assert told(road) == [("waiting", result["reason"])]
    assert ecs.writes == []
    assert codedeploy.count("CreateDeployment") == 0


@pytest.mark.parametrize("status", ["Created", "Queued", "InProgress", "Baking", "Ready"])
def test_every_status_that_is_no_end_is_waited_for(codedeploy: StrictCodeDeploy, road: Road, status: str) -> None:
    codedeploy.begin("shop")
    codedeploy.end("Failed")
    running = codedeploy.begin("shop")
    codedeploy.deployments[running]["status"] = status

    assert road.push(pushed("v2"))["outcome"] == "waiting"


@pytest.mark.parametrize("end", ["success", "failure", "stop"])
def test_what_waited_is_deployed_once_that_is_over(codedeploy: StrictCodeDeploy, road: Road, end: str) -> None:
    codedeploy.begin("shop")
    assert road.deliver(pushed("v2")) == []
    codedeploy.end("Failed")

    assert road.deliver(ended(end), ended(end)) == []

    assert codedeploy.count("CreateDeployment") == 1


def test_it_is_told_once_in_whatever_order_codedeploy_tells(codedeploy: StrictCodeDeploy, road: Road) -> None:
    assert road.deliver(pushed("v2"), ended("start")) == []
    codedeploy.end()

    assert road.deliver(ended("success"), ended("start"), ended("success")) == []

    assert told(road) == [("started", None), ("live", None)]


def test_a_group_that_is_gone_or_not_in_scope_is_nothing_to_tell(
    ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road
) -> None:
    assert road.deliver(pushed("v2")) == []
    codedeploy.end()

    assert build(ecs, codedeploy, clusters=["elsewhere"]).deliver(ended("success")) == []
    assert Road(ecs).deliver(ended("success")) == []
    codedeploy.delete_group("shop")
    assert road.deliver(ended("success")) == []

    assert told(road) == [("started", None)]


def test_what_codedeploy_does_not_tell_is_asked_again(codedeploy: StrictCodeDeploy, road: Road) -> None:
    assert road.deliver(pushed("v2")) == []
    codedeploy.end()
    codedeploy.refusals["GetDeploymentGroup"] = refusal("ThrottlingException")

    assert road.deliver(ended("success")) == ["message-0"]


def test_what_waited_is_deployed_by_reconciliation(ecs: StrictEcs, codedeploy: StrictCodeDeploy) -> None:
    road = build(ecs, codedeploy, reconcile=True)
    codedeploy.begin("shop")
    for event in (pushed("v2"), TICK, TICK):
        assert road.deliver(event) == []
    assert len(ecs.revisions("shop")) == 1
    codedeploy.end("Stopped")

    assert road.deliver(TICK) == []

    assert codedeploy.count("CreateDeployment") == 1
    assert len(ecs.revisions("shop")) == 2


def test_the_next_push_waits_for_ours(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    road.push(pushed("v2"))
    newer = pushed("v3", time=LATER)

    assert road.push(newer)["outcome"] == "waiting"
    codedeploy.end()
    assert road.push(newer)["outcome"] == "deployed"

    assert len(ecs.revisions("shop")) == 3


def test_a_repeat_makes_no_second_deployment(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    road.push(pushed("v2"))
    road.cold_start()

    result = road.push(pushed("v2"))

    assert (result["outcome"], result["reason"]) == ("unchanged", "it runs this image already")
    assert codedeploy.count("CreateDeployment") == 1
    assert len(ecs.revisions("shop")) == 2


def test_a_crash_between_revision_and_deployment(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    codedeploy.refusals["CreateDeployment"] = SystemExit("the execution environment is gone")
    with pytest.raises(SystemExit):
        road.push(pushed("v2"))
    codedeploy.refusals.clear()
    road.cold_start()

    result = road.push(pushed("v2"))

    assert (result["outcome"], result["services"][0]["to"]) == ("deployed", "shop:2")
    assert len(ecs.revisions("shop")) == 2
    assert len(codedeploy.deployments) == 1


def test_a_deployment_whose_answer_was_lost(codedeploy: StrictCodeDeploy, road: Road) -> None:
    codedeploy.repeated = {"CreateDeployment"}

    assert road.push(pushed("v2"))["outcome"] == "deployed"

    assert len(codedeploy.deployments) == 1


def test_somebody_who_was_quicker_is_waited_for_later(codedeploy: StrictCodeDeploy, queued_road: Road) -> None:
    road = queued_road
    codedeploy.refusals["CreateDeployment"] = refusal("DeploymentLimitExceededException", "d-1 is active")

    assert road.deliver(pushed("v2")) == ["message-0"]
    assert road.push(pushed("v2"))["reason"] == (
        "CreateDeployment of deployment group shop/shop was refused: DeploymentLimitExceededException: d-1 is active"
    )


def test_a_service_without_a_deployment_group_fails(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    codedeploy.delete_group("shop")
    codedeploy.add_group("shop-2")

    result = road.push(pushed("v2"))

    assert (result["outcome"], result["reason"]) == (
        "failed",
        "no deployment group of CodeDeploy names service shop in cluster prod, so that nothing can be deployed to it",
    )
    assert ecs.writes == []
    codedeploy.add_group("shop")
    assert road.push(pushed("v2"))["outcome"] == "deployed"


def test_a_service_without_a_load_balancer_fails(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    codedeploy.add_service("shop", ecs.revisions("shop")[0], loadBalancers=[])

    result = road.push(pushed("v2"))

    assert result["outcome"] == "failed"
    assert result["reason"] == "service shop in cluster prod has no load balancer, which CodeDeploy needs"
    assert ecs.writes == []


@pytest.mark.parametrize(
    ("operation", "subject"),
    [
        ("ListApplications", "the account"),
        ("BatchGetApplications", "the account"),
        ("ListDeploymentGroups", "application shop"),
        ("GetDeploymentGroup", "deployment group shop/shop"),
        ("ListDeployments", "deployment group shop/shop"),
        ("CreateDeployment", "deployment group shop/shop"),
    ],
)
def test_a_call_that_is_not_allowed(codedeploy: StrictCodeDeploy, road: Road, operation: str, subject: str) -> None:
    codedeploy.refusals[operation] = refusal("AccessDeniedException")

    result = road.push(pushed("v2"))

    said = f"{operation} of {subject} is not allowed: No."
    assert (result["outcome"], result["reason"]) == ("failed", said)
    codedeploy.refusals.clear()
    assert road.push(pushed("v2"))["outcome"] == "deployed"


@pytest.mark.parametrize("operation", ["ListApplications", "ListDeployments", "CreateDeployment"])
@pytest.mark.parametrize(
    "error",
    [refusal("ThrottlingException"), ReadTimeoutError(endpoint_url="https://codedeploy")],
    ids=["throttled", "silent"],
)
def test_a_call_that_may_succeed_later(
    ecs: StrictEcs, codedeploy: StrictCodeDeploy, queued_road: Road, operation: str, error: Exception
) -> None:
    road = queued_road
    codedeploy.refusals[operation] = error
    assert road.push(pushed("v2"))["reason"].startswith(f"{operation} of ")
    assert road.deliver(pushed("v2")) == ["message-0"]
    codedeploy.refusals.clear()

    assert road.deliver(pushed("v2")) == []

    assert len(codedeploy.deployments) == 1
    assert len(ecs.revisions("shop")) == 2


def test_time_that_runs_out(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    codedeploy.latency = 100

    assert road.push(pushed("v2"))["reason"] == "the function's time ran out before its turn came"
    assert ecs.writes == []


def test_one_of_several_services(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    """Of one family and of another; what CodeDeploy does not let one do stops no other."""
    shared = ecs.revisions("shop")[0]
    for name in ("rolling", "rolling-too"):
        ecs.add_service("prod", name, shared)
    codedeploy.add_service("busy", shared)
    codedeploy.add_group("busy", "another")
    codedeploy.add_service("lonely", ecs.register(definition("lonely", f"{APP}:v1")))
    codedeploy.begin("busy", "another")
    ecs.add_service("prod", "external", shared, deployment_controller="EXTERNAL")

    result = road.push(pushed("v2"))

    assert {one["service"]: (one["outcome"], one["to"]) for one in result["services"]} == {
        "shop": ("deployed", "shop:2"),
        "rolling": ("deployed", "shop:2"),
        "rolling-too": ("deployed", "shop:2"),
        "busy": ("waiting", "shop:1"),
        "lonely": ("failed", "lonely:1"),
        "external": ("skipped", "shop:1"),
    }
    assert ecs.count("UpdateService") == 2
    assert ecs.count("RegisterTaskDefinition") == 1
    assert codedeploy.count("CreateDeployment") == 1


def test_a_pinned_service_asks_codedeploy_nothing(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    ecs.client().tag_resource(
        resourceArn="arn:aws:ecs:eu-west-1:123456789012:service/prod/shop",
        tags=[{"key": "ecr-deploy:pinned", "value": "for the sale"}],
    )

    assert road.push(pushed("v2"))["reason"] == "it is pinned by its tag ecr-deploy:pinned = for the sale"
    assert codedeploy.calls == []


def test_a_dry_run_looks_and_does_nothing(ecs: StrictEcs, codedeploy: StrictCodeDeploy) -> None:
    road = build(ecs, codedeploy, dry_run=True)

    assert road.push(pushed("v2"))["outcome"] == "deployed"
    codedeploy.begin("shop")
    assert road.push(pushed("v2"))["outcome"] == "waiting"

    assert (ecs.writes, codedeploy.count("CreateDeployment")) == ([], 0)


def test_without_the_setting_there_is_no_codedeploy(ecs: StrictEcs, codedeploy: StrictCodeDeploy) -> None:
    road = Road(ecs, clients={"codedeploy": codedeploy})

    result = road.push(pushed("v2"))
    assert road.deliver(TICK) == []

    assert result["reason"] == "its deployment controller is CODE_DEPLOY, which deploys by itself"
    assert (ecs.writes, codedeploy.calls) == ([], [])


def test_it_is_live_once_codedeploy_is_done(codedeploy: StrictCodeDeploy, road: Road) -> None:
    road.push(pushed("v2"))
    road.events.taken.clear()
    assert road.deliver(TICK) == []
    assert told(road) == []
    codedeploy.end()

    assert road.deliver(TICK, TICK) == []

    assert told(road) == [("live", None)]


@pytest.mark.parametrize(
    ("status", "members", "end"),
    [
        ("Failed", {"errorInformation": {"code": "HEALTH", "message": "No."}}, ("failed", "No.")),
        (
            "Stopped",
            {"rollbackInfo": {"rollbackDeploymentId": "d-2"}, "errorInformation": {"message": "Alarm."}},
            ("rolled-back", "Alarm."),
        ),
        ("Stopped", {}, ("failed", "its CodeDeploy deployment was stopped")),
    ],
)
def test_what_failed_is_told_and_stays_away_until_it_is_pushed_anew(
    ecs: StrictEcs, codedeploy: StrictCodeDeploy, status: str, members: dict[str, Any], end: tuple[str, str]
) -> None:
    road = build(ecs, codedeploy, reconcile=True, rollback_on_failure=True)
    assert road.deliver(pushed("v2")) == []
    road.events.taken.clear()
    codedeploy.end(status, **members)

    for _ in range(2):
        ecs.clock.sleep(60 * 60)
        assert road.deliver(TICK) == []

    assert told(road) == [end]
    assert codedeploy.count("CreateDeployment") == 1
    assert road.push(pushed("v2"))["reason"] == "it was rolled back: a new push of v2, or a request, deploys it again"
    assert road.push(pushed("v2", time="2026-11-25T08:00:00Z"))["outcome"] == "deployed"
    assert len(ecs.revisions("shop")) == 2


def test_that_it_failed_before_says_nothing_of_this_time(
    ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road
) -> None:
    road.push(pushed("v2"))
    codedeploy.end("Failed")
    assert road.deliver(TICK) == []
    ecs.clock.sleep(60)
    codedeploy.refusals["CreateDeployment"] = refusal("ThrottlingException")
    again = pushed("v2", time="2026-11-25T08:00:00Z")
    assert road.deliver(again) == ["message-0"]
    codedeploy.refusals.clear()
    road.events.taken.clear()

    # It is written down, and taken up by the scheduled run.
    assert road.deliver(TICK) == []
    assert told(road) == [("started", None)]
    assert road.deliver(again) == []
    codedeploy.end()
    assert road.deliver(TICK) == []

    assert told(road) == [("started", None), ("live", None)]


def test_what_codedeploy_still_watches_over_is_not_taken_back(ecs: StrictEcs, codedeploy: StrictCodeDeploy) -> None:
    """It waits for hours with the old task set at hand after the traffic has moved."""
    road = build(ecs, codedeploy, rollback_on_failure=True)
    road.push(pushed("v2"))
    codedeploy.end()
    codedeploy.deployments["d-000000001"]["status"] = "InProgress"
    road.events.taken.clear()
    ecs.clock.sleep(24 * 60 * 60)

    assert road.deliver(TICK) == []

    assert (told(road), codedeploy.count("CreateDeployment")) == ([], 1)


def test_a_request_takes_it_back_through_codedeploy(ecs: StrictEcs, codedeploy: StrictCodeDeploy, road: Road) -> None:
    road.push(pushed("v2"))
    codedeploy.end()

    answer = road.request(rollback={"cluster": "prod", "service": "shop"})

    assert (answer["rollback"]["outcome"], answer["rollback"]["to"]) == ("rolled-back", "shop:2")
    assert properties(codedeploy.app_specs["d-000000002"])["TaskDefinition"] == ecs.revisions("shop")[0]
    assert ecs.count("UpdateService") == 0
