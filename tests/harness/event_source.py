"""Lambda's side of an event source mapping: polls the queue, invokes the function, deletes what it handled."""

from dataclasses import dataclass
from typing import Any

import boto3

from tests.harness.lambda_runtime import Function, FunctionFailedError


@dataclass(frozen=True)
class Batch:
    """What one poll took from the queue, and the identifiers of the messages that the function gave back."""

    records: list[dict[str, Any]]
    failures: frozenset[str]


class EventSourceMapping:
    """The mapping that Terraform made for a function, with the batch size and response types that it was given."""

    def __init__(self, function: Function) -> None:
        # Not by FunctionName: moto finds it only in the form, name or ARN, that it was once given in.
        mappings = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        [self._mapping] = (mapping for mapping in mappings if mapping["FunctionArn"] == function.arn)
        self._function = function
        self._sqs = boto3.client("sqs")
        *_, self._region, account, queue_name = self._mapping["EventSourceArn"].split(":")
        self._queue_url = self._sqs.get_queue_url(QueueName=queue_name, QueueOwnerAWSAccountId=account)["QueueUrl"]

    def poll(self, wait_seconds: int = 0) -> Batch:
        """Take one batch, which may be empty, to the function.

        When the function fails as a whole, every message stays in the queue, as on Lambda, and FunctionFailedError is
        raised.
        """
        messages = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=self._mapping["BatchSize"],
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        records = [self._record(message) for message in messages]
        if not records:
            return Batch([], frozenset())
        failures = self._failures(records, self._function.invoke({"Records": records}))
        for record in records:
            if record["messageId"] not in failures:
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=record["receiptHandle"])
        return Batch(records, failures)

    def drain(self) -> list[Batch]:
        """Poll until a poll finds nothing to take."""
        batches = []
        while (batch := self.poll()).records:
            batches.append(batch)
        return batches

    def _failures(self, records: list[dict[str, Any]], answer: Any) -> frozenset[str]:
        if "ReportBatchItemFailures" not in self._mapping["FunctionResponseTypes"] or not answer:
            return frozenset()
        failures = frozenset(failure["itemIdentifier"] for failure in answer["batchItemFailures"])
        if failures - {record["messageId"] for record in records}:
            error = {"errorType": "UnknownItem", "errorMessage": f"Lambda takes the whole batch as failed: {answer}"}
            raise FunctionFailedError(error)
        return failures

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            # moto numbers no messages where the queue deduplicates by content.
            "attributes": {"SequenceNumber": message["Attributes"]["SentTimestamp"].zfill(20), **message["Attributes"]},
            "messageAttributes": {
                name: {
                    "stringValue": value["StringValue"],
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": value["DataType"],
                }
                for name, value in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._mapping["EventSourceArn"],
            "awsRegion": self._region,
        }
