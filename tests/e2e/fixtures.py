"""The examples as Terraform applied them, once for the whole session."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from pytest_terraform import terraform

from tests.harness.event_source import EventSourceMapping
from tests.harness.lambda_runtime import Function
from tests.harness.terraform import ZIP

terraform("simple", scope="session")
terraform("environments", scope="session")
terraform("features", scope="module")


@pytest.fixture(scope="module")
def _no_leftovers() -> Iterator[None]:
    """Let no push of one example wait in the queues of another. SQS purges a queue once a minute at most."""
    yield
    sqs = boto3.client("sqs")
    for url in sqs.list_queues().get("QueueUrls", []):
        sqs.purge_queue(QueueUrl=url)


@dataclass(frozen=True)
class Road:
    """A deployed module: the road from a repository's pushes to the services."""

    repository: str
    function: Function
    mapping: EventSourceMapping
    queue_url: str
    dead_letter_queue_url: str
    worker_repository: str
    cluster: str

    def dead_letters(self) -> list[str]:
        """Take what lies in the dead-letter queue."""
        sqs = boto3.client("sqs")
        messages = sqs.receive_message(QueueUrl=self.dead_letter_queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=self.dead_letter_queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in messages]


@pytest.fixture(scope="session")
def road(simple: Any) -> Iterator[Road]:
    """The road that `examples/simple` builds."""
    outputs = {name: output["value"] for name, output in simple.outputs.items()}
    with Function(outputs["function_name"], ZIP) as function:
        yield Road(
            outputs["repository"],
            function,
            EventSourceMapping(function),
            outputs["queue_url"],
            outputs["dead_letter_queue_url"],
            outputs["worker_repository"],
            outputs["cluster"],
        )
