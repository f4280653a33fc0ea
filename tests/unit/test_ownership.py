"""Terraform owns the settings, ecr-deploy owns the images: each keeps what is its own."""

from typing import Any

import pytest

from ecr_deploy.core import records
from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import StrictEcs

SIDE = APP._replace(name="side")
NEW_SETTINGS = {"cpu": "512", "networkMode": "awsvpc", "inventedLater": {"a": [1]}}
LATER = "2026-11-23T07:00:00Z"
LATER_STILL = "2026-11-23T08:00:00Z"


@pytest.fixture
def api(ecs: StrictEcs, road: Road) -> StrictEcs:
    """A service that was deployed to by pushes of both its images."""
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v0", f"{SIDE}:v0", cpu="256")))
    road.deliver(pushed("v1"), pushed("v1", repository="side"))
    assert ecs.running("prod", "api") == definition("api", f"{APP}:v1", f"{SIDE}:v1", cpu="256")
    return ecs


def terraform(ecs: StrictEcs, *, moves: bool, image: str = "v0", **members: Any) -> str:
    """Apply: a revision with the images that Terraform knows, and no tags of ours."""
    arn = ecs.register(
        definition("api", f"{APP}:{image}", f"{SIDE}:{image}", **(members or NEW_SETTINGS)), {"by": "terraform"}
    )
    if moves:
        ecs.update_service("prod", "api", arn)
    return arn


def test_settings_come_with_the_next_push_and_stale_images_do_not(api: StrictEcs, road: Road) -> None:
    terraform(api, moves=False)

    result = road.push(pushed("v2", time=LATER))

    assert api.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v1", **NEW_SETTINGS)
    assert api.tags(api.revisions("api")[-1])["by"] == "terraform"
    [service] = result["services"]
    assert (service["from"], service["to"]) == ("api:2", "api:4")
    assert service["images"] == [{"container": "main", "from": f"{APP}:v1", "to": f"{APP}:v2"}]


def test_the_push_of_a_sidecar_keeps_the_main_image_that_runs(api: StrictEcs, road: Road) -> None:
    terraform(api, moves=False)

    road.push(pushed("v2", repository="side", time=LATER))

    assert api.running("prod", "api") == definition("api", f"{APP}:v1", f"{SIDE}:v2", **NEW_SETTINGS)


def test_what_is_kept_keeps_its_record(api: StrictEcs, road: Road) -> None:
    terraform(api, moves=False)
    road.push(pushed("v2", time=LATER))

    assert road.push(pushed("v0", repository="side", time="2026-11-23T05:00:00Z"))["outcome"] == "superseded"
    assert road.push(pushed("v1", repository="side"))["outcome"] == "unchanged"


def test_a_push_of_what_runs_brings_no_settings(api: StrictEcs, road: Road) -> None:
    terraform(api, moves=False)
    writes = len(api.writes)

    assert road.push(pushed("v1"))["outcome"] == "unchanged"

    assert len(api.writes) == writes


def test_base_revision_running_leaves_terraforms_revision_alone(api: StrictEcs) -> None:
    terraform(api, moves=False)

    Road(api, inputs={"base_revision": "running"}).push(pushed("v2", time=LATER))

    assert api.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v1", cpu="256")


def test_base_revision_running_follows_each_service(ecs: StrictEcs) -> None:
    """Two services of one family stand on different revisions, and stay different."""
    for cpu in ("256", "512"):
        ecs.add_service("prod", f"cpu-{cpu}", ecs.register(definition("api", f"{APP}:v1", cpu=cpu)))

    Road(ecs, inputs={"base_revision": "running"}).push(pushed("v2"))

    assert ecs.running("prod", "cpu-256") == definition("api", f"{APP}:v2", cpu="256")
    assert ecs.running("prod", "cpu-512") == definition("api", f"{APP}:v2", cpu="512")


def test_a_container_that_terraform_adds_comes_with_terraforms_image(api: StrictEcs, road: Road) -> None:
    added = APP._replace(name="added")
    api.register(definition("api", f"{APP}:v0", f"{SIDE}:v0", f"{added}:v7", "nginx"))

    road.push(pushed("v2", time=LATER))

    assert api.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v1", f"{added}:v7", "nginx")


def test_a_container_that_terraform_removes_stays_removed(api: StrictEcs, road: Road) -> None:
    api.register(definition("api", f"{APP}:v0"))

    road.push(pushed("v2", time=LATER))

    assert api.running("prod", "api") == definition("api", f"{APP}:v2")
    assert [key for key in api.tags(api.revisions("api")[-1]) if records.is_ours(key)] == [
        records.key(APP),
        records.BASE,
        "ecr-deploy:rollout/prod/api",
    ]


def test_a_repository_that_terraform_exchanges_stays_exchanged(api: StrictEcs, road: Road) -> None:
    other = APP._replace(name="other")
    api.register(definition("api", f"{APP}:v0", f"{other}:v3"))

    result = road.deliver(pushed("v2", time=LATER), pushed("v2", repository="side", time=LATER))

    assert result == []
    assert api.running("prod", "api") == definition("api", f"{APP}:v2", f"{other}:v3")


def test_a_newest_revision_without_the_image_tells_so(api: StrictEcs, road: Road) -> None:
    api.register(definition("api", "nginx"))

    result = road.push(pushed("v2", time=LATER))

    assert result["outcome"] == "skipped"
    assert result["reason"] == "api:3, the newest revision of its family, runs the repository no longer"
    assert road.image("prod", "api") == f"{APP}:v1"


def test_all_revisions_inactive_start_from_what_runs(api: StrictEcs, road: Road) -> None:
    """A run of Terraform that destroys deregisters what services still run."""
    for arn in api.revisions("api"):
        api.deregister(arn)

    assert road.push(pushed("v2", time=LATER))["outcome"] == "deployed"

    assert api.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v1", cpu="256")


def test_an_inactive_newest_revision_counts_for_nothing(api: StrictEcs, road: Road) -> None:
    api.deregister(terraform(api, moves=False))

    road.push(pushed("v2", time=LATER))

    assert api.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v1", cpu="256")


def test_an_old_push_after_terraform_deployed_is_superseded_by_an_older_revisions_record(
    api: StrictEcs, road: Road
) -> None:
    """What runs and what is newest are Terraform's and hold no record; the revision before them does."""
    terraform(api, moves=True, image="v1")
    terraform(api, moves=True, image="v1")
    road.cold_start()
    writes = len(api.writes)

    assert road.push(pushed("v0", time="2026-11-23T05:00:00Z"))["outcome"] == "superseded"

    assert len(api.writes) == writes
    assert api.count("ListTaskDefinitions") > 0


@pytest.mark.parametrize(("applies", "outcome"), [(10, "superseded"), (11, "deployed")])
def test_records_are_looked_for_in_the_ten_revisions_before_the_newest(
    api: StrictEcs, road: Road, applies: int, outcome: str
) -> None:
    for _ in range(applies):
        terraform(api, moves=True)

    assert road.push(pushed("v0", time="2026-11-23T05:00:00Z"))["outcome"] == outcome


def test_a_deployment_of_terraforms_own_image_is_taken_from_there(api: StrictEcs, road: Road) -> None:
    """Terraform moved the service to an image that it names: that is what the service runs, and what is kept."""
    terraform(api, moves=True, image="v5")

    road.push(pushed("v6", time=LATER))

    assert api.running("prod", "api") == definition("api", f"{APP}:v6", f"{SIDE}:v5", **NEW_SETTINGS)


def test_services_of_one_family_come_together_on_the_newest_revision(api: StrictEcs, road: Road) -> None:
    api.add_service("prod", "second", api.revisions("api")[0])

    road.push(pushed("v2", time=LATER))

    assert api.task_definition("prod", "second") == api.task_definition("prod", "api")
    assert api.running("prod", "second") == definition("api", f"{APP}:v2", f"{SIDE}:v1", cpu="256")


def test_an_image_that_ecs_rolled_back_is_kept_as_it_runs(api: StrictEcs, road: Road) -> None:
    """The circuit breaker took the service back; a push of the sidecar is no second try of the broken main image."""
    api.move_deployment("prod", "api", "SUCCESSFUL")
    road.push(pushed("broken", time=LATER))
    api.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")
    assert road.image("prod", "api") == f"{APP}:v1"

    road.push(pushed("v2", repository="side", time=LATER_STILL))

    assert api.running("prod", "api") == definition("api", f"{APP}:v1", f"{SIDE}:v2", cpu="256")
    assert digest("v1") in api.tags(api.task_definition("prod", "api") or "")[records.key(APP)]
