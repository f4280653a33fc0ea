"""The queue on a fake clock keeps SQS's and Lambda's rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from tests.harness.fifo import Context, FifoQueue
from tests.harness.strict_ecs import Died, Lifeline

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]


@pytest.fixture
def queue() -> FifoQueue:
    return FifoQueue()


def bodies(event: Json) -> list[str]:
    return [record["body"] for record in event["Records"]]


def failing(*failures: str) -> Callable[[Json, Context], Json]:
    """A function that gives back the messages with these bodies."""

    def handler(event: Json, _: Context) -> Json:
        return {
            "batchItemFailures": [
                {"itemIdentifier": record["messageId"]} for record in event["Records"] if record["body"] in failures
            ]
        }

    return handler


def test_batches_of_one_group_in_order(queue: FifoQueue) -> None:
    seen: list[list[str]] = []
    for number in range(12):
        queue.send(f"a{number}", "a")
        queue.send(f"b{number}", "b")
    queue.run(lambda event, _: seen.append(bodies(event)))
    assert seen == [
        [f"a{number}" for number in range(10)],
        [f"b{number}" for number in range(10)],
        ["a10", "a11"],
        ["b10", "b11"],
    ]
    assert queue.waiting() == []


def test_records_are_lambdas(queue: FifoQueue) -> None:
    seen: list[Json] = []
    queue.send({"id": "1"}, "pushes")
    queue.run(lambda event, _: seen.extend(event["Records"]))
    [record] = seen
    assert json.loads(record["body"]) == {"id": "1"}
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["MessageGroupId"] == "pushes"


def test_a_failed_message_blocks_its_group_until_it_is_visible(queue: FifoQueue) -> None:
    start = queue.clock.time()
    times: list[tuple[float, list[str]]] = []

    def handler(event: Json, context: Context) -> Json:
        times.append((queue.clock.time() - start, bodies(event)))
        return failing(*(() if len(times) > 1 else ("first", "second")))(event, context)

    failed = queue.send("first")
    queue.send("second")
    late = queue.send("late", at=start + 10)
    other = queue.send("other", "another group", at=start + 20)
    queue.run(handler)
    assert times == [(0, ["first", "second"]), (20, ["other"]), (330, ["first", "second", "late"])]
    assert (queue.waited(failed), queue.waited(late), queue.waited(other)) == (330, 320, 0)


def test_the_function_may_shorten_the_wait(queue: FifoQueue) -> None:
    client = queue.client()

    def handler(event: Json, context: Context) -> Json:
        [record] = event["Records"]
        if record["attributes"]["ApproximateReceiveCount"] == "3":
            return {}
        entry = {"Id": "0", "ReceiptHandle": record["receiptHandle"], "VisibilityTimeout": 5}
        stale = {"Id": "1", "ReceiptHandle": "receipt", "VisibilityTimeout": 5}
        answer = client.change_message_visibility_batch(QueueUrl=queue.url, Entries=[entry, stale])
        assert [one["Id"] for one in answer["Successful"]] == ["0"]
        assert [one["Code"] for one in answer["Failed"]] == ["InvalidParameterValue"]
        return failing("push")(event, context)

    push = queue.send("push")
    queue.run(handler)
    assert queue.waited(push) == 10
    assert len(queue.deliveries) == 3


@pytest.mark.parametrize(
    "handler",
    [
        lambda *_: {"batchItemFailures": [{"itemIdentifier": "nobody's"}]},
        lambda *_: {"batchItemFailures": [{"itemIdentifier": None}]},
        lambda *_: 1 / 0,
        lambda _, context: context.clock.sleep(301),
    ],
    ids=["unknown id", "no id", "raises", "too slow"],
)
def test_what_fails_as_a_whole_is_received_too_often(queue: FifoQueue, handler: Callable[..., Any]) -> None:
    queue.send("one")
    queue.send("two")
    queue.run(handler)
    assert len(queue.deliveries) == 10
    assert queue.dead_letters == ["one", "two"]
    assert all(len(delivery.failures) == 2 for delivery in queue.deliveries)
    assert {type(delivery.error) for delivery in queue.deliveries} <= {type(None), ZeroDivisionError}


def test_a_push_behind_a_rollout_in_slices(queue: FifoQueue) -> None:
    client = queue.client()

    def handler(event: Json, context: Context) -> None:
        for body in bodies(event):
            if body == "push":
                continue
            context.clock.sleep(20)
            left = int(body) - 1
            if left:
                client.send_message(
                    QueueUrl=queue.url, MessageBody=str(left), MessageGroupId="slices", MessageDeduplicationId=str(left)
                )

    rollout = queue.send("20", "slices")
    push = queue.send("push", at=queue.clock.time() + 50)
    queue.run(handler)
    assert (queue.waited(rollout), queue.waited(push), queue.took(push)) == (0, 10, 10)
    assert len(queue.deliveries) == 21


def test_duplicates_of_five_minutes_are_dropped(queue: FifoQueue) -> None:
    client, request = queue.client(), {"QueueUrl": queue.url, "MessageBody": "b", "MessageGroupId": "g"}
    assert queue.send("a") == queue.send("a")
    first = client.send_message(**request, MessageDeduplicationId="token")["MessageId"]
    assert client.send_message(**request, MessageDeduplicationId="token")["MessageId"] == first
    queue.run(lambda *_: None)
    queue.send("a")
    assert queue.waiting() == []
    queue.clock.sleep(300)
    queue.send("a")
    assert queue.waiting() == ["a"]


def test_until(queue: FifoQueue) -> None:
    start = queue.clock.time()
    queue.send("push", at=start + 100)
    queue.run(failing("push"), until=start + 50)
    assert (queue.clock.time(), queue.deliveries) == (start + 50, [])
    queue.run(failing("push"), until=start + 200)
    assert (queue.clock.time(), len(queue.deliveries)) == (start + 200, 1)
    with pytest.raises(KeyError):
        queue.waited("message-1")
    with pytest.raises(AssertionError, match="still holds 1 messages after 2 invocations"):
        queue.run(failing("push"), invocations=2)


def test_the_context_tells_what_is_left(queue: FifoQueue) -> None:
    left: list[int] = []

    def handler(_: Json, context: Context) -> None:
        left.append(context.get_remaining_time_in_millis())
        context.clock.sleep(100)
        left.append(context.get_remaining_time_in_millis())

    queue.send("push")
    queue.run(handler)
    assert left == [300_000, 200_000]


def test_dead_letters_and_refusals(queue: FifoQueue) -> None:
    client = queue.client()
    client.send_message(QueueUrl=queue.dead_letter_url, MessageBody="dead", MessageGroupId="g")
    assert (queue.dead_letters, queue.waiting()) == (["dead"], [])
    refusals: list[tuple[Json, str]] = [
        ({"QueueUrl": "https://other", "MessageGroupId": "g"}, "QueueDoesNotExist"),
        ({"QueueUrl": queue.url}, "MissingParameter"),
        ({"QueueUrl": queue.url, "MessageGroupId": "g", "DelaySeconds": 5}, "InvalidParameterValue"),
    ]
    for more, code in refusals:
        with pytest.raises(ClientError) as caught:
            client.send_message(MessageBody="b", **more)
        assert caught.value.response["Error"]["Code"] == code
    with pytest.raises(ParamValidationError):
        client.send_message(QueueUrl=queue.url, Body="b")
    with pytest.raises(AttributeError):
        client.purge_queue(QueueUrl=queue.url)
    entries = [{"Id": str(number), "MessageBody": str(number), "MessageGroupId": "g"} for number in range(11)]
    assert len(client.send_message_batch(QueueUrl=queue.url, Entries=entries[:10])["Successful"]) == 10
    with pytest.raises(ClientError, match="1 to 10 entries"):
        client.send_message_batch(QueueUrl=queue.url, Entries=entries)
    queue.refusals["SendMessage"] = refusal = ConnectionError()
    with pytest.raises(ConnectionError) as refused:
        client.send_message(QueueUrl=queue.url, MessageBody="b", MessageGroupId="g")
    assert refused.value is refusal


def test_the_process_may_die_at_a_call_to_the_queue() -> None:
    queue = FifoQueue(lifeline=Lifeline())
    assert queue.lifeline
    queue.lifeline.die(1, before=False)
    with pytest.raises(Died, match="after SendMessage"):
        queue.client().send_message(QueueUrl=queue.url, MessageBody="b", MessageGroupId="g")
    assert queue.waiting() == ["b"]
