"""A push goes in, ECS is in a new state."""

from typing import Any

from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import StrictEcs


def test_one_push_updates_exactly_the_services_that_run_the_image(ecs: StrictEcs, road: Road) -> None:
    families = {name: ecs.register(definition(name, f"{APP}:v1")) for name in ("api", "web", "jobs", "cron")}
    worker = ecs.register(definition("worker", f"{APP}-worker:v1"))
    other_account = ecs.register(definition("foreign", "999999999999.dkr.ecr.eu-west-1.amazonaws.com/app:v1"))
    other_region = ecs.register(definition("far", "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1"))
    fleet = [*families.values()] * 2 + [families["api"], families["web"], families["jobs"]]
    fleet += [worker] * 6 + [other_account] * 3 + [other_region] * 3
    for index, revision in enumerate(fleet):
        ecs.add_service(("one", "two", "three")[index % 3], f"service-{index}", revision)

    result = road.push(pushed("v2"))

    assert result["outcome"] == "deployed"
    assert len(result["services"]) == 11
    assert ecs.count("RegisterTaskDefinition") == 4
    assert ecs.count("UpdateService") == 11
    assert len(ecs.writes) == 15
    images = [road.image(("one", "two", "three")[index % 3], f"service-{index}") for index in range(len(fleet))]
    assert images[:11] == [f"{APP}:v2"] * 11
    assert not any(image.endswith(":v2") for image in images[11:])


def test_a_fleet_of_105_services_is_read_to_its_end(ecs: StrictEcs, road: Road) -> None:
    revision = ecs.register(definition("api", f"{APP}:v1"))
    for index in range(105):
        ecs.add_service("prod", f"service-{index}", revision)

    result = road.push(pushed("v2"))

    assert len(result["services"]) == 105
    assert {road.image("prod", f"service-{index}") for index in range(105)} == {f"{APP}:v2"}
    assert ecs.count("RegisterTaskDefinition") == 1


def test_calls_for_one_service_of_a_hundred(ecs: StrictEcs) -> None:
    for index in range(100):
        image = f"{APP}:v1" if index == 50 else f"{APP}-{index}:v1"
        ecs.add_service("prod", f"service-{index}", ecs.register(definition(f"family-{index}", image)))
    road = Road(ecs, inputs={"clusters": ["prod"]})

    road.push(pushed("v2"))

    assert ecs.count("ListClusters") == 0
    assert ecs.count("ListServices") == 1
    assert ecs.count("DescribeServices") == 10
    assert ecs.count("ListTaskDefinitionFamilies") == 0
    described = [call.request["taskDefinition"] for call in ecs.calls if call.operation == "DescribeTaskDefinition"]
    assert len(described) == len(set(described))
    cold = ecs.count("DescribeTaskDefinition")

    road.push(pushed("v3", time="2026-11-25T07:00:00Z"))

    assert ecs.count("DescribeTaskDefinition") == cold + 1
    assert road.image("prod", "service-50") == f"{APP}:v3"


def test_everything_but_the_image_stays(ecs: StrictEcs, road: Road) -> None:
    before: dict[str, Any] = {
        "family": "api",
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "taskRoleArn": "arn:aws:iam::123456789012:role/task",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        "inventedAtTheTop": {"deep": [1, {"er": None}]},
        "containerDefinitions": [
            {"name": "init", "image": f"{APP}:v1", "essential": False, "inventedInAContainer": "kept"},
            {
                "name": "main",
                "image": f"{APP}:v1@{digest('old')}",
                "environment": [{"name": "EMPTY", "value": ""}],
                "healthCheck": {"command": ["CMD", "true"], "inventedBelow": 1.5},
            },
            {"name": "proxy", "image": "nginx"},
        ],
    }
    arn = ecs.register(before, tags={"team": "blue", "empty": ""})
    ecs.add_service("prod", "api", arn)

    road.push(pushed("v2"))

    expected = {**before, "containerDefinitions": [dict(one) for one in before["containerDefinitions"]]}
    expected["containerDefinitions"][0]["image"] = f"{APP}:v2"
    expected["containerDefinitions"][1]["image"] = f"{APP}:v2"
    [register] = [call for call in ecs.writes if call.operation == "RegisterTaskDefinition"]
    tags = {tag["key"]: tag["value"] for tag in register.request.pop("tags")}
    assert register.request == expected
    assert tags == {"team": "blue", "empty": ""}


def test_the_answer(ecs: StrictEcs, road: Road) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))

    answer = road.push(pushed("v2"))

    assert answer == {
        "image": f"{APP}:v2",
        "digest": digest("v2"),
        "outcome": "deployed",
        "reason": None,
        "reason_kind": None,
        "services": [
            {
                "cluster": "prod",
                "service": "api",
                "outcome": "deployed",
                "reason": None,
                "reason_kind": None,
                "from": "api:1",
                "to": "api:2",
                "base": "api:1",
                "images": [{"container": "main", "from": f"{APP}:v1", "to": f"{APP}:v2"}],
            }
        ],
        "families": [],
    }


def test_both_events_of_one_push_make_one_deployment(ecs: StrictEcs, road: Road) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    road.push(pushed("v2"))

    again = road.push(pushed("v2", time="2026-11-23T06:00:01Z"))

    assert again["outcome"] == "unchanged"
    assert ecs.count("RegisterTaskDefinition") == 1
    assert ecs.count("UpdateService") == 1


def test_a_push_that_nobody_runs_is_skipped_with_a_reason(ecs: StrictEcs, road: Road) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}-worker:v1")))

    result = road.push(pushed("v2"))

    assert result["outcome"] == "skipped"
    assert "nothing in scope runs" in result["reason"]
    assert ecs.writes == []
