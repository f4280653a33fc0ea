"""The answer to "why did my push not deploy?"."""

from typing import Any

import pytest

from ecr_deploy.core.errors import InvalidRequestError
from tests.harness.road import APP, Registry, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs

RULES = [
    {"tags": ["main-*"], "clusters": ["staging"]},
    {"semver": "^1", "clusters": ["prod"], "families": ["migrate-*"]},
    {"repositories": ["web"]},
]


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    app = ecs.register(definition("api", f"{APP}:v1"))
    ecs.add_service("prod", "api", app)
    ecs.add_service("prod", "pinned", app, tags={"ecr-deploy:pinned": "until Monday"})
    ecs.add_service("staging", "api", app)
    ecs.add_service("prod", "web", ecs.register(definition("web", "nginx")))
    ecs.register(definition("migrate-db", f"{APP}:v1"))
    return Road(ecs, inputs={"rules": RULES})


def explain(road: Road, tag: str, repository: str = "app") -> dict[str, Any]:
    return road.request(explain={"repository": repository, "tag": tag})


def outcomes(answer: dict[str, Any]) -> dict[tuple[str | None, str], tuple[str, str | None]]:
    """What becomes of a push on each target, and why."""
    return {
        (one.get("cluster"), one.get("service") or one["family"]): (one["outcome"], one["reason"])
        for one in [*answer["services"], *answer["families"]]
    }


def test_each_rule_and_everything_that_runs_the_image(ecs: StrictEcs, road: Road) -> None:
    answer = explain(road, "v1.4.0")

    assert answer["image"] == f"{APP}:v1.4.0"
    assert answer["rules"] == [
        {"rule": 0, "matches": False, "reason": "tags does not match v1.4.0"},
        {"rule": 1, "matches": True, "reason": None},
        {"rule": 2, "matches": False, "reason": "repositories does not match app"},
    ]
    assert outcomes(answer) == {
        ("prod", "api"): ("deployed", None),
        ("prod", "pinned"): ("skipped", "it is pinned by its tag ecr-deploy:pinned = until Monday"),
        ("staging", "api"): ("skipped", "it is not in the scope of rules[1]"),
        (None, "migrate-db"): ("deployed", None),
    }
    assert ecs.writes == []


def test_a_push_that_no_rule_lets(road: Road) -> None:
    answer = explain(road, "feature-x")

    assert [rule["matches"] for rule in answer["rules"]] == [False, False, False]
    assert {service["reason_kind"] for service in answer["services"]} == {"no-rule"}


def test_latest(ecs: StrictEcs) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))

    [service] = explain(Road(ecs), "latest")["services"]

    assert service["reason"] == "latest goes only to containers that run latest"


def test_an_image_that_nobody_runs(road: Road) -> None:
    answer = explain(road, "v1.0.0", repository="nobody")

    assert (answer["services"], answer["families"]) == ([], [])


def test_a_rule_that_makes_it_wait(ecs: StrictEcs) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    road = Road(ecs, inputs={"rules": [{"minimum_image_age": 5}]})

    answer = explain(road, "v2")

    assert answer["rules"][0]["matches"] is True
    assert answer["services"][0]["reason"].startswith("the image is old enough at ")


def test_each_gate_of_each_service(ecs: StrictEcs) -> None:
    for cluster in ("staging", "prod", "test"):
        ecs.add_service(cluster, "api", ecs.register(definition(f"{cluster}-api", f"{APP}:v1")))
    gated = {"clusters": ["prod"], "after": {"clusters": ["staging"]}, "approval": {}}
    rules = [{"clusters": ["staging"]}, gated, {"clusters": ["test"], "approval": {}}]
    road = Road(ecs, inputs={"rules": rules}, registry=(registry := Registry()))
    road.push(pushed("v2"))
    registry.push("v2")
    road.request(approve={"repository": "app", "tag": "v2", "clusters": ["prod"]}, by="ann")

    gates = {
        service["cluster"]: [(gate["gate"], gate["open"], gate["reason"]) for gate in service.get("gates", ())]
        for service in explain(road, "v2")["services"]
    }

    why = "it has not been live on staging/api, which is in staging"
    assert gates == {
        "staging": [],
        "prod": [("after", False, why), ("approval", True, None)],
        "test": [("approval", False, "somebody must approve it")],
    }


def test_a_malformed_one(road: Road) -> None:
    with pytest.raises(InvalidRequestError, match=r"^The request has no field force; it may have digest, region, "):
        road.request(explain={"repository": "app", "tag": "v2", "force": True})
