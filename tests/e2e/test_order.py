"""Nothing lost, nothing twice, nothing backwards: the same with a real rule, queue and redrive."""

import json
from collections.abc import Iterator

import boto3
import pytest

from tests.e2e.fixtures import Road
from tests.harness.fleet import Service, running_services
from tests.harness.registry import push

FAMILY = "both"


@pytest.fixture
def both(road: Road) -> Iterator[Service]:
    """A service of which one definition runs the images of two repositories."""
    ecs = boto3.client("ecs")
    host = f"123456789012.dkr.ecr.{ecs.meta.region_name}.amazonaws.com"
    containers = [
        {"name": repository, "image": f"{host}/{repository}:v0", "memory": 128}
        for repository in (road.repository, road.worker_repository)
    ]
    ecs.register_task_definition(family=FAMILY, containerDefinitions=containers)
    ecs.create_service(cluster=road.cluster, serviceName=FAMILY, taskDefinition=FAMILY, desiredCount=0)
    yield Service(road.cluster, FAMILY)
    ecs.delete_service(cluster=road.cluster, service=FAMILY, force=True)


def tags(service: Service) -> dict[str, str]:
    return {container: image.rpartition(":")[2] for container, image in running_services()[service].images.items()}


def number(service: Service) -> int:
    return int(running_services()[service].revision.rpartition(":")[2])


def test_two_images_of_one_definition_pushed_at_once_make_one_revision(road: Road, both: Service) -> None:
    before = number(both)
    push(road.repository, "t1")
    push(road.worker_repository, "t1")

    [batch] = road.mapping.drain()

    assert len(batch.records) == 2
    assert tags(both) == {road.repository: "t1", road.worker_repository: "t1"}
    assert number(both) == before + 1


def test_an_event_sent_twice_makes_one_deployment(road: Road, both: Service) -> None:
    sqs = boto3.client("sqs")
    before = number(both)
    push(road.repository, "t2")
    [batch] = road.mapping.drain()
    # EventBridge sends the same event once more, after the 5 minutes in which the queue would see that.
    sqs.send_message(
        QueueUrl=road.queue_url,
        MessageBody=batch.records[0]["body"],
        MessageGroupId="pushes",
        MessageDeduplicationId="later",
    )

    [again] = road.mapping.drain()

    assert not again.failures
    assert number(both) == before + 1
    assert road.function.logs[-1]["outcome"] == "unchanged"


def test_an_old_push_that_is_redriven_is_superseded(road: Road, both: Service) -> None:
    """As from the dead-letter queue, days later; moto has no StartMessageMoveTask, so that the test moves it."""
    sqs = boto3.client("sqs")
    push(road.repository, "t3")
    received = sqs.receive_message(QueueUrl=road.queue_url, MaxNumberOfMessages=1)["Messages"][0]
    sqs.delete_message(QueueUrl=road.queue_url, ReceiptHandle=received["ReceiptHandle"])
    sqs.send_message(
        QueueUrl=road.dead_letter_queue_url,
        MessageBody=received["Body"],
        MessageGroupId="pushes",
        MessageDeduplicationId="dead",
    )
    push(road.repository, "t4")
    road.mapping.drain()
    before = number(both)

    [letter] = road.dead_letters()
    sqs.send_message(
        QueueUrl=road.queue_url, MessageBody=letter, MessageGroupId="pushes", MessageDeduplicationId="redriven"
    )
    road.mapping.drain()

    assert json.loads(letter)["detail"]["image-tag"] == "t3"
    assert (tags(both)[road.repository], number(both)) == ("t4", before)
    line = road.function.logs[-1]
    assert (line["outcome"], line["image"].rpartition(":")[2]) == ("superseded", "t3")
