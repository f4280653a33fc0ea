"""From a push in ECR to updated services: real Terraform, the function from the zip, and AWS played by moto."""

import json
import time
from typing import Any

import pytest

from tests.e2e.fixtures import Road
from tests.harness.fleet import Running, Service, running_services
from tests.harness.registry import announce, push, upload
from tests.harness.terraform import unexpected_changes_of


def _with_tag(fleet: dict[Service, Running], repository: str, tag: str) -> dict[Service, Running]:
    """Return the fleet after one deployment of a repository's tag."""
    return {service: _after(running, repository, tag) for service, running in fleet.items()}


def _after(running: Running, repository: str, tag: str) -> Running:
    images = {
        container: f"{image.rpartition(':')[0]}:{tag}" if image.partition("/")[2].split(":")[0] == repository else image
        for container, image in running.images.items()
    }
    family, _, revision = running.revision.rpartition(":")
    return running if images == running.images else Running(f"{family}:{int(revision) + 1}", images)


def test_push_updates_the_services_that_run_its_image_and_no_other(road: Road) -> None:
    before = running_services()
    push(road.repository, "v2")
    road.mapping.drain()
    after = running_services()
    assert after == _with_tag(before, road.repository, "v2")
    assert after != before
    assert any(before[service] == after[service] for service in before)


def test_both_events_of_one_push_make_one_deployment(road: Road) -> None:
    before = running_services()
    push(road.repository, "v3", trail=True)
    [batch] = road.mapping.drain()
    assert len(batch.records) == 2
    assert running_services() == _with_tag(before, road.repository, "v3")


@pytest.mark.parametrize(
    ("tag", "broken"),
    [("v4", {"image-digest": "sha256:nonsense"}), ("v5", {"repository-name": None}), ("v6", {"image-tag": "-"})],
)
def test_poison_is_buried_and_the_push_behind_it_deploys_at_once(
    road: Road, tag: str, broken: dict[str, str | None]
) -> None:
    before = running_services()
    detail = {
        "action-type": "PUSH",
        "result": "SUCCESS",
        "repository-name": road.repository,
        "image-tag": tag,
        **broken,
    }
    detail = {name: value for name, value in detail.items() if value is not None}
    announce(detail)
    push(road.repository, tag)
    started = time.monotonic()
    [batch] = road.mapping.drain()
    assert time.monotonic() - started < 10
    assert not batch.failures
    assert running_services() == _with_tag(before, road.repository, tag)
    assert [json.loads(letter)["detail"] for letter in road.dead_letters()] == [detail]


def test_dry_run_tells_what_it_would_do_and_does_nothing(road: Road) -> None:
    before = running_services()
    image = upload(road.repository, "v7")
    answer = road.function.invoke({"repository": road.repository, "tag": "v7", "dry_run": True})
    assert running_services() == before
    [pushed] = answer["pushes"]
    assert answer["dry_run"] is True
    assert (pushed["outcome"], pushed["digest"]) == ("deployed", image["imageId"]["imageDigest"])
    expected = _with_tag(before, road.repository, "v7")
    assert {
        Service(told["cluster"], told["service"]): {change["container"]: change["to"] for change in told["images"]}
        for told in pushed["services"]
    } == {
        service: dict(expected[service].images.items() - running.images.items())
        for service, running in before.items()
        if expected[service] != running
    }


def test_every_push_is_told_in_one_line_of_the_log(road: Road) -> None:
    logged = len(road.function.logs)
    digest = push(road.repository, "v8")
    road.mapping.drain()
    [line] = road.function.logs[logged:]
    assert (line["outcome"], line["digest"], line["level"]) == ("deployed", digest, "INFO")
    assert line["_aws"]["CloudWatchMetrics"]


def test_second_plan_is_empty(simple: Any) -> None:
    assert unexpected_changes_of(simple.terraform) == []
