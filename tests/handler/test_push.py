"""The handler on moto's own ECS, which is not our double: one push, from the event to the service."""

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from ecr_deploy.core import settings
from ecr_deploy.handler import build_handler
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
    keys = ("target", "HASH"), ("item", "RANGE")
    boto3.client("dynamodb").create_table(
        TableName="ecr-deploy",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    values = {
        "account_id": ACCOUNT,
        "table_name": "ecr-deploy",
        "queue_url": urls.url,
        "dead_letter_queue_url": urls.dead_letter_url,
    }
    return {settings.VARIABLE: json.dumps(values), "AWS_REGION": REGION}


def test_one_push_deploys(environment: dict[str, str]) -> None:
    answer = build_handler(environment)(batch(pushed("v2")), Context())

    assert answer == {"batchItemFailures": []}
    running = fleet.running_services()
    assert running[Service("prod", "api")].revision == "api:2"
    assert running[Service("prod", "api")].images == {"main": f"{APP}:v2", "sidecar-1": "nginx"}
    assert running[Service("prod", "worker")].revision == "worker:1"
    described = boto3.client("ecs").describe_task_definition(taskDefinition="api:2", include=["TAGS"])
    assert described["tags"] == [{"key": "team", "value": "blue"}]
    table = boto3.resource("dynamodb").Table("ecr-deploy")
    known = json.loads(str(table.get_item(Key={"target": "service/prod/api", "item": "memory"})["Item"]["memory"]))
    assert known["images"]["main"]["digest"] == digest("v2")
