"""What becomes of a batch: what failed comes back soon and in order, what can't succeed is dead-lettered."""

import json
import logging
import time
from typing import Any

import pytest
from moto.backends import get_backend

from ecr_deploy import deployer
from ecr_deploy.aws.calls import WORKERS
from tests.harness.road import ACCOUNT, APP, REGION, Context, Queues, Road, definition, pushed
from tests.harness.strict_ecs import Fault, StrictEcs

OTHER = APP._replace(name="other")


@pytest.fixture
def road(ecs: StrictEcs, aws_queues: Queues) -> Road:
    """A fleet of two services with an image each."""
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    ecs.add_service("prod", "other", ecs.register(definition("other", f"{OTHER}:v1")))
    return Road(ecs, queues=aws_queues)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ecr_deploy")


def events(*, first: str = "v2", second: str = "v2") -> list[dict[str, Any]]:
    """A push of each image."""
    return [pushed(first), pushed(second, repository="other")]


def send(queues: Queues, *bodies: object, group: str = "pushes") -> None:
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        queues.client.send_message(
            QueueUrl=queues.url, MessageBody=text, MessageGroupId=group, MessageDeduplicationId=str(time.time_ns())
        )


def receive(queues: Queues) -> dict[str, Any]:
    """Take a batch out of the queue, as Lambda does."""
    answer = queues.client.receive_message(QueueUrl=queues.url, MaxNumberOfMessages=10, AttributeNames=["All"])
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
            }
            for message in answer.get("Messages", [])
        ]
    }


def take(road: Road, batch: dict[str, Any]) -> list[str]:
    """Hand a batch over, delete what is done with, as Lambda does, and give the identifiers of what failed."""
    assert road.queues is not None
    failed = [failure["itemIdentifier"] for failure in road.handler(batch, Context())["batchItemFailures"]]
    for record in batch["Records"]:
        if record["messageId"] not in failed:
            road.queues.client.delete_message(QueueUrl=road.queues.url, ReceiptHandle=record["receiptHandle"])
    return failed


def delays() -> list[int]:
    """In how many seconds each message of the queue comes back."""
    [queue] = [one for name, one in get_backend("sqs")[ACCOUNT][REGION].queues.items() if name.startswith("road")]
    return [round(message.visible_at / 1000 - time.time()) for message in queue._messages]  # noqa: SLF001 - SQS itself does not tell


def let_come_back(queues: Queues, batch: dict[str, Any]) -> None:
    for record in batch["Records"]:
        queues.client.change_message_visibility(
            QueueUrl=queues.url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
        )


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno >= logging.ERROR]


def test_a_batch_that_is_done_with(ecs: StrictEcs, road: Road) -> None:
    assert road.deliver(*events()) == []

    assert road.image("prod", "api") == f"{APP}:v2"
    assert road.image("prod", "other") == f"{OTHER}:v2"
    assert ecs.count("ListClusters") == 1


def test_the_first_failure_and_all_after_it_come_back(ecs: StrictEcs, road: Road, aws_queues: Queues) -> None:
    third = APP._replace(name="third")
    ecs.add_service("prod", "third", ecs.register(definition("third", f"{third}:v1")))
    ecs.inject("RegisterTaskDefinition", Fault.INTERNAL, times=100)
    skipped = pushed("v2", repository="nobody")

    failed = road.deliver(skipped, pushed("v2"), skipped, pushed("v2", repository="third"))

    assert failed == ["message-1", "message-2", "message-3"]
    assert aws_queues.dead_letters() == aws_queues.waiting() == []


def test_what_deployed_behind_a_failure_is_not_deployed_again(ecs: StrictEcs, road: Road) -> None:
    ecs.inject("UpdateService", Fault.ACCESS_DENIED)
    batch = [pushed("v2"), pushed("v2", repository="other")]
    road.deliver(*batch)
    writes = len(ecs.writes)

    road.deliver(*batch)

    assert len(ecs.writes) == writes + 1
    assert road.image("prod", "api") == f"{APP}:v2"
    assert road.image("prod", "other") == f"{OTHER}:v2"


def test_what_failed_comes_back_after_seconds_that_grow(ecs: StrictEcs, road: Road, aws_queues: Queues) -> None:
    ecs.inject("ListClusters", Fault.INTERNAL, times=1000)
    send(aws_queues, *events(), group="retry-1")
    waited = []
    for _ in range(6):
        batch = receive(aws_queues)
        assert len(take(road, batch)) == 2
        first, second = delays()
        assert first == second
        waited.append(first)
        let_come_back(aws_queues, batch)

    assert waited == [5, 10, 20, 40, 80, 160]
    assert aws_queues.dead_letters() == []


def test_after_seven_tries_it_is_given_up(
    ecs: StrictEcs, road: Road, aws_queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    ecs.inject("ListClusters", Fault.INTERNAL, times=1000)
    event = pushed("v2")

    assert road.deliver(event, receives=6) == ["message-0"]
    assert aws_queues.dead_letters() == []
    assert road.deliver(event, receives=7) == []

    assert aws_queues.dead_letters() == [json.dumps(event)]
    assert aws_queues.waiting() == []
    assert "ListClusters" in errors(caplog)[-1]


def test_a_queue_that_hangs_gets_going_again(ecs: StrictEcs, road: Road, aws_queues: Queues) -> None:
    send(aws_queues, *events(), group="retry-1")
    ecs.inject("ListClusters", Fault.INTERNAL, times=6)
    batch = receive(aws_queues)
    assert len(take(road, batch)) == 2
    let_come_back(aws_queues, batch)

    assert take(road, receive(aws_queues)) == []

    assert receive(aws_queues) == {"Records": []}
    assert road.image("prod", "api") == f"{APP}:v2"
    assert road.image("prod", "other") == f"{OTHER}:v2"


def test_what_no_second_try_can_mend_is_buried_at_once(
    ecs: StrictEcs, road: Road, aws_queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    ecs.inject("RegisterTaskDefinition", Fault.PASS_ROLE_DENIED)
    batch = events()

    assert road.deliver(*batch) == []

    [dead] = aws_queues.dead_letters()
    [deployed] = [name for name, repository in (("api", APP), ("other", OTHER)) if _runs(road, name, repository)]
    assert dead == json.dumps(batch[0 if deployed == "other" else 1])
    [line] = errors(caplog)
    assert "pass_role_arns" in line


def _runs(road: Road, name: str, repository: object) -> bool:
    return road.image("prod", name) == f"{repository}:v2"


def test_a_rollout_longer_than_the_function_goes_on_in_a_new_message(
    ecs: StrictEcs, aws_queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"service-{index}" for index in range(30)]
    for name in names:
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")))
    road = Road(ecs, queues=aws_queues)
    event = pushed("v2")

    # 10 s are kept back to report, and 10 s for a call; ECS takes 20 registers at once and 1 more each second.
    assert road.deliver(event, seconds=25) == []

    [rest] = aws_queues.waiting()
    left = {name for name in names if road.image("prod", name) != f"{APP}:v2"}
    assert {name for _, name in json.loads(rest)["detail"]["targets"]} == left
    assert aws_queues.dead_letters() == []
    registered = ecs.count("RegisterTaskDefinition")
    assert 20 <= registered < 30
    assert "time ran out" in caplog.text

    ecs.clock.sleep(300)
    assert road.deliver(rest) == []
    assert ecs.count("RegisterTaskDefinition") == 30
    assert {road.image("prod", name) for name in names} == {f"{APP}:v2"}


def test_once_the_time_is_over_no_further_family_is_begun(ecs: StrictEcs, aws_queues: Queues) -> None:
    """Each that is begun takes its lease, and would only find that the time is over."""
    for index in range(250):
        name = f"service-{index}"
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")))
    road = Road(ecs, queues=aws_queues)

    assert road.deliver(pushed("v2"), seconds=45) == []

    updated = ecs.count("UpdateService")
    leases = {target for target, item in road.table.items() if item == "lease"}
    assert 15 <= updated <= len(leases) <= updated + WORKERS
    [rest] = aws_queues.waiting()
    assert len(json.loads(rest)["detail"]["targets"]) == 250 - updated


def test_no_time_at_all_is_a_failure_and_no_new_message(ecs: StrictEcs, road: Road, aws_queues: Queues) -> None:
    assert road.deliver(pushed("v2"), seconds=5) == ["message-0"]

    assert aws_queues.waiting() == []
    assert ecs.writes == []


def test_what_stands_behind_a_failure_is_buried_once_and_in_its_turn(
    ecs: StrictEcs, road: Road, aws_queues: Queues
) -> None:
    ecs.inject("ListClusters", Fault.INTERNAL, times=6)
    batch = [pushed("v2"), "poison"]

    assert road.deliver(*batch) == ["message-0", "message-1"]
    assert aws_queues.dead_letters() == []

    assert road.deliver(*batch, receives=2) == []
    assert aws_queues.dead_letters() == ["poison"]


def test_a_receipt_that_ran_out_is_told(
    ecs: StrictEcs, road: Road, aws_queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    ecs.inject("ListClusters", Fault.INTERNAL, times=6)

    # moto knows no receipt `receipt-0`.
    assert road.deliver(pushed("v2")) == ["message-0"]

    assert errors(caplog)[-1].startswith("ChangeMessageVisibilityBatch was refused: ")
    assert aws_queues.dead_letters() == []


def test_a_mistake_of_ours_is_told_and_tried_again(
    ecs: StrictEcs, aws_queues: Queues, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        message = "a bug"
        raise TypeError(message)

    monkeypatch.setattr(deployer, "deploy", fail)

    bodies = [pushed("v2", event_id="mine"), "poison"]
    assert Road(ecs, queues=aws_queues).deliver(*bodies) == ["message-0", "message-1"]

    [traceback] = [record for record in caplog.records if record.exc_info]
    told = vars(traceback)
    assert (told["event_id"], told["image"], told["outcome"]) == ("mine", f"{APP}:v2", "failed")
    assert any("app:v2: failed: unexpected: TypeError" in line for line in errors(caplog))


def test_a_dead_letter_queue_that_is_gone_loses_nothing(
    road: Road, aws_queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    aws_queues.client.delete_queue(QueueUrl=aws_queues.dead_letter_url)

    assert road.deliver("no event", pushed("v2")) == ["message-0", "message-1"]

    assert any("SendMessage of message message-0 was refused" in line for line in errors(caplog))
    assert road.image("prod", "api") == f"{APP}:v2"


def test_a_queue_that_does_not_answer_is_no_failure_of_the_function(
    ecs: StrictEcs, road: Road, aws_queues: Queues, caplog: pytest.LogCaptureFixture
) -> None:
    ecs.inject("ListClusters", Fault.INTERNAL, times=100)
    aws_queues.client.delete_queue(QueueUrl=aws_queues.url)

    assert road.deliver(pushed("v2")) == ["message-0"]

    assert errors(caplog)[-1].startswith("ChangeMessageVisibilityBatch of the queue was refused: ")


def test_an_event_that_comes_twice_in_one_batch(ecs: StrictEcs, road: Road) -> None:
    event = pushed("v2")

    assert road.deliver(event, event) == []

    assert ecs.count("RegisterTaskDefinition") == 1
    assert ecs.count("UpdateService") == 1


def test_what_fails_for_now_holds_nobody_up(ecs: StrictEcs, road: Road, aws_queues: Queues) -> None:
    """It goes on in a group of its own, narrowed to what is left of it."""
    ecs.add_service("prod", "second", ecs.register(definition("second", f"{APP}:v1")))
    ecs.inject("UpdateService", Fault.INTERNAL, times=12)
    send(aws_queues, pushed("v2"))

    assert take(road, receive(aws_queues)) == []

    again = receive(aws_queues)
    [record] = again["Records"]
    assert record["attributes"]["MessageGroupId"].startswith("retry-")
    assert json.loads(record["body"])["detail"]["targets"] == [["prod", "api"], ["prod", "second"]]
    assert take(road, again) == []
    assert {road.image("prod", name) for name in ("api", "second")} == {f"{APP}:v2"}
    assert aws_queues.dead_letters() == []
