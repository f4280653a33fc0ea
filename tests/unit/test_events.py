"""Recorded events go in; each ends as its row says. A push that is not whole holds nobody up."""

import copy
import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ecr_deploy.core.fields import InvalidEventError
from tests.harness.road import APP, Queues, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs

EVENTS = Path(__file__).parent.parent / "events"
OREGON, OHIO, VIRGINIA, IRELAND = (
    f"123456789012.dkr.ecr.{region}.amazonaws.com" for region in ("us-west-2", "us-east-2", "us-east-1", "eu-west-1")
)
GUIDES_DIGEST = "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd12345678"
RECORDED_DIGEST = "sha256:778645862e8bba7ad64eabc8f6b51158e47124c12864ed42d7baf744b6329542"
TRAILS_DIGEST = "sha256:98c8b060c21d9adbb6b8c41b916e95e6307102786973ab93a41e8b86d1fc6d3e"
ARTICLES_DIGEST = "sha256:eaa261b73dcc87f1a1880a6320a06867fcb6db77b4bb6139cf9b9059c9af95eb"


class Row(NamedTuple):
    """What a service runs before and after an event, and a part of the reason why it deploys nothing."""

    before: str
    after: str
    reason: str = ""


DEPLOYED = {
    "cloudtrail-2018": (f"{IRELAND}/busybox:v0", f"{IRELAND}/busybox:v1@{ARTICLES_DIGEST}"),
    "cloudtrail": (f"{OHIO}/testrepo:latest", f"{OHIO}/testrepo:latest@{TRAILS_DIGEST}"),
    "cloudtrail-index": (f"{OHIO}/testrepo:v1", f"{OHIO}/testrepo:v2@{TRAILS_DIGEST}"),
    "push": (f"{OREGON}/my-repository-name", f"{OREGON}/my-repository-name:latest@{GUIDES_DIGEST}"),
    "push-media-types": (f"{VIRGINIA}/team/sidecar_agent:v1", f"{VIRGINIA}/team/sidecar_agent:v2@{RECORDED_DIGEST}"),
    "push-index": (f"{VIRGINIA}/team/sidecar_agent:v1", f"{VIRGINIA}/team/sidecar_agent:v2@{RECORDED_DIGEST}"),
    "pull-through-cache": (f"{OREGON}/docker-hub/alpine:3.17", f"{OREGON}/docker-hub/alpine:3.17.2@{GUIDES_DIGEST}"),
    "replication": (f"{VIRGINIA}/docker-hub/alpine:3.17", f"{VIRGINIA}/docker-hub/alpine:3.17.2@{GUIDES_DIGEST}"),
}
# A service that is skipped runs the same image all along.
SKIPPED = {
    "cloudtrail-delete": (f"{OHIO}/testrepo:latest", "the API call BatchDeleteImage is no push"),
    "cloudtrail-failed": (f"{OHIO}/testrepo:v1", "the push failed: ImageTagAlreadyExistsException"),
    "cloudtrail-helm-chart": (f"{OHIO}/charts/web:latest", "application/vnd.cncf.helm.config.v1+json is no image"),
    "cloudtrail-sbom": (f"{OHIO}/testrepo:v1", "application/spdx+json is no image"),
    "cloudtrail-untagged": (f"{OHIO}/testrepo:latest", "an untagged push"),
    "cosign-signature": (f"{VIRGINIA}/team/sidecar_agent:v1", "a signature, attestation or SBOM is no image"),
    "delete": (f"{OREGON}/my-repository-name:latest", "the image action DELETE is no push"),
    "helm-chart": (f"{VIRGINIA}/charts/web:0.2.0", "application/vnd.cncf.helm.config.v1+json is no image"),
    "pull-through-cache-failed": (f"{OREGON}/docker-hub/alpine:3.17", "pulling it through the cache ended in FAILED"),
    "push-failed": (f"{OREGON}/my-repository-name:v1", "the push ended in FAILURE"),
    "push-untagged": (f"{VIRGINIA}/team/sidecar_agent:latest", "an untagged push"),
    "push-untagged-2019": (f"{OREGON}/my-repository-name:latest", "an untagged push"),
    "replication-failed": (f"{VIRGINIA}/my-app:latest", "the push ended in FAILED"),
    "restore": (f"{VIRGINIA}/my-repository-name:latest", "the image action UPDATE_STORAGE_CLASS is no push"),
    "scan": (f"{VIRGINIA}/my-repository-name:latest", "handled only when it comes through the queue"),
    "scan-enhanced": (f"{VIRGINIA}/my-repository-name:latest", "handled only when it comes through the queue"),
}


def recorded(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def test_every_recorded_event_has_a_row() -> None:
    assert {path.stem for path in EVENTS.glob("*.json")} == DEPLOYED.keys() | SKIPPED.keys()


@pytest.mark.parametrize(
    ("name", "row"),
    [
        *((name, Row(*images)) for name, images in DEPLOYED.items()),
        *((name, Row(image, image, reason)) for name, (image, reason) in SKIPPED.items()),
    ],
    ids=[*DEPLOYED, *SKIPPED],
)
def test_a_recorded_event(ecs: StrictEcs, caplog: pytest.LogCaptureFixture, name: str, row: Row) -> None:
    ecs.add_service("prod", "it", ecs.register(definition("it", row.before)))
    road = Road(ecs, inputs={"image_reference": "tag+digest"})

    with caplog.at_level(logging.INFO, "ecr_deploy"):
        result = road.push(recorded(name))

    assert road.image("prod", "it") == row.after
    assert result["outcome"] == ("skipped" if row.reason else "deployed")
    assert row.reason in (result["reason"] or "")
    assert len(ecs.writes) == (0 if row.reason else 2)
    [line] = caplog.records
    assert line.levelno == logging.INFO
    assert f": {result['outcome']}" in line.getMessage()
    assert row.reason in line.getMessage()


def test_the_native_and_the_trails_event_of_one_push_are_the_same_push(ecs: StrictEcs, road: Road) -> None:
    ecs.add_service("prod", "it", ecs.register(definition("it", f"{OHIO}/testrepo:v1")))
    trail = recorded("cloudtrail-index")
    native = pushed("v2", TRAILS_DIGEST, repository="testrepo", region="us-east-2", time="2019-04-15T16:45:01Z")

    outcomes = [road.push(event)["outcome"] for event in (trail, native, trail)]

    assert outcomes == ["deployed", "unchanged", "unchanged"]
    assert len(ecs.revisions("it")) == 2


GONE = object()
_PUSHED = "detail.responseElements.image"
# the recorded event, the field that is bad, what stands there
SPOILED: list[tuple[str, str, object]] = [
    ("push-media-types", "account", GONE),
    ("push-media-types", "account", "1234567890"),
    ("push-media-types", "account", 123456789012),
    ("push-media-types", "region", GONE),
    ("push-media-types", "region", "Ireland"),
    ("push-media-types", "time", GONE),
    ("push-media-types", "time", "yesterday"),
    ("push-media-types", "time", "2026-11-23T06:00:00"),
    ("push-media-types", "time", "0001-01-01T00:00:00+14:00"),
    ("push-media-types", "time", 1795413600),
    ("push-media-types", "detail.action-type", GONE),
    ("push-media-types", "detail.action-type", ["PUSH"]),
    ("push-media-types", "detail.result", GONE),
    ("push-media-types", "detail.result", True),
    ("push-media-types", "detail.repository-name", GONE),
    ("push-media-types", "detail.repository-name", ""),
    ("push-media-types", "detail.repository-name", "App"),
    ("push-media-types", "detail.repository-name", "app:v1"),
    ("push-media-types", "detail.repository-name", "../app"),
    ("push-media-types", "detail.repository-name", ["app"]),
    ("push-media-types", "detail.repository-name", "a" * 257),
    ("push-media-types", "detail.image-tag", "-v2"),
    ("push-media-types", "detail.image-tag", "v 2"),
    ("push-media-types", "detail.image-tag", "v2@sha256:1"),
    ("push-media-types", "detail.image-tag", 2),
    ("push-media-types", "detail.image-tag", "v" * 129),
    ("push-media-types", "detail.image-digest", GONE),
    ("push-media-types", "detail.image-digest", "7f5b2640"),
    ("push-media-types", "detail.image-digest", "sha256:abc"),
    ("push-media-types", "detail.image-digest", RECORDED_DIGEST.upper()),
    ("cloudtrail", "detail.eventName", GONE),
    ("cloudtrail", "detail.awsRegion", "nowhere"),
    ("cloudtrail", "detail.eventTime", "2019-04-15"),
    ("cloudtrail", f"{_PUSHED}.registryId", GONE),
    ("cloudtrail", f"{_PUSHED}.registryId", "1234"),
    ("cloudtrail", f"{_PUSHED}.repositoryName", GONE),
    ("cloudtrail", f"{_PUSHED}.repositoryName", "test repo"),
    ("cloudtrail", f"{_PUSHED}.imageId.imageTag", "latest!"),
    ("cloudtrail", f"{_PUSHED}.imageId.imageDigest", GONE),
    ("cloudtrail", f"{_PUSHED}.imageId.imageDigest", "md5:0"),
]
# the recorded event, the part that is bad, what stands there, and the field that is missed first
HOLLOW: list[tuple[str, str, object, str]] = [
    ("push", "detail", GONE, "detail.action-type"),
    ("push", "detail", None, "detail.action-type"),
    ("push", "detail", "PUSH", "detail.action-type"),
    ("cloudtrail", "detail.responseElements", None, f"{_PUSHED}.registryId"),
    ("cloudtrail", _PUSHED, [], f"{_PUSHED}.registryId"),
]
# the body of a message, and what is said of it
NO_EVENTS = [
    ("", 'is malformed: ""'),
    ("PUSH", 'is malformed: "PUSH"'),
    ("{", 'is malformed: "{"'),
    ("[]", "is malformed: []"),
    ("42", "is malformed: 42"),
    ("null", "is missing"),
    ("[" * 100_000, 'is malformed: "' + "[" * 299),
]


def spoiled(name: str, path: str, value: object) -> dict[str, Any]:
    """A recorded event with one field of it replaced or gone."""
    event = copy.deepcopy(recorded(name))
    *parents, last = path.split(".")
    place = event
    for parent in parents:
        place = place[parent]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return event


def problem(value: object) -> str:
    return "is missing" if value is GONE else f"is malformed: {json.dumps(value)}"


# the line in the log, and the body of the message
BAD = [
    *((f"{field} {problem(value)}", json.dumps(spoiled(name, field, value))) for name, field, value in SPOILED),
    *((f"{missed} is missing", json.dumps(spoiled(name, part, value))) for name, part, value, missed in HOLLOW),
    *((f"event {said}", body) for body, said in NO_EVENTS),
]


# Nine to a batch, so that there is room for the push behind them.
@pytest.mark.parametrize("bad", [BAD[start : start + 9] for start in range(0, len(BAD), 9)], ids=lambda bad: bad[0][0])
def test_a_push_that_is_not_whole_is_named_and_buried_and_holds_nobody_up(
    ecs: StrictEcs, aws_queues: Queues, caplog: pytest.LogCaptureFixture, bad: list[tuple[str, str]]
) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))

    assert Road(ecs, queues=aws_queues).deliver(*(body for _, body in bad), pushed("v2")) == []

    assert aws_queues.dead_letters() == [body for _, body in bad]
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == [line for line, _ in bad]
    assert ecs.running("prod", "api") == definition("api", f"{APP}:v2")


def test_a_bare_event_that_is_malformed_fails_the_invocation(ecs: StrictEcs, road: Road) -> None:
    with pytest.raises(InvalidEventError) as caught:
        road.push(spoiled("push", "detail.image-digest", "sha256:abc"))

    assert str(caught.value) == 'detail.image-digest is malformed: "sha256:abc"'
    assert (caught.value.field, caught.value.value) == ("detail.image-digest", "sha256:abc")
    assert ecs.calls == []


@pytest.mark.parametrize("manifest", [GONE, "{", "[]", 3, "[" * 100_000])
def test_a_manifest_that_does_not_tell_is_taken_for_an_image(ecs: StrictEcs, road: Road, manifest: object) -> None:
    ecs.add_service("prod", "it", ecs.register(definition("it", f"{OHIO}/testrepo:latest")))
    event = spoiled("cloudtrail", f"{_PUSHED}.imageManifest", manifest)
    del event["detail"]["requestParameters"]["imageManifest"]

    assert road.push(event)["outcome"] == "deployed"


def test_an_artefact_of_no_known_kind_is_no_image(road: Road) -> None:
    result = road.push(spoiled("push-media-types", "detail.artifact-media-type", ["chart"]))

    assert (result["outcome"], result["reason"]) == ("skipped", "an artefact of type ['chart'] is no image")


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_what_belongs_to_an_image_is_no_image(ecs: StrictEcs, road: Road, suffix: str) -> None:
    tag = RECORDED_DIGEST.replace(":", "-") + suffix

    assert road.push(pushed(tag, RECORDED_DIGEST))["reason"] == "a signature, attestation or SBOM is no image"
    assert ecs.calls == []
