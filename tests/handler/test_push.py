"""The handler on moto's own ECS, which is not our double: one push, from the event to the service."""

import json
from collections.abc import Iterator
from unittest.mock import ANY

import boto3
import pytest
from moto import mock_aws

from ecr_deploy.core import settings
from ecr_deploy.handler import open_door
from tests.harness import fleet
from tests.harness.fleet import Service
from tests.harness.road import ACCOUNT, APP, REGION, Context, batch, definition, digest, pushed, queues


@pytest.fixture(autouse=True)
def _account() -> Iterator[None]:
    """A cluster with a service that runs `app`, and one that runs `app-worker`."""
    with mock_aws():
        ecs = boto3.client("ecs")
        ecs.create_cluster(clusterName="prod")
        for name, image in (("api", f"{APP}:v1"), ("worker", f"{APP}-worker:v1")):
            ecs.register_task_definition(**definition(name, image, "nginx"), tags=[{"key": "team", "value": "blue"}])
            ecs.create_service(cluster="prod", serviceName=name, taskDefinition=name, desiredCount=1)
        yield


@pytest.fixture
def environment() -> dict[str, str]:
    urls = queues()
    values = {"account_id": ACCOUNT, "queue_url": urls.url, "dead_letter_queue_url": urls.dead_letter_url}
    return {settings.VARIABLE: json.dumps(values), "AWS_REGION": REGION}


def test_one_push_deploys(environment: dict[str, str]) -> None:
    answer = open_door(environment)(batch(pushed("v2")), Context())

    assert answer == {"batchItemFailures": []}
    running = fleet.running_services()
    assert running[Service("prod", "api")].revision == "api:2"
    assert running[Service("prod", "api")].images == {"main": f"{APP}:v2", "sidecar-1": "nginx"}
    assert running[Service("prod", "worker")].revision == "worker:1"
    described = boto3.client("ecs").describe_task_definition(taskDefinition="api:2", include=["TAGS"])
    assert {tag["key"]: tag["value"] for tag in described["tags"]} == {
        "team": "blue",
        f"ecr-deploy:{ACCOUNT}/{REGION}/app": f"2026-11-23T06:00:00Z {digest('v2')} v2",
        "ecr-deploy:base": "1",
        "ecr-deploy:rollout/prod/api": ANY,
    }
