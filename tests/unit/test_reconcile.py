"""The schedule's turn: what the registry holds and services should run, but don't, is deployed; the rest is left."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness.road import APP, Registry, Road, definition, digest, pushed
from tests.harness.strict_ecs import Fault, StrictEcs

TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
OLD, NOW, LATER = "2026-11-22T06:00:00Z", "2026-11-25T06:00:00Z", "2026-11-25T07:00:00Z"

BEGIN = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.push("v1", time=OLD)
    return registry


@pytest.fixture
def road(ecs: StrictEcs, registry: Registry, caplog: pytest.LogCaptureFixture) -> Road:
    caplog.set_level(logging.INFO, "ecr_deploy")
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    road = road_of(ecs, registry)
    # The first scheduled run adopts what runs.
    assert road.deliver(TICK) == []
    caplog.clear()
    return road


def road_of(ecs: StrictEcs, registry: Any, **inputs: Any) -> Road:
    return Road(ecs, inputs={"reconcile": True, **inputs}, clients={"ecr": registry})


def adopt(road: Road) -> None:
    """Let the function see what runs before anything is pushed."""
    held = dict(road.clients["ecr"].pushed)
    road.clients["ecr"].pushed = {
        name: {tag: at for tag, at in tags.items() if at < BEGIN} for name, tags in held.items()
    }
    road.request(adopt={})
    road.clients["ecr"].pushed = held


def test_a_lost_push_is_deployed(road: Road, registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    registry.push("v2", time=NOW)

    assert road.deliver(TICK) == []

    assert road.image("prod", "api") == f"{APP}:v2"
    assert "reconciled 1 repositories: 1 pushes were missing" in caplog.text
    [line] = [record.__dict__ for record in caplog.records if "app:v2" in record.getMessage()]
    assert (line["outcome"], line["event_id"], line["digest"]) == ("deployed", "tick", digest("v2"))


def test_a_fleet_that_is_right_costs_no_write(ecs: StrictEcs, road: Road, registry: Registry) -> None:
    registry.push("v2", time=NOW)
    road.deliver(pushed("v2", time=NOW))
    ecs.end_deployments()
    writes = len(ecs.writes)
    for _ in range(3):
        assert road.deliver(TICK) == []

    assert len(ecs.writes) == writes
    assert road.memory("prod", "api").rollouts[0].state == "live"


def test_a_service_that_nobody_deployed_yet_is_left_where_nothing_tells_what_it_runs(
    ecs: StrictEcs, registry: Registry
) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:gone")))
    registry.push("v2", time=OLD)

    assert road_of(ecs, registry).deliver(TICK) == []

    assert ecs.writes == []


def test_only_the_newest_that_the_rules_let_go(ecs: StrictEcs, road: Road, registry: Registry) -> None:
    registry.push("v2", time=NOW)
    registry.push("v3", time=LATER)
    registry.push("v4-rc", time="2026-11-25T08:00:00Z")

    assert road_of(ecs, registry, rules=[{"exclude_tags": ["*-rc"]}]).deliver(TICK) == []

    assert road.image("prod", "api") == f"{APP}:v3"
    assert ecs.count("RegisterTaskDefinition") == 1


def test_the_highest_version_not_the_newest(ecs: StrictEcs, registry: Registry) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1.0.0")))
    registry.push("v1.0.0", time=OLD)
    registry.push("v1.4.0", time=NOW)
    registry.push("v1.3.9", time=LATER)
    road = road_of(ecs, registry, rules=[{"semver": "*"}])
    adopt(road)

    assert road.deliver(TICK) == []

    assert road.image("prod", "api") == f"{APP}:v1.4.0"


def test_a_tag_that_was_moved_back_to_an_older_image(ecs: StrictEcs, road: Road, registry: Registry) -> None:
    """Such a push leaves the time of the image as it was, so that only the digest tells."""
    registry.push("v2", time=OLD)
    road.deliver(pushed("v2"))
    ecs.end_deployments()
    registry.digests["v2"] = digest("v1")

    assert road.deliver(TICK) == []

    assert ecs.count("UpdateService") == 2
    assert road.deliver(TICK) == []
    assert ecs.count("UpdateService") == 2
    assert road.recorded()["app"].digest == digest("v1")


def test_latest_follows_only_latest(ecs: StrictEcs, road: Road, registry: Registry) -> None:
    ecs.add_service("prod", "web", ecs.register(definition("web", f"{APP}:latest")))
    registry.push("latest", time=LATER)

    assert road.deliver(TICK) == []

    assert road.image("prod", "api") == f"{APP}:v1"
    assert road.image("prod", "web") == f"{APP}:latest"


def test_what_has_to_wait_is_deployed_when_its_time_has_come(ecs: StrictEcs, road: Road, registry: Registry) -> None:
    waiting = road_of(ecs, registry, rules=[{"minimum_image_age": 60}])
    moment = ecs.clock.time()
    pushed_at = "2026-11-23T23:50:00Z"
    registry.push("v2", time=pushed_at)

    assert waiting.push(pushed("v2", time=pushed_at))["outcome"] == "waiting"
    assert waiting.deliver(TICK) == []
    assert road.image("prod", "api") == f"{APP}:v1"

    ecs.clock.sleep(3600)
    assert ecs.clock.time() == moment + 3600
    assert waiting.deliver(TICK) == []
    assert road.image("prod", "api") == f"{APP}:v2"


@pytest.mark.parametrize("tags", [{"ecr-deploy:enabled": "false"}, {"ecr-deploy:pinned": "true"}])
def test_who_must_stay_as_it_is_stays(ecs: StrictEcs, registry: Registry, tags: dict[str, str]) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")), tags=tags)
    registry.push("v2", time=NOW)

    assert road_of(ecs, registry).deliver(TICK) == []

    assert ecs.writes == []


class ClosedRegistry(Registry):
    """A registry of which one repository is not ours to read, or that does not answer at all."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code

    def describe_images(self, *, repositoryName: str, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        if repositoryName == "theirs":
            response: Any = {"Error": {"Code": self.code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError(response, "DescribeImages")
        return super().describe_images(repositoryName=repositoryName, **arguments)


def test_a_repository_that_is_closed_to_us_keeps_no_other_from_being_looked_at(
    ecs: StrictEcs, caplog: pytest.LogCaptureFixture
) -> None:
    registry = ClosedRegistry("AccessDeniedException")
    for name, repository in (("api", "app"), ("web", "theirs")):
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP._replace(name=repository)}:v1")))
    registry.push("v1", time=OLD)
    registry.push("v2", time=NOW)
    road = road_of(ecs, registry)
    adopt(road)

    assert road.deliver(TICK) == []

    assert road.image("prod", "api") == f"{APP}:v2"
    assert f"DescribeImages of {APP._replace(name='theirs')} is not allowed" in caplog.text


def test_a_registry_that_does_not_answer_is_asked_again(ecs: StrictEcs) -> None:
    registry = ClosedRegistry("ServerException")
    ecs.add_service("prod", "web", ecs.register(definition("web", f"{APP._replace(name='theirs')}:v1")))

    assert road_of(ecs, registry).deliver(TICK) == ["message-0"]


def test_a_fleet_that_ecs_does_not_tell_is_asked_for_again(ecs: StrictEcs, road: Road, registry: Registry) -> None:
    registry.push("v2", time=NOW)
    ecs.inject("ListClusters", Fault.INTERNAL, times=6)

    assert road.deliver(TICK) == ["message-0"]
    assert road.deliver(TICK) == []

    assert road.image("prod", "api") == f"{APP}:v2"


def test_without_the_schedule_nothing_is_reconciled(ecs: StrictEcs, registry: Registry) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    registry.push("v2", time=NOW)

    assert road_of(ecs, registry, reconcile=False).deliver(TICK) == []

    assert ecs.writes == []


def test_a_bare_turn_does_nothing(ecs: StrictEcs, road: Road) -> None:
    calls = len(ecs.calls)

    result = road.push(TICK)

    assert result["outcome"] == "skipped"
    assert len(ecs.calls) == calls
