"""The road on an emulator that is not moto: it runs the function itself, by its own event source mapping."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import boto3
import pytest

from ecr_deploy.core import events, fields, settings
from ecr_deploy.core.pushes import Push
from tests.e2e.test_event_pattern import draw_event, draw_rules, patterns
from tests.harness.moto_server import only_aws
from tests.harness.processes import child_process
from tests.harness.road import ACCOUNT, REGION, pushed
from tests.harness.terraform import Root, copy_module

ROOT = Path(__file__).parents[2]
EMULATOR = Path(os.environ.get("SECOND_EMULATOR", ROOT / "build" / "ministack")) / "bin"
PUSHES = ROOT / "tests" / "events"
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module", autouse=True)
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The only AWS in reach."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "BIND_HOST": "127.0.0.1",
        # The function runs on the Python that it finds, with the boto3 there.
        "PATH": f"{EMULATOR}:{os.environ['PATH']}",
    }
    directory = tmp_path_factory.mktemp("emulator")
    with (
        (directory / "log").open("w") as log,
        child_process([str(EMULATOR / "ministack")], env=environment, stdout=log, stderr=log, cwd=directory),
        only_aws(f"http://127.0.0.1:{port}"),
    ):
        os.environ["AWS_ACCESS_KEY_ID"] = ACCOUNT
        until(lambda: listens(port))
        yield


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))


def until(is_so: Callable[[], bool], seconds: int = 60) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.5)


def running() -> dict[str, list[str]]:
    """The images that services run."""
    ecs = boto3.client("ecs")
    found = {}
    for service in ecs.describe_services(cluster="simple", services=["api", "web", "worker"])["services"]:
        definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        images = [container["image"].rpartition("/")[2] for container in definition["containerDefinitions"]]
        found[service["serviceName"]] = images
    return found


def test_a_push_reaches_the_services(tmp_path: Path) -> None:
    root = Root(copy_module(tmp_path) / "simple")
    outputs = root.apply()
    assert running() == {"api": ["simple:v1"], "web": ["simple:v1", "nginx:stable"], "worker": ["simple-worker:v1"]}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": {"digest": "v2"}, "layers": []})
    image = boto3.client("ecr").put_image(repositoryName="simple", imageTag="v2", imageManifest=manifest)["image"]
    event = pushed("v2", image["imageId"]["imageDigest"], repository="simple")
    # This ECR sends no events, and nobody may send one in AWS's name: the rule is asked, the queue gets it.
    rule = boto3.client("events").describe_rule(Name=outputs["function_name"])
    assert takes(rule["EventPattern"], event)

    boto3.client("sqs").send_message(
        QueueUrl=outputs["queue_url"], MessageBody=json.dumps(event), MessageGroupId="pushes"
    )

    until(lambda: running()["api"] == ["simple:v2"] and running()["web"] == ["simple:v2", "nginx:stable"])
    assert running()["worker"] == ["simple-worker:v1"]
    table = boto3.resource("dynamodb").Table(outputs["function_name"])
    until(lambda: "simple:v2" in str(table.get_item(Key={"target": "service/simple/api", "item": "memory"})))


def takes(pattern: str, event: dict[str, Any]) -> bool:
    answer = boto3.client("events").test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
    return bool(answer["Result"])


def test_no_pattern_refuses_what_the_rules_let_in(tmp_path: Path) -> None:
    """Recorded events and made-up ones, for as many sets of rules as it takes to let 1,500 in."""
    random = Random(20261125)  # noqa: S311 - no secret
    drawn = {f"rules-{index}": draw_rules(random) for index in range(60)}
    found = patterns(tmp_path, drawn)
    recorded = [json.loads(file.read_text()) for file in sorted(PUSHES.glob("*.json"))]
    let_in = 0
    for name, rules in drawn.items():
        values = {"account_id": ACCOUNT, "table_name": "t", "queue_url": "q", "dead_letter_queue_url": "d"}
        parsed = settings.from_environment({settings.VARIABLE: json.dumps({**values, "rules": rules})}).rules
        for event in [*recorded, *(draw_event(random) for _ in range(120))]:
            try:
                push = events.parse(event)
            except fields.InvalidEventError:
                continue
            if isinstance(push, Push) and not parsed.rejection(push.record):
                let_in += 1
                assert takes(found[name], event), (rules, event, found[name])
    assert let_in >= 1500
