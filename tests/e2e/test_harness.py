"""The stand-ins for Lambda behave as Lambda does, or what the other tests say of the function would mean little."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

import build_zip
from tests.harness.event_source import EventSourceMapping
from tests.harness.lambda_runtime import Function, FunctionFailedError
from tests.harness.terraform import unexpected_changes

NAME = "probe"
SOURCE = """
import json, logging, os, time

logging.getLogger().setLevel("INFO")
if os.environ["MOOD"] == "bad":
    raise ValueError("a bad setting")

def handler(event, context):
    logging.info("asked")
    if "Records" in event:
        failed = [record["messageId"] for record in event["Records"] if record["body"].startswith("bad")]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}
    if "raise" in event:
        raise RuntimeError("as you wish")
    if "exit" in event:
        os._exit(3)
    time.sleep(event.get("sleep", 0))
    return {"file": __file__, "milliseconds": context.get_remaining_time_in_millis(), "process": os.getpid()}
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package = tmp_path_factory.mktemp("probe") / "probe"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "handler.py").write_text(SOURCE)
    zipped = package.with_suffix(".zip")
    zipped.write_bytes(build_zip.build(package))
    return zipped


def _deploy(archive: Path, **settings: Any) -> None:
    role = boto3.client("iam").create_role(RoleName=NAME, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    boto3.client("lambda").create_function(
        FunctionName=NAME,
        Runtime="python3.13",
        Role=role,
        Handler="probe.handler.handler",
        Code={"ZipFile": archive.read_bytes()},
        **settings,
    )


@pytest.fixture
def clean() -> Iterator[None]:
    yield
    boto3.client("lambda").delete_function(FunctionName=NAME)
    boto3.client("iam").delete_role(RoleName=NAME)


@pytest.fixture
def function(archive: Path, clean: None) -> Iterator[Function]:  # noqa: ARG001
    _deploy(archive, Timeout=1, Environment={"Variables": {"MOOD": "good"}})
    with Function(NAME, archive) as function:
        yield function


def test_code_comes_from_the_zip_and_time_from_the_configuration(function: Function) -> None:
    answer = function.invoke({})
    assert not Path(answer["file"]).is_relative_to(Path.cwd())
    assert 0 < answer["milliseconds"] <= 1000
    [line] = function.logs
    assert (line["message"], line["level"]) == ("asked", "INFO")


def test_process_outlives_an_exception(function: Function) -> None:
    process = function.invoke({})["process"]
    with pytest.raises(FunctionFailedError, match="RuntimeError: as you wish"):
        function.invoke({"raise": True})
    assert function.invoke({})["process"] == process


@pytest.mark.parametrize(
    ("event", "reason"), [({"exit": True}, "Runtime exited with status 3"), ({"sleep": 5}, "timed out after 1 seconds")]
)
def test_lost_process_is_replaced(function: Function, event: dict[str, Any], reason: str) -> None:
    process = function.invoke({})["process"]
    with pytest.raises(FunctionFailedError, match=reason):
        function.invoke(event)
    assert function.invoke({})["process"] != process


@pytest.mark.usefixtures("clean")
def test_failure_to_start_is_told(archive: Path) -> None:
    _deploy(archive, Environment={"Variables": {"MOOD": "bad"}})
    with Function(NAME, archive) as function, pytest.raises(FunctionFailedError, match="ValueError: a bad setting"):
        function.invoke({})


@pytest.mark.usefixtures("clean")
def test_another_zip_than_the_deployed_one_is_refused(archive: Path, tmp_path: Path) -> None:
    _deploy(archive, Environment={"Variables": {"MOOD": "good"}})
    other = tmp_path / "other.zip"
    other.write_bytes(archive.read_bytes() + b" ")
    with pytest.raises(ValueError, match="was deployed from another zip"):
        Function(NAME, other)


def test_mapping_deletes_what_succeeded_and_counts_receives(function: Function) -> None:
    sqs = boto3.client("sqs")
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "0"}
    url = sqs.create_queue(QueueName=f"{NAME}.fifo", Attributes=fifo)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("lambda").create_event_source_mapping(
        FunctionName=NAME, EventSourceArn=arn, BatchSize=2, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    for body in ("good", "bad", "worse"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="all")
    mapping = EventSourceMapping(function)

    batch = mapping.poll()
    assert [record["body"] for record in batch.records] == ["good", "bad"]
    assert batch.failures == {batch.records[1]["messageId"]}

    again = mapping.poll()
    received = {record["body"]: record["attributes"]["ApproximateReceiveCount"] for record in again.records}
    assert received == {"bad": "2", "worse": "1"}


def _plan(kind: str, before: dict[str, Any], after: dict[str, Any], *actions: str) -> dict[str, Any]:
    change = {"actions": list(actions or ("update",)), "before": before, "after": after, "after_unknown": {}}
    return {"resource_changes": [{"address": f"{kind}.this", "type": kind, "change": change}]}


@pytest.mark.parametrize(
    ("plan", "changes"),
    [
        (_plan("aws_sqs_queue", {"redrive_policy": '{"a":1}'}, {"redrive_policy": '{"a": 1}'}), []),
        (_plan("aws_lambda_function", {"logging_config": []}, {"logging_config": [{"log_format": "JSON"}]}), []),
        (_plan("aws_iam_role", {"name": "a"}, {"name": "a"}, "no-op"), []),
        (
            _plan("aws_sqs_queue", {"redrive_policy": '{"a":1}'}, {"redrive_policy": '{"a": 2}'}),
            ["""aws_sqs_queue.this.redrive_policy: '{"a":1}' becomes '{"a": 2}'"""],
        ),
        (
            _plan("aws_lambda_function", {"timeout": 1, "logging_config": []}, {"timeout": 2, "logging_config": [1]}),
            ["aws_lambda_function.this.timeout: 1 becomes 2"],
        ),
        (_plan("aws_iam_role", {}, {}, "delete", "create"), ["aws_iam_role.this: delete and create"]),
        ({"output_changes": {"arn": {"actions": ["update"]}}}, ["output arn"]),
    ],
)
def test_plan_is_empty_but_for_the_quirks_of_moto(plan: dict[str, Any], changes: list[str]) -> None:
    assert unexpected_changes(plan) == changes
