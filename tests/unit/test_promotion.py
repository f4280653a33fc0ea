"""What is live everywhere in a rule gets the rule's tag in ECR; that push starts nothing."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness.road import APP, Queues, Road, client, definition, pushed
from tests.harness.strict_ecs import Fault, StrictEcs
from tests.unit.test_rollouts import changed

TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
OCI = "application/vnd.oci.image.manifest.v1+json"
RULES = [{"services": ["api", "web"], "promote_tag": "production"}]


class Images:
    """The repository `app` on moto's ECR, with its pushes."""

    def __init__(self) -> None:
        self.ecr = client("ecr")
        self.ecr.create_repository(repositoryName="app")

    def push(self, tag: str, time: str = "2026-11-23T06:00:00Z") -> dict[str, Any]:
        """Put an image and give the event of its push."""
        # moto makes the digest of those of the layers.
        manifest = {"schemaVersion": 2, "mediaType": OCI, "config": {"digest": tag}, "layers": [{"digest": tag}]}
        answer = self.ecr.put_image(
            repositoryName="app", imageTag=tag, imageManifest=json.dumps(manifest), imageManifestMediaType=OCI
        )
        return pushed(tag, answer["image"]["imageId"]["imageDigest"], time=time)

    def digest(self, tag: str) -> str | None:
        found = self.ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": tag}])["images"]
        return str(found[0]["imageId"]["imageDigest"]) if found else None


@pytest.fixture
def images(aws_queues: Queues) -> Images:
    del aws_queues
    return Images()


@pytest.fixture
def fleet(ecs: StrictEcs) -> StrictEcs:
    """Two services of a rule, and one beyond it."""
    for name in ("api", "web", "other"):
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")))
    return ecs


@pytest.fixture
def road(fleet: StrictEcs, aws_queues: Queues) -> Road:
    return Road(fleet, queues=aws_queues, inputs={"rules": RULES}, registry=None)


def live(road: Road, *services: str) -> None:
    for service in services:
        road.ecs.move_deployment("prod", service, "SUCCESSFUL")
        assert road.deliver(changed(service=service)) == []


def test_an_image_that_is_live_everywhere_is_promoted(road: Road, images: Images) -> None:
    event = images.push("v2")
    road.deliver(event)

    live(road, "api")
    assert images.digest("production") is None

    live(road, "web")
    assert images.digest("production") == images.digest("v2")
    image = images.ecr.describe_images(repositoryName="app", imageIds=[{"imageTag": "v2"}])["imageDetails"][0]
    assert image["imageManifestMediaType"] == OCI


def test_the_push_that_this_causes_starts_nothing(road: Road, images: Images) -> None:
    event = images.push("v2")
    road.deliver(event)
    live(road, "api", "web")
    writes = len(road.ecs.writes)

    echo = road.push(pushed("production", images.digest("production"), time="2026-11-25T07:00:00Z"))

    assert (echo["outcome"], echo["reason"]) == (
        "skipped",
        "no rule allows it: rules[0].promote_tag is production, which starts nothing",
    )
    assert len(road.ecs.writes) == writes
    assert road.image("prod", "api") == f"{APP}:v2"


def test_a_service_that_was_taken_back_keeps_the_tag_where_it_is(road: Road, images: Images) -> None:
    road.deliver(images.push("v2"))
    live(road, "api")
    road.request(rollback={"cluster": "prod", "service": "web", "force": True})

    live(road, "web")

    assert images.digest("production") is None


def test_a_service_that_opted_out_is_not_waited_for(fleet: StrictEcs, aws_queues: Queues, images: Images) -> None:
    revision = fleet.revisions("web")[0]
    fleet.add_service("prod", "web", revision, tags={"ecr-deploy:enabled": "false"})
    road = Road(fleet, queues=aws_queues, inputs={"rules": RULES}, registry=None)
    road.deliver(images.push("v2"))

    live(road, "api")

    assert images.digest("production") == images.digest("v2")


def test_what_somebody_else_deployed_counts_once_it_is_done(ecs: StrictEcs, aws_queues: Queues, images: Images) -> None:
    """One service gets a revision of Terraform's, without a record of ours; another rule promotes nothing."""
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1", "nginx")))
    ecs.add_service("prod", "web", ecs.register(definition("web", f"{APP}:v1")))
    ecs.add_service("prod", "idle", ecs.register(definition("idle", f"{APP._replace(name='idle')}:v1")))
    rules = [{"services": ["api", "web", "idle"], "promote_tag": "production"}, {"services": ["other"]}]
    road = Road(ecs, queues=aws_queues, inputs={"rules": rules}, registry=None)
    road.deliver(images.push("v2"))
    ecs.update_service("prod", "web", ecs.register(definition("web", f"{APP}:v2")))

    live(road, "api")
    assert images.digest("production") is None

    ecs.move_deployment("prod", "web", "SUCCESSFUL")
    assert road.deliver(changed(service="api")) == []
    assert images.digest("production") == images.digest("v2")


def test_what_is_unknown_is_not_live(road: Road, images: Images) -> None:
    road.deliver(images.push("v2"))
    live(road, "api")
    road.ecs.move_deployment("prod", "web", "SUCCESSFUL")
    road.cold_start()
    # The first is asked for the rollout, the next for the fleet.
    road.ecs.inject("DescribeTaskDefinition", Fault.ACCESS_DENIED, nth=2, times=9)

    road.deliver(changed(service="web"))
    assert images.digest("production") is None

    road.ecs.heal()
    assert road.deliver(changed(service="web")) == []
    assert images.digest("production") == images.digest("v2")


def test_somebody_who_was_quicker_is_no_error(road: Road, images: Images, caplog: pytest.LogCaptureFixture) -> None:
    road.deliver(images.push("v2"))
    live(road, "api")
    road.clients = {"ecr": Refusing(images.ecr, "ImageAlreadyExistsException", 400)}
    road.cold_start()

    live(road, "web")

    assert "promotion: " not in caplog.text
    assert "is live everywhere" not in caplog.text


def test_a_refusal_of_ecr_is_told_and_tried_again(road: Road, images: Images, caplog: pytest.LogCaptureFixture) -> None:
    road.deliver(images.push("v2"))
    live(road, "api")
    road.clients = {"ecr": Refusing(images.ecr)}
    road.cold_start()
    road.ecs.end_deployments()

    assert road.deliver(changed(service="web")) == ["message-0"]
    assert "promotion: PutImage of" in caplog.text

    road.clients = {}
    road.cold_start()
    assert road.deliver(changed(service="web")) == []
    assert images.digest("production") == images.digest("v2")


def test_the_schedules_turn_promotes_what_an_event_was_lost_of(
    fleet: StrictEcs, aws_queues: Queues, images: Images
) -> None:
    road = Road(fleet, queues=aws_queues, inputs={"rules": RULES, "rollback_on_failure": True}, registry=None)
    road.deliver(images.push("v2"))
    fleet.end_deployments()

    assert road.deliver(TICK) == []
    assert road.deliver(TICK) == []

    assert images.digest("production") == images.digest("v2")


def test_an_image_that_is_gone_is_told(road: Road, images: Images, caplog: pytest.LogCaptureFixture) -> None:
    road.deliver(images.push("v2"))
    live(road, "api")
    images.ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v2"}])
    road.ecs.end_deployments()

    assert road.deliver(changed(service="web")) == []

    assert f"there is no image {APP}@sha256:" in caplog.text
    assert len(road.queues.dead_letters() if road.queues else []) == 1


@pytest.mark.parametrize("code", ["ImageTagAlreadyExistsException", "AccessDeniedException"])
def test_a_tag_that_may_not_be_moved_is_reported_once(
    fleet: StrictEcs, aws_queues: Queues, images: Images, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = {"rules": RULES, "rollback_on_failure": True}
    clients = {"ecr": Refusing(images.ecr, code, 400)}
    road = Road(fleet, queues=aws_queues, inputs=inputs, registry=None, clients=clients)

    for pushes, tag in enumerate(("v2", "v3"), start=1):
        road.deliver(images.push(tag, f"2026-11-23T0{pushes}:00:00Z"))
        fleet.end_deployments()
        for _ in range(3):
            assert road.deliver(TICK) == []
            road.cold_start()

        assert caplog.text.count("promotion: PutImage of") == pushes
    assert len(aws_queues.dead_letters()) == 1, "the same message"


class Refusing:
    """An ECR that does not let images be put."""

    def __init__(self, ecr: Any, code: str = "ServerException", status: int = 500) -> None:
        self._ecr = ecr
        self._error = {"Code": code, "Message": "not now"}
        self._status = status

    def batch_get_image(self, **request: Any) -> Any:
        return self._ecr.batch_get_image(**request)

    def put_image(self, **_: Any) -> None:
        answer = {"Error": self._error, "ResponseMetadata": {"HTTPStatusCode": self._status}}
        raise ClientError(answer, "PutImage")
