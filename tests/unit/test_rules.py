"""Which push goes where."""

import json
from typing import Any

import pytest

from ecr_deploy.core import settings
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.rules import Rule, Rules, Scope, matches
from tests.harness.road import ACCOUNT, APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import StrictEcs

FOREIGN = "210987654321"


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*", ["", "app", "a/b"], []),
        ("app", ["app"], ["App", "app2", "my-app", ""]),
        ("app*", ["app", "app/web"], ["my-app", "App"]),
        ("v?", ["v1"], ["v", "v10"]),
        ("v[0-9]*", ["v1", "v10"], ["vX", "main"]),
        ("v[!0-9]", ["vX"], ["v1"]),
        ("a.b", ["a.b"], ["axb"]),
        ("PROD", ["PROD"], ["prod"]),
    ],
)
def test_globs(glob: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in yes if not matches(name, [glob])] == []
    assert [name for name in no if matches(name, [glob])] == []


def test_any_of_several_globs() -> None:
    assert matches("b", ["a", "b"])
    assert not matches("c", ["a", "b"])
    assert not matches("a", [])


FLEET = [("prod", "api"), ("prod", "web"), ("staging", "api"), ("dev-1", "api")]
EVERYWHERE = {f"{cluster}/{service}" for cluster, service in FLEET}


def _name(value: dict[str, Any] | set[str]) -> str:
    return json.dumps(value) if isinstance(value, dict) else ",".join(sorted(value)) or "nobody"


@pytest.mark.parametrize(
    ("inputs", "reached"),
    [
        ({}, EVERYWHERE),
        ({"rules": [{}]}, EVERYWHERE),
        ({"clusters": ["prod"]}, {"prod/api", "prod/web"}),
        ({"clusters": ["prod", "dev-*"]}, {"prod/api", "prod/web", "dev-1/api"}),
        ({"clusters": ["nowhere-*"]}, set()),
        ({"rules": [{"clusters": ["prod"]}]}, {"prod/api", "prod/web"}),
        ({"rules": [{"clusters": ["prod"], "services": ["web"]}]}, {"prod/web"}),
        ({"rules": [{"services": ["a*"]}]}, EVERYWHERE - {"prod/web"}),
        ({"rules": [{"clusters": ["prod"], "services": ["web"]}, {"clusters": ["dev-?"]}]}, {"prod/web", "dev-1/api"}),
        ({"clusters": ["staging"], "rules": [{"clusters": ["prod"]}]}, set()),
        ({"rules": [{"repositories": ["app"]}]}, EVERYWHERE),
        ({"rules": [{"repositories": ["ap"]}]}, set()),
        ({"rules": [{"repositories": ["team/*"]}]}, set()),
        ({"rules": [{"tags": ["v*"]}]}, EVERYWHERE),
        ({"rules": [{"tags": ["main-*"]}]}, set()),
        ({"rules": [{"exclude_tags": ["v2"]}]}, set()),
        ({"rules": [{"tags": ["v*"], "exclude_tags": ["*-rc*"]}]}, EVERYWHERE),
        ({"rules": [{"exclude_tags": ["v2"]}, {"clusters": ["prod"]}]}, {"prod/api", "prod/web"}),
        ({"rules": [{"registries": [FOREIGN]}]}, set()),
        ({"rules": [{"registries": [FOREIGN, ACCOUNT]}]}, EVERYWHERE),
    ],
    ids=_name,
)
def test_what_a_push_reaches(ecs: StrictEcs, inputs: dict[str, Any], reached: set[str]) -> None:
    revision = ecs.register(definition("api", f"{APP}:v1"))
    for cluster, service in FLEET:
        ecs.add_service(cluster, service, revision)
    road = Road(ecs, inputs=inputs)

    result = road.push(pushed("v2"))

    assert {f"{cluster}/{name}" for cluster, name in FLEET if road.image(cluster, name) == f"{APP}:v2"} == reached
    assert {f"{one['cluster']}/{one['service']}" for one in result["services"]} == reached
    assert result["outcome"] == ("deployed" if reached else "skipped")


def test_another_registry_needs_to_be_named(ecs: StrictEcs) -> None:
    foreign = APP._replace(account=FOREIGN)
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{foreign}:v1")))
    push = pushed("v2", account=FOREIGN)

    assert Road(ecs).push(push)["outcome"] == "skipped"
    assert ecs.writes == []

    road = Road(ecs, inputs={"rules": [{"registries": [FOREIGN]}]})
    assert road.push(push)["outcome"] == "deployed"
    assert road.image("prod", "api") == f"{foreign}:v2"


@pytest.mark.parametrize(
    ("inputs", "scope", "exact"),
    [
        ({}, None, None),
        ({"clusters": ["prod", "staging"]}, None, ("prod", "staging")),
        ({"clusters": ["prod", "prod"]}, None, ("prod",)),
        ({"clusters": ["prod", "dev-*"]}, None, None),
        ({"rules": [{"clusters": ["prod"]}, {"clusters": ["staging"]}]}, None, ("prod", "staging")),
        ({"rules": [{"clusters": ["prod"]}, {}]}, None, None),
        ({"clusters": ["p*"], "rules": [{"clusters": ["prod", "staging"]}]}, None, ("prod",)),
        ({}, Scope(clusters=("prod",)), ("prod",)),
        ({"clusters": ["staging"]}, Scope(clusters=("prod",)), ()),
    ],
)
def test_clusters_that_need_no_listing(
    inputs: dict[str, Any], scope: Scope | None, exact: tuple[str, ...] | None
) -> None:
    rules = _rules(inputs)
    assert (rules.within(scope) if scope else rules).exact_clusters() == exact


@pytest.mark.parametrize(("families", "reached"), [((), False), (("migrate-*",), True), (("other",), False)])
def test_families_that_no_service_runs_are_not_reached_unasked(families: tuple[str, ...], reached: bool) -> None:  # noqa: FBT001 - a column of the table
    rules = Rules((Rule((ACCOUNT,), families=families),), (Scope(),))
    assert rules.reaches(Target(None, "migrate-db")) is reached


def _rules(inputs: dict[str, Any]) -> Rules:
    values = {"account_id": ACCOUNT, "queue_url": "https://queue", "dead_letter_queue_url": "https://dead", **inputs}
    return settings.from_environment({settings.VARIABLE: json.dumps(values)}).rules


def test_a_container_outside_the_rules_keeps_the_image_of_its_own_definition(ecs: StrictEcs) -> None:
    side = APP._replace(name="side")
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1", f"{side}:v1")))
    ecs.register(definition("api", f"{APP}:stale", f"{side}:v5"))
    road = Road(ecs, inputs={"rules": [{"repositories": ["app"]}]})

    road.push(pushed("v2", digest("v2")))

    assert road.image("prod", "api") == f"{APP}:v2"
    assert road.image("prod", "api", "sidecar-1") == f"{side}:v5"
