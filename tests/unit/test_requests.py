"""An operator's request by direct invocation."""

import json
from typing import Any

import pytest

from ecr_deploy.core.errors import CallError, InvalidRequestError
from tests.harness.road import APP, Context, Registry, Road, client, definition, digest, pushed
from tests.harness.strict_ecs import StrictEcs

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def _ecr(moto: None) -> None:
    """An ECR with an empty repository."""
    del moto
    client("ecr").create_repository(repositoryName="app")


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    """The product with moto's ECR."""
    return Road(ecs, registry=None)


@pytest.fixture(autouse=True)
def _fleet(ecs: StrictEcs) -> None:
    revision = ecs.register(definition("api", f"{APP}:v1"))
    ecs.add_service("prod", "api", revision)
    ecs.add_service("prod", "web", revision)
    ecs.add_service("staging", "api", revision)


def upload(tag: str) -> str:
    """Put an image into ECR, and give its digest."""
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": {"digest": digest(tag)}, "layers": []}
    )
    answer = client("ecr").put_image(repositoryName="app", imageTag=tag, imageManifest=manifest)
    return str(answer["image"]["imageId"]["imageDigest"])


def images(road: Road) -> list[str]:
    services = [("prod", "api"), ("prod", "web"), ("staging", "api")]
    return [road.image(cluster, service).rpartition(":")[2] for cluster, service in services]


@pytest.mark.usefixtures("_ecr")
def test_a_request_deploys(road: Road) -> None:
    pushed_digest = upload("v2")

    answer = road.request(repository="app", tag="v2")

    assert answer["dry_run"] is False
    [push] = answer["pushes"]
    assert (push["image"], push["digest"], push["outcome"]) == (f"{APP}:v2", pushed_digest, "deployed")
    assert images(road) == ["v2", "v2", "v2"]
    assert road.recorded()["app"].digest == pushed_digest


@pytest.mark.usefixtures("_ecr")
def test_dry_run_tells_and_does_nothing(ecs: StrictEcs, road: Road) -> None:
    pushed_digest = upload("v2")

    answer = road.request(repository="app", tag="v2", clusters=["prod"], services=["a*"], dry_run=True)

    assert answer == {
        "dry_run": True,
        "pushes": [
            {
                "image": f"{APP}:v2",
                "digest": pushed_digest,
                "outcome": "deployed",
                "reason": None,
                "reason_kind": None,
                "services": [
                    {
                        "cluster": "prod",
                        "service": "api",
                        "outcome": "deployed",
                        "reason": None,
                        "reason_kind": None,
                        "from": "api:1",
                        "to": None,
                        "base": "api:1",
                        "images": [{"container": "main", "from": f"{APP}:v1", "to": f"{APP}:v2"}],
                    }
                ],
                "families": [],
            }
        ],
    }
    assert ecs.writes == []


@pytest.mark.usefixtures("_ecr")
def test_a_request_cannot_lift_the_dry_run_of_the_module(ecs: StrictEcs) -> None:
    upload("v2")

    answer = Road(ecs, registry=None, inputs={"dry_run": True}).request(repository="app", tag="v2", dry_run=False)

    assert answer["dry_run"] is True
    assert ecs.writes == []


@pytest.mark.usefixtures("_ecr")
@pytest.mark.parametrize(
    ("narrowed", "deployed"),
    [
        ({"clusters": ["prod"]}, ["v2", "v2", "v1"]),
        ({"services": ["web"]}, ["v1", "v2", "v1"]),
        ({"clusters": ["st*"], "services": ["web"]}, ["v1", "v1", "v1"]),
    ],
)
def test_a_request_narrows(road: Road, narrowed: dict[str, Any], deployed: list[str]) -> None:
    upload("v2")

    road.request(repository="app", tag="v2", **narrowed)

    assert images(road) == deployed


@pytest.mark.usefixtures("_ecr")
def test_a_request_does_not_widen_what_the_rules_let(ecs: StrictEcs) -> None:
    upload("v2")
    road = Road(ecs, registry=None, inputs={"rules": [{"clusters": ["prod"]}]})

    road.request(repository="app", tag="v2", clusters=["*"])

    assert images(road) == ["v2", "v2", "v1"]


def test_going_back_needs_force(ecs: StrictEcs) -> None:
    registry = Registry()
    registry.push("v2", time="2026-11-22T06:00:00Z")
    road = Road(ecs, registry=registry)
    road.push(pushed("v3"))

    [refused] = road.request(repository="app", tag="v2")["pushes"]
    assert refused["outcome"] == "superseded"
    assert "v3" in refused["reason"]
    assert images(road) == ["v3", "v3", "v3"]

    [forced] = road.request(repository="app", tag="v2", force=True)["pushes"]
    assert forced["outcome"] == "deployed"
    assert images(road) == ["v2", "v2", "v2"]


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"tag": "v2"}, "repository", "but it is missing"),
        ({"repository": "app"}, "tag", ""),
        ({"repository": "App", "tag": "v2"}, "repository", '"App"'),
        ({"repository": ["app"], "tag": "v2"}, "repository", '["app"]'),
        ({"repository": "app", "tag": "-v2"}, "tag", '"-v2"'),
        ({"repository": "app", "tag": "v2", "registry": "1234"}, "registry", '"1234"'),
        ({"repository": "app", "tag": "v2", "region": "Ireland"}, "region", '"Ireland"'),
        ({"repository": "app", "tag": "v2", "digest": "sha256:1"}, "digest", '"sha256:1"'),
        ({"repository": "app", "tag": "v2", "clusters": []}, "clusters", "[]"),
        ({"repository": "app", "tag": "v2", "services": "api"}, "services", '"api"'),
        ({"repository": "app", "tag": "v2", "dry_run": "yes"}, "dry_run", '"yes"'),
        ({"repository": "app", "tag": "v2", "force": 1}, "force", "1"),
        ({"repository": "app", "tag": "v2", "dryrun": True}, "dryrun", ""),
        ({"repository": "app", "b": 1, "a": 2}, "a;", ""),
        ({}, "repository", "missing"),
    ],
)
def test_a_malformed_request(ecs: StrictEcs, road: Road, fields: dict[str, Any], name: str, value: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        road.request(**fields)

    sentence = str(caught.value)
    assert f" field {name}" in sentence
    assert value in sentence
    assert sentence.endswith(".")
    assert ecs.calls == []


@pytest.mark.parametrize(("event", "spelled"), [([], "[]"), ("app:v2", '"app:v2"'), (None, "null"), (3, "3")])
def test_no_request_at_all(road: Road, event: object, spelled: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        road.handler(event, Context())

    assert str(caught.value) == f"A request must be a JSON object, but it is {spelled}."


@pytest.mark.usefixtures("_ecr")
@pytest.mark.parametrize(
    "fields",
    [
        {"repository": "app", "tag": "v9"},
        {"repository": "app", "tag": "v2", "digest": digest("v9")},
        {"repository": "nowhere", "tag": "v2"},
    ],
)
def test_an_image_that_is_not_there(ecs: StrictEcs, road: Road, fields: dict[str, str]) -> None:
    upload("v2")

    with pytest.raises(CallError, match=r"^there is no image ") as caught:
        road.request(**fields)

    assert f"/{fields['repository']}:{fields['tag']}" in str(caught.value)
    assert fields.get("digest", "") in str(caught.value)
    assert ecs.calls == []


@pytest.mark.usefixtures("_ecr")
def test_another_region_has_other_images(road: Road) -> None:
    upload("v2")
    with pytest.raises(
        CallError, match=r"^there is no image 123456789012\.dkr\.ecr\.us-east-1\.amazonaws\.com/app:v2$"
    ):
        road.request(repository="app", tag="v2", region="us-east-1")
