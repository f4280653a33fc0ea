"""An image by digest in Terraform's own task definition: its push changes nothing, and writes on nothing."""

import pytest

from tests.harness.road import APP, Registry, Road, definition, digest, pushed
from tests.harness.strict_ecs import StrictEcs


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    registry = Registry()
    for tag, day in (("v1", "20"), ("v2", "21")):
        registry.push(tag, time=f"2026-11-{day}T06:00:00Z")
    revision = ecs.register(definition("api", f"{APP}@{digest('v2')}"), {"team": "blue"})
    ecs.add_service("prod", "api", revision)
    return Road(ecs, inputs={"image_reference": "digest"}, registry=registry)


def test_the_event_of_that_very_image_changes_nothing(road: Road) -> None:
    for _ in range(2):
        result = road.push(pushed("v2", time="2026-11-21T06:00:00Z"))
        assert (result["outcome"], result["reason_kind"]) == ("unchanged", "same-image")

    assert road.ecs.writes == []
    assert road.ecs.tags("api:1") == {"team": "blue"}


def test_a_late_push_does_not_go_backwards(road: Road) -> None:
    road.push(pushed("v2", time="2026-11-21T06:00:00Z"))
    # Terraform drops the revision and registers it anew, as it does for a tag of ours.
    road.ecs.update_service("prod", "api", road.ecs.register(definition("api", f"{APP}@{digest('v2')}")))
    road.ecs.deregister(road.ecs.revisions("api")[0])

    assert road.push(pushed("v1", time="2026-11-20T06:00:00Z"))["outcome"] == "superseded"
    assert road.ecs.writes == []


def test_a_further_tag_of_it_changes_nothing_and_counts_for_the_order(road: Road) -> None:
    assert road.push(pushed("v3", digest("v2"), time="2026-11-22T06:00:00Z"))["outcome"] == "unchanged"
    assert road.push(pushed("v1", time="2026-11-20T06:00:00Z"))["outcome"] == "superseded"
    assert road.ecs.writes == []
    assert road.ecs.revisions("api") == ["arn:aws:ecs:eu-west-1:123456789012:task-definition/api:1"]
