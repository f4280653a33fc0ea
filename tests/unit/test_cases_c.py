"""One total order for each container: the end is its greatest push, and a turn of the schedule changes nothing."""

import itertools
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ecr_deploy import reconcile
from ecr_deploy.core import revisions
from ecr_deploy.core.fleet import Member, Service
from ecr_deploy.core.gates import Facts
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.records import Record
from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import StrictEcs
from tests.unit.test_order import at, outcomes
from tests.unit.test_reconcile import TICK

IDENTITY = {"taskDefinitionArn": "arn", "revision": 1}


def service(ecs: StrictEcs, image: str, **inputs: Any) -> Road:
    ecs.add_service("prod", "api", ecs.register(definition("api", image)))
    return Road(ecs, inputs={"reconcile": True, **inputs})


def turn(road: Road) -> None:
    assert road.deliver(TICK) == []


def image(road: Road) -> str:
    return road.image("prod", "api").removeprefix(f"{APP}:")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_rules_of_two_kinds_have_one_end(ecs: StrictEcs, order: Sequence[int]) -> None:
    """Kinds mixed count by time."""
    road = service(ecs, f"{APP}:v1.0.0", rules=[{"tags": ["main-*"]}, {"semver": "^1"}])
    pushes = [at(1, "v1.2.0"), at(2, "main-1"), at(3, "v1.1.1")]
    assert road.registry
    for second, tag in enumerate(("v1.2.0", "main-1", "v1.1.1"), 1):
        road.registry.push(tag, time=f"2026-11-23T06:00:0{second}Z")

    for index in order:
        road.push(pushes[index])
    assert image(road) == "v1.1.1"
    writes = len(ecs.writes)

    for _ in range(3):
        turn(road)
    assert image(road) == "v1.1.1"
    assert len(ecs.writes) == writes


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("text", [f"{APP}:v1.4.0", f"{APP}:v1.4.0@{digest('v1.4.0')}", f"{APP}@{digest('v1.4.0')}"])
def test_a_version_that_runs_is_a_rival(ecs: StrictEcs, text: str, recorded: bool) -> None:  # noqa: FBT001 - a column of the table
    road = service(ecs, text, rules=[{"semver": "^1"}])
    assert road.registry
    road.registry.push("v1.4.0", time="2026-11-20T06:00:00Z")
    if recorded:
        road.request(adopt={})

    assert outcomes(road, at(1, "v1.3.9")) == ["superseded"]

    assert ecs.writes == []
    assert outcomes(road, at(2, "v1.4.1")) == ["deployed"]


def test_a_version_that_runs_is_a_rival_though_ecr_knows_it_no_more(ecs: StrictEcs) -> None:
    road = service(ecs, f"{APP}:v1.4.0", rules=[{"semver": "^1"}])

    assert outcomes(road, at(1, "v1.3.9")) == ["superseded"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_image_has_the_place_of_its_greatest_version(ecs: StrictEcs, order: Sequence[int]) -> None:
    road = service(ecs, f"{APP}:v1.0.0", rules=[{"semver": "^1"}])
    pushes = [at(1, "v1.2.5", "one"), at(2, "v1.3.0", "one"), at(3, "v1.2.9")]

    for index in order:
        road.push(pushes[index])

    assert image(road) in {"v1.2.5", "v1.3.0"}
    assert outcomes(road, at(4, "v1.2.99"), at(3, "v1.2.9")) == ["superseded", "superseded"]


def test_rules_of_one_kind_count_together(ecs: StrictEcs) -> None:
    road = service(ecs, f"{APP}:v0", rules=[{"tags": ["main-*"]}, {"tags": ["v*"]}])

    assert outcomes(road, at(2, "main-2"), at(1, "v1")) == ["deployed", "superseded"]

    assert image(road) == "main-2"


TAGS = ["v1.2.3", "v1.2", "v1", "latest", "sha-abc"]


@pytest.mark.parametrize("first", TAGS)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_five_tags_of_one_image_are_one_rollout(ecs: StrictEcs, first: str, size: int) -> None:
    """Whichever comes first, and however they are batched; a lower version later is superseded."""
    road = service(ecs, f"{APP}:v1.0.0", rules=[{"semver": "*"}, {"semver": ">=0.0.0"}])
    others = [tag for tag in TAGS if tag != first]
    for order in [[first, *others], [first, *reversed(others)]]:
        events = [at(1, tag, "one") for tag in order]
        for index in range(0, 5, size):
            assert road.deliver(*events[index : index + size]) == []

    assert ecs.count("UpdateService") == 1
    assert road.recorded()["app"].digest == digest("one")
    assert outcomes(road, at(9, "v1.2.2")) == ["superseded"]


def test_within_a_batch_the_greatest_tag_is_written(ecs: StrictEcs) -> None:
    road = service(ecs, f"{APP}:v1.0.0", rules=[{"semver": "*"}])

    for_all = [at(1, tag, "one") for tag in ("v1.2.3", "v1.2.4", "v1.2.3-rc.1")]
    assert road.deliver(*for_all) == []

    assert image(road) == "v1.2.4"
    assert ecs.count("UpdateService") == 1


def test_what_was_forced_stays_until_the_next_push(ecs: StrictEcs) -> None:
    road = service(ecs, f"{APP}:v0.9.0", rules=[{"semver": "*"}])
    assert road.registry
    for tag, time_pushed in (("v1.0.0", "2026-11-23T06:00:01Z"), ("v2.0.0", "2026-11-23T06:00:02Z")):
        road.registry.push(tag, time=time_pushed)
    assert outcomes(road, at(1, "v1.0.0"), at(2, "v2.0.0")) == ["deployed", "deployed"]

    road.request(repository="app", tag="v1.0.0", digest=digest("v1.0.0"), force=True)
    assert image(road) == "v1.0.0"

    assert outcomes(road, at(2, "v2.0.0")) == ["superseded"]
    turn(road)
    assert image(road) == "v1.0.0"
    later = pushed("v1.1.0", time="2026-11-25T06:00:00Z")
    assert outcomes(road, later) == ["deployed"]
    assert image(road) == "v1.1.0"


def test_a_scheduled_run_is_linear_in_the_number_of_versions(ecs: StrictEcs) -> None:
    """The highest was pushed first, so that none of those after it is the end."""
    road = service(ecs, f"{APP}:v0.0.1", rules=[{"semver": "*"}])
    running = revisions.read({"taskDefinition": ecs.running("prod", "api") | IDENTITY})
    member = Member(Service("prod", "api", "arn", "arn"), running)
    start = datetime(2026, 11, 26, tzinfo=UTC)
    rules = road.handler.environment.settings.rules.given(Facts(start))

    def steps(versions: int) -> int:
        held = [
            Record(APP, f"v1.0.{number}", digest(number), start - timedelta(minutes=number))
            for number in range(versions)
        ]
        calls = 0

        def count(*_: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        try:
            [found] = reconcile.missing([member], {member.target: Memory()}, {APP: held}, rules, "turn")
        finally:
            sys.setprofile(None)
        assert found.record.tag == f"v1.0.{versions - 1}"
        return calls

    assert steps(1000) < 5 * steps(250)
