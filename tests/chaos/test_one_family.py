"""Many services of one family: all are updated, all are reported, and each can be rolled back."""

import os

import pytest

from tests.harness.road import APP, Registry, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs
from tests.unit.test_rollouts import changed


IS_NIGHT = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


@pytest.mark.parametrize("services", [60, 200, 1000] if IS_NIGHT else [60, 200])
def test_all_services_of_one_family(ecs: StrictEcs, services: int) -> None:
    revision = ecs.register(definition("web", f"{APP}:v1"))
    names = [f"service-{number}" for number in range(services)]
    for name in names:
        ecs.add_service("prod", name, revision, service_revisions=True)
    registry = Registry()
    registry.push("v1", time="2026-11-20T06:00:00Z")
    registry.push("v2")
    road = Road(ecs, registry=registry)

    result = road.push(pushed("v2"), seconds=900)

    assert {one["outcome"] for one in result["services"]} == {"deployed"}
    assert {road.image("prod", name) for name in names} == {f"{APP}:v2"}
    assert ecs.count("RegisterTaskDefinition") == 1
    assert ecs.count("UpdateService") == services

    ecs.end_deployments()
    for start in range(0, services, 10):
        assert road.deliver(*(changed(service=name) for name in names[start : start + 10])) == []
    told = [(detail["outcome"], detail["service"]) for _, detail in road.events.taken]
    assert sorted(name for outcome, name in told if outcome == "live") == sorted(names)

    for name in names:
        answer = road.request(rollback={"cluster": "prod", "service": name})
        assert answer["rollback"]["outcome"] == "rolled-back"
    assert {road.image("prod", name) for name in names} == {f"{APP}:v1"}
    assert ecs.count("RegisterTaskDefinition") == 1
