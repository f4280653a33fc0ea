"""Programs told apart by tags, builds ordered by what is in the tag, and tags that are no versions."""

from typing import Any

import pytest

from tests.harness.road import APP, Registry, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs

SHOP = APP._replace(name="shop")
BY_BUILD = {"order_by": {"pattern": "^main-[0-9a-f]+-(?P<build>[0-9]+)$", "type": "number"}}
BY_DATE = {"order_by": {"pattern": r"^(\d{4}-\d{2}-\d{2}(?:\.\d)?)$", "type": "text"}}
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def at(minute: int) -> str:
    return f"2026-11-23T06:{minute:02}:00Z"


def outcome(result: dict[str, Any]) -> tuple[str, str | None]:
    return result["outcome"], result["reason_kind"]


class TestOneRepositoryWithTwoPrograms:
    RULES = (
        {"repositories": ["shop"], "tags": ["web-*"], "containers": ["web"]},
        {"repositories": ["shop"], "tags": ["php-*"], "containers": ["php*"]},
    )

    @pytest.fixture
    def road(self, ecs: StrictEcs) -> Road:
        two = definition("shop", f"{SHOP}:web-6", f"{SHOP}:php-6")
        two["containerDefinitions"][0]["name"], two["containerDefinitions"][1]["name"] = "web", "php"
        ecs.add_service("prod", "shop", ecs.register(two))
        return Road(ecs, inputs={"rules": list(self.RULES), "reconcile": True})

    def images(self, road: Road) -> list[str]:
        return [road.image("prod", "shop", name).rpartition(":")[2] for name in ("web", "php")]

    @pytest.mark.parametrize("order", [("web-7", "php-7"), ("php-7", "web-7")])
    def test_each_container_gets_its_own(self, road: Road, order: tuple[str, str]) -> None:
        for minute, tag in enumerate(order):
            result = road.push(pushed(tag, repository="shop", time=at(minute)))
            [service] = result["services"]
            assert [change["container"] for change in service["images"]] == [tag.partition("-")[0]]

        assert self.images(road) == ["web-7", "php-7"]
        assert road.deliver(TICK) == []
        assert self.images(road) == ["web-7", "php-7"]

    def test_both_in_one_batch_make_one_revision(self, road: Road) -> None:
        events = [pushed(tag, repository="shop", time=at(7)) for tag in ("web-7", "php-7")]

        assert road.deliver(*events) == []

        assert self.images(road) == ["web-7", "php-7"]
        assert road.ecs.count("RegisterTaskDefinition") == 1

    def test_an_older_one_of_the_other_program_is_no_rival(self, road: Road) -> None:
        road.push(pushed("web-9", repository="shop", time=at(9)))

        assert outcome(road.push(pushed("php-8", repository="shop", time=at(8)))) == ("deployed", None)
        assert self.images(road) == ["web-9", "php-8"]

    def test_a_tag_of_neither_reaches_nothing(self, road: Road) -> None:
        assert outcome(road.push(pushed("job-7", repository="shop", time=at(7)))) == ("skipped", "no-rule")


@pytest.mark.parametrize(
    ("rule", "runs", "pushes"),
    [
        (
            BY_BUILD,
            "main-abc-41",
            [("main-fff-43", "deployed"), ("main-0ab-42", "superseded"), ("main-123-100", "deployed")],
        ),
        (
            BY_DATE,
            "2026-11-20",
            [("2026-11-24.3", "deployed"), ("2026-11-24", "superseded"), ("2026-11-24.4", "deployed")],
        ),
    ],
    ids=["build", "date"],
)
def test_a_lower_build_never_replaces_a_higher_one(
    ecs: StrictEcs, rule: dict[str, Any], runs: str, pushes: list[tuple[str, str]]
) -> None:
    registry = Registry()
    registry.push(runs, time="2026-11-22T06:00:00Z")
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:{runs}")))
    road = Road(ecs, inputs={"rules": [rule]}, registry=registry)

    found = [road.push(pushed(tag, time=at(minute)))["outcome"] for minute, (tag, _) in enumerate(pushes)]

    assert found == [expected for _, expected in pushes]


def test_what_can_not_be_ordered_is_not_let_in_and_says_so(ecs: StrictEcs) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:main-abc-41")))

    result = Road(ecs, inputs={"rules": [BY_BUILD]}).push(pushed("hotfix"))

    assert outcome(result) == ("skipped", "no-rule")
    assert result["reason"] == "no rule allows it: rules[0].order_by finds nothing to order hotfix by"


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("2022.04.1", "04 has a leading zero"),
        ("1.2.3.4", "four"),
        ("main", "is no semantic version"),
    ],
)
def test_what_a_tag_lacks_to_be_a_version_is_said(ecs: StrictEcs, tag: str, why: str) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:1.0.0")))

    result = Road(ecs, inputs={"rules": [{"semver": "*"}]}).push(pushed(tag))

    assert outcome(result) == ("skipped", "no-rule")
    assert why in result["reason"]


OLD, NEW = APP, APP._replace(name="new/app")
SIDE = APP._replace(name="side")


class TestARepositoryThatMoved:
    """Terraform's newest revision has the image in another repository; the service still runs the old one."""

    @pytest.fixture
    def road(self, ecs: StrictEcs) -> Road:
        ecs.add_service("prod", "api", ecs.register(definition("api", f"{OLD}:v1", f"{SIDE}:s1")))
        ecs.add_service("prod", "web", ecs.register(definition("web", f"{OLD}:v1")))
        ecs.register(definition("api", f"{NEW}:v1", f"{SIDE}:s1", cpu="512"))
        return Road(ecs)

    def test_a_push_to_the_new_one_deploys_the_newest_revision(self, road: Road) -> None:
        result = road.push(pushed("v2", repository="new/app"))

        assert [(service["service"], service["outcome"]) for service in result["services"]] == [("api", "deployed")]
        assert road.image("prod", "api") == f"{NEW}:v2"
        assert road.image("prod", "api", "sidecar-1") == f"{SIDE}:s1"
        assert road.ecs.running("prod", "api")["cpu"] == "512"
        assert road.push(pushed("v2", repository="new/app"))["outcome"] == "unchanged"

    def test_one_to_the_old_one_does_not(self, road: Road) -> None:
        result = road.push(pushed("v2"))

        reasons = {service["service"]: service["reason_kind"] for service in result["services"]}
        assert reasons == {"api": "moved", "web": None}

    def test_both_in_one_batch(self, road: Road) -> None:
        assert road.deliver(pushed("v2"), pushed("v3", repository="new/app")) == []

        assert (road.image("prod", "api"), road.image("prod", "web")) == (f"{NEW}:v3", f"{OLD}:v2")

    def test_another_container_keeps_what_it_runs(self, road: Road) -> None:
        assert road.push(pushed("s2", repository="side"))["outcome"] == "deployed"
        assert road.image("prod", "api") == f"{NEW}:v1"

        road.push(pushed("v2", repository="new/app"))

        assert (road.image("prod", "api"), road.image("prod", "api", "sidecar-1")) == (f"{NEW}:v2", f"{SIDE}:s2")

    def test_where_what_runs_is_the_base_nothing_moves(self, ecs: StrictEcs, road: Road) -> None:
        road = Road(ecs, inputs={"base_revision": "running"})

        assert road.push(pushed("v2", repository="new/app"))["outcome"] == "skipped"
        assert ecs.writes == []

    def test_nobodys_pushes_ask_once_in_five_minutes(self, ecs: StrictEcs, road: Road) -> None:
        for _ in range(3):
            assert road.push(pushed("v2", repository="nobody"))["reason_kind"] == "not-running"
        # What each runs, once, and the newest of each family.
        assert ecs.count("DescribeTaskDefinition") == 2 + 2

        ecs.clock.sleep(301)
        road.push(pushed("v2", repository="nobody"))
        assert ecs.count("DescribeTaskDefinition") == 2 + 4

    def test_a_rule_that_does_not_let_it_in(self, ecs: StrictEcs, road: Road) -> None:
        road = Road(ecs, inputs={"rules": [{"repositories": ["app"]}]})

        assert road.push(pushed("v2", repository="new/app"))["reason_kind"] == "no-rule"

    def test_explain_says_the_same(self, road: Road) -> None:
        assert road.registry is not None
        road.registry.push("v2", "new/app")

        explained = road.request(explain={"repository": "new/app", "tag": "v2"})

        assert [(service["service"], service["outcome"]) for service in explained["services"]] == [("api", "deployed")]
