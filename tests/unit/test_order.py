"""Pushes in any order, once or more, one by one or together: what runs at the end is the newest push."""

from typing import Any

import pytest

from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs

SIDE = APP._replace(name="side")


def at(second: int, tag: str, image: str | None = None, *, repository: str = "app") -> dict[str, Any]:
    """A push at a second of an hour, of an image that is told from others by its name."""
    return pushed(
        tag, digest(image or tag), repository=repository, time=f"2026-11-23T06:{second // 60:02}:{second % 60:02}Z"
    )


def trail(second: int, tag: str) -> dict[str, Any]:
    """The same push as an account with a trail is told of it."""
    native = at(second, tag)
    image = {"registryId": native["account"], "repositoryName": "app"}
    image_id = {"imageTag": tag, "imageDigest": digest(tag)}
    detail = {"eventName": "PutImage", "responseElements": {"image": {**image, "imageId": image_id}}}
    return {**native, "id": f"trail-{second}-{tag}", "detail-type": "AWS API Call via CloudTrail", "detail": detail}


@pytest.fixture
def api(ecs: StrictEcs) -> StrictEcs:
    """One service, whose image nobody recorded."""
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v0", f"{SIDE}:v0")))
    return ecs


def outcomes(road: Road, *events: dict[str, Any]) -> list[str]:
    return [str(road.push(event)["outcome"]) for event in events]


def test_a_push_that_comes_late_is_superseded(api: StrictEcs, road: Road) -> None:
    road.push(at(2, "v2"))

    late = road.push(at(1, "v1"))

    assert late["outcome"] == "superseded"
    assert late["reason"] == f"v2 ({digest('v2')[:19]}) is newer"
    assert road.image("prod", "api") == f"{APP}:v2"
    assert len(api.writes) == 2


def test_days_and_cold_starts_later_it_is_still_superseded(api: StrictEcs, road: Road) -> None:
    for hour in range(3):
        road.push(pushed("v1", digest(hour), time=f"2026-11-23T0{hour}:00:00Z"))
        road.push(pushed("v1", digest(hour), repository="side", time=f"2026-11-23T0{hour}:30:00Z"))
    writes = len(api.writes)
    road.cold_start()

    assert outcomes(
        road, pushed("v0", time="2026-11-22T23:00:00Z"), pushed("v1", digest(1), time="2026-11-23T01:00:00Z")
    ) == [
        "superseded",
        "superseded",
    ]
    assert len(api.writes) == writes


def test_the_same_tag_with_a_new_digest_deploys(api: StrictEcs, road: Road) -> None:
    assert outcomes(road, at(1, "main", "a"), at(2, "main", "b"), at(3, "main", "b")) == [
        "deployed",
        "deployed",
        "unchanged",
    ]

    assert road.image("prod", "api") == f"{APP}:main"
    # The text of the definition stays: the second is a deployment of the revision that runs.
    assert (api.count("RegisterTaskDefinition"), api.count("UpdateService")) == (1, 2)
    assert [call.request.get("forceNewDeployment") for call in api.calls if call.operation == "UpdateService"] == [
        None,
        True,
    ]
    assert road.recorded()["app"].digest == digest("b")


@pytest.mark.usefixtures("api")
def test_the_same_digest_under_another_tag_is_unchanged(road: Road) -> None:
    assert outcomes(road, at(1, "v1", "a"), at(2, "release", "a")) == ["deployed", "unchanged"]

    assert road.image("prod", "api") == f"{APP}:v1"


@pytest.mark.usefixtures("api")
def test_a_push_made_again_counts_from_then_on(road: Road) -> None:
    road.push(at(1, "v1"))
    road.push(at(5, "v1"))

    assert outcomes(road, at(3, "v0")) == ["superseded"]


def test_latest_is_for_those_who_run_latest(ecs: StrictEcs, road: Road) -> None:
    for name, image in (("versioned", f"{APP}:v1"), ("latest", f"{APP}:latest"), ("bare", str(APP))):
        ecs.add_service("prod", name, ecs.register(definition(name, image)))

    result = road.push(at(1, "latest"))

    found = {service["service"]: (service["outcome"], service["reason"]) for service in result["services"]}
    assert found == {
        "versioned": ("skipped", "latest goes only to containers that run latest"),
        "latest": ("deployed", None),
        "bare": ("deployed", None),
    }
    assert [road.image("prod", name) for name in ("versioned", "latest", "bare")] == [
        f"{APP}:v1",
        f"{APP}:latest",
        f"{APP}:latest",
    ]


def test_latest_is_known_though_only_a_digest_is_written(ecs: StrictEcs) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", str(APP))))
    road = Road(ecs, inputs={"image_reference": "digest"})

    assert outcomes(road, at(1, "latest", "a"), at(2, "latest", "b")) == ["deployed", "deployed"]

    assert road.image("prod", "api") == f"{APP}@{digest('b')}"


def test_a_digest_that_runs_already_is_recorded_without_a_revision(ecs: StrictEcs, road: Road) -> None:
    """Terraform deploys by digest, quicker than the event of the push arrives; an older push arrives later still."""
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}@{digest('v2')}")))

    assert outcomes(road, at(2, "v2"), at(1, "v1")) == ["unchanged", "superseded"]

    assert road.image("prod", "api") == f"{APP}@{digest('v2')}"
    assert ecs.writes == []


def test_two_images_of_one_definition_pushed_together_make_one_revision(api: StrictEcs, road: Road) -> None:
    assert road.deliver(at(1, "v1"), at(1, "v1", repository="side")) == []

    assert api.running("prod", "api") == definition("api", f"{APP}:v1", f"{SIDE}:v1")
    assert api.count("RegisterTaskDefinition") == api.count("UpdateService") == 1
    assert {name: push.tag for name, push in road.recorded().items()} == {"app": "v1", "side": "v1"}


def test_two_images_of_one_definition_pushed_one_after_the_other(api: StrictEcs, road: Road) -> None:
    road.push(at(1, "v1"))
    road.push(at(2, "v1", repository="side"))

    assert api.running("prod", "api") == definition("api", f"{APP}:v1", f"{SIDE}:v1")
    assert {name: push.tag for name, push in road.recorded().items()} == {"app": "v1", "side": "v1"}


def test_of_several_pushes_in_a_batch_the_newest_is_deployed(
    api: StrictEcs, road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ecr_deploy")

    road.deliver(at(1, "v1"), at(3, "v3"), at(2, "v2"), at(4, "again", "v3"))

    ended = {record.__dict__["image"].rpartition(":")[2]: record.__dict__["outcome"] for record in caplog.records}
    assert ended == {"v1": "superseded", "v2": "superseded", "v3": "unchanged", "again": "deployed"}
    assert api.count("RegisterTaskDefinition") == 1


def test_a_service_deployed_late_does_not_bring_an_older_image_to_its_family(ecs: StrictEcs, road: Road) -> None:
    """Two services of one family; one was not there when the newer push came."""
    revision = ecs.register(definition("api", f"{APP}:v0"))
    ecs.add_service("prod", "first", revision)
    road.push(at(2, "v2"))
    ecs.add_service("prod", "second", revision)

    # Nobody has deployed to it yet: what another service of its family runs is no rival.
    assert outcomes(road, at(1, "v1"), at(2, "v2")) == ["deployed", "deployed"]

    assert road.image("prod", "second") == road.image("prod", "first") == f"{APP}:v2"


def test_the_other_event_of_a_push_is_no_rival_of_it(ecs: StrictEcs, road: Road) -> None:
    revision = ecs.register(definition("api", f"{APP}:v0"))
    ecs.add_service("prod", "first", revision)
    road.push(at(2, "v2"))
    ecs.add_service("prod", "second", revision)

    assert outcomes(road, trail(1, "v2")) == ["deployed"]


def test_a_repository_of_another_name_is_no_rival(api: StrictEcs, road: Road) -> None:
    assert outcomes(road, at(9, "v9", repository="side"), at(1, "v1")) == ["deployed", "deployed"]
    assert api.running("prod", "api") == definition("api", f"{APP}:v1", f"{SIDE}:v9")


def test_the_clock_of_the_function_decides_nothing(api: StrictEcs) -> None:
    road = Road(api, clock=FakeClock(now=0.0))

    assert outcomes(road, at(2, "v2"), at(1, "v1")) == ["deployed", "superseded"]
