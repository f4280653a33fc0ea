"""What people are told of a push: what begins, the first failure, what came of all, and what waits for them."""

import json
from typing import Any

import pytest
from jsonschema import ValidationError

from tests.harness.road import ACCOUNT, APP, BROKEN, Queues, Registry, Road, Topics, definition, digest, pushed
from tests.harness.strict_ecs import Fault, StrictEcs
from tests.harness.table import TableFault
from tests.unit.test_rollouts import LATER, changed

MAIL = f"arn:aws:sns:eu-west-1:{ACCOUNT}:people"
CHAT = f"arn:aws:sns:eu-west-1:{ACCOUNT}:chat"
BOTH = {"topic_arns": [MAIL], "chat_topic_arns": [CHAT]}
SILENT: dict[str, list[str]] = {"topic_arns": [], "chat_topic_arns": []}
LOOK = (
    "Where to look:\n  ecr-deploy status --by-image\n  log group /aws/lambda/ecr-deploy\n\n"
    f"ecr-deploy, account {ACCOUNT}, eu-west-1\n"
)
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def make_road(ecs: StrictEcs, services: int = 1, **inputs: Any) -> Road:
    """The road with so many services that run v1, each of a family of its own."""
    for index in range(services):
        name = f"service-{index}" if services > 1 else "api"
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")), service_revisions=True)
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    registry.push("v2")
    return Road(ecs, inputs={**BOTH, **inputs}, clients={"ecr": registry})


def end(road: Road, name: str = "api", state: str = "SUCCESSFUL", reason: str | None = None) -> None:
    """Let a rollout end, and ECS say so."""
    road.ecs.move_deployment("prod", name, state, reason=reason)
    assert road.deliver(changed(service=name)) == []


def test_a_push_to_one_service_gives_two_messages(ecs: StrictEcs) -> None:
    road = make_road(ecs)

    assert road.deliver(pushed("v2")) == []
    end(road)

    assert road.topics.mails == [
        (
            "app:v2 is being rolled out to api",
            f"app:v2 is being rolled out to api.\n\nRolling out to api\n\n{LOOK}",
        ),
        (
            "app:v2 is live on api",
            f"app:v2 is live on api.\n\nLive on api\n\n{LOOK}",
        ),
    ]
    assert [chat["metadata"]["eventType"] for chat in road.topics.chats] == ["started", "ended"]


@pytest.mark.parametrize("turn", [1, -1, 7])
def test_g8_a_push_to_20_services_gives_two_messages(ecs: StrictEcs, turn: int) -> None:
    road = make_road(ecs, 20)

    assert road.deliver(pushed("v2"), pushed("v2")) == []
    for index in range(20):
        end(road, f"service-{index * turn % 20}")
        assert road.deliver(changed(service=f"service-{index * turn % 20}")) == []

    assert road.topics.subjects == ["app:v2 is being rolled out to 20 services", "app:v2 is live on 20 services"]
    assert len(road.topics.chats) == 2


@pytest.mark.newer_boto3
def test_the_first_failure_is_told_at_once_and_no_further_one(ecs: StrictEcs) -> None:
    road = make_road(ecs, 20)
    road.deliver(pushed("v2"))

    end(road, "service-0")
    end(road, "service-3", "ROLLBACK_SUCCESSFUL", "exit 137")
    end(road, "service-4", "ROLLBACK_SUCCESSFUL", "exit 1")
    for index in {*range(1, 20)} - {3, 4}:
        end(road, f"service-{index}")

    assert road.topics.subjects == [
        "app:v2 is being rolled out to 20 services",
        "app:v2 was rolled back on service-3: exit 137; 18 of 20 services are still under way",
        "app:v2 is live on 18 of 20 services, rolled back on service-3 and service-4: exit 137",
    ]
    _, text = road.topics.mails[-1]
    assert "\nRolled back on service-3: exit 137\nRolled back on service-4: exit 1\n" in text
    assert "\n  ecr-deploy history prod service-3\n" in text


@pytest.mark.newer_boto3
def test_a_failure_that_ends_all_is_one_message(ecs: StrictEcs) -> None:
    road = make_road(ecs)
    road.deliver(pushed("v2"))
    end(road, state="ROLLBACK_SUCCESSFUL", reason="exit 137")
    assert road.topics.subjects[1:] == ["app:v2 was rolled back on api: exit 137"]


def test_who_asked_is_said(ecs: StrictEcs) -> None:
    road = make_road(ecs)

    road.request(repository="app", tag="v2", by="jane")
    end(road)
    road.request(rollback={"cluster": "prod", "service": "api"}, by="joe")
    ecs.clock.sleep(60)
    road.request(repository="app", tag="v2")

    assert road.topics.subjects == [
        "app:v2 (requested by jane) is being rolled out to api",
        "app:v2 (requested by jane) is live on api",
        "app:v2 was rolled back on api: on request of joe",
        "app:v2 (on request) is being rolled out to api",
    ]


def test_one_push_is_one_thread(ecs: StrictEcs) -> None:
    road = make_road(ecs)
    road.deliver(pushed("v2"))
    end(road)
    road.deliver(pushed("v3", time=LATER))

    threads = [chat["metadata"]["threadId"] for chat in road.topics.chats]

    assert threads[0] == threads[1] == f"{ACCOUNT}/eu-west-1/app@{digest('v2')}"
    assert threads[2] == f"{ACCOUNT}/eu-west-1/app@{digest('v3')}"


def test_an_approval_is_asked_for_once(ecs: StrictEcs) -> None:
    road = make_road(ecs, 20, rules=[{"approval": {}}])

    for _ in range(2):
        assert road.deliver(pushed("v2")) == []
        assert road.deliver(TICK) == []

    assert road.topics.subjects == ["app:v2 waits for an approval on service-0 and 19 more"]
    [chat] = road.topics.chats
    assert chat["metadata"]["additionalContext"]["gate"] == "approval"
    assert chat["content"]["nextSteps"][:2] == ["`ecr-deploy approve app:v2`", "`ecr-deploy reject app:v2`"]

    road.request(approve={"repository": "app", "tag": "v2"}, by="ann")
    assert road.topics.subjects[1:] == ["app:v2 (approved by ann) is being rolled out to 20 services"]


def test_an_approval_is_asked_for_once_nothing_else_is_in_its_way(ecs: StrictEcs) -> None:
    road = make_road(ecs, rules=[{"minimum_image_age": 60, "approval": {}}])
    now = ecs.clock.time()
    road.deliver(pushed("v2", time=_at(now)))
    road.deliver(TICK)
    assert road.topics.mails == []

    ecs.clock.sleep(3700)
    road.deliver(TICK)
    road.deliver(TICK)

    assert road.topics.subjects == ["app:v2 waits for an approval on api"]


def test_the_brake_asks_as_an_approval_does(ecs: StrictEcs) -> None:
    road = make_road(ecs, 3, max_services_at_once=2)
    for _ in range(2):
        road.deliver(pushed("v2"))
    road.request(approve={"repository": "app", "tag": "v2"}, by="ann")

    assert road.topics.subjects == [
        "app:v2 waits for an approval on service-0, service-1 and service-2",
        "app:v2 (approved by ann) is being rolled out to service-0, service-1 and service-2",
    ]
    assert "it would update 3 services at once" in road.topics.mails[0][1]


@pytest.mark.newer_boto3
@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_an_answer_to_a_hook(ecs: StrictEcs, answer: str) -> None:
    from tests.unit.test_hooks import awaiting  # noqa: PLC0415

    road = make_road(ecs)
    road.deliver(pushed("v2"))
    ecs.pause("prod", "api")
    road.deliver(awaiting())
    road.request(**{answer: {"repository": "app", "tag": "v2"}}, by="ann")
    end(road, state="SUCCESSFUL" if answer == "approve" else "ROLLBACK_SUCCESSFUL")

    ended = {
        "approve": "app:v2 (approved by ann) is live on api",
        "reject": "app:v2 (rejected by ann) was rolled back on api",
    }
    assert road.topics.subjects[2:] == [ended[answer]]


def test_a_rejection_says_who(ecs: StrictEcs) -> None:
    road = make_road(ecs, rules=[{"approval": {}}])
    road.deliver(pushed("v2"))
    road.request(reject={"repository": "app", "tag": "v2"}, by="ann")
    assert road.topics.subjects[1:] == ["app:v2 was rejected on api by ann"]

    # Pushed again, it waits again, and somebody is asked again.
    road.deliver(pushed("v2", time=LATER))
    assert road.topics.subjects[2:] == ["app:v2 waits for an approval on api"]


@pytest.mark.newer_boto3
def test_a_hook_is_asked_for_once(ecs: StrictEcs) -> None:
    from tests.unit.test_hooks import awaiting  # noqa: PLC0415

    road = make_road(ecs)
    road.deliver(pushed("v2"))
    ecs.pause("prod", "api")
    for _ in range(2):
        assert road.deliver(awaiting()) == []

    [subject] = road.topics.subjects[1:]
    assert subject.startswith("app:v2 is paused on api: the deployment is paused at POST_TEST_TRAFFIC_SHIFT until some")
    assert road.topics.chats[1]["metadata"]["additionalContext"]["gate"] == "hook"


def test_what_fails_for_good_is_told_with_what_begins(ecs: StrictEcs) -> None:
    road = make_road(ecs, 4)
    ecs.inject("UpdateService", Fault.ACCESS_DENIED)

    road.push(pushed("v2"))

    [subject] = road.topics.subjects
    assert subject.startswith("app:v2 is being rolled out to service-")
    _, text = road.topics.mails[0]
    assert ", but failed on service-" in text
    assert "UpdateService" in text


def test_what_fails_everywhere_is_one_message(ecs: StrictEcs) -> None:
    road = make_road(ecs, 20)
    ecs.inject("UpdateService", Fault.ACCESS_DENIED, times=100)
    road.push(pushed("v2"))
    [subject] = road.topics.subjects
    assert subject.startswith("app:v2 failed on service-0 and 19 more: UpdateService")


def test_a_push_that_fails_before_it_reaches_a_service(ecs: StrictEcs) -> None:
    road = make_road(ecs)
    ecs.inject("ListServices", Fault.ACCESS_DENIED)
    road.push(pushed("v2"))
    [subject] = road.topics.subjects
    assert subject.startswith("app:v2 failed: ListServices")


def test_what_is_retried_is_told_once_it_is_given_up(ecs: StrictEcs, aws_queues: Queues) -> None:
    road = make_road(ecs, 2)
    road = Road(ecs, aws_queues, road.inputs, clients=road.clients)
    ecs.inject("UpdateService", Fault.THROTTLING, times=1000)

    assert road.deliver(pushed("v2")) == ["message-0"]
    assert road.topics.mails == []
    assert road.deliver(pushed("v2"), receives=7) == []

    [subject] = road.topics.subjects
    assert subject.startswith("app:v2 failed on service-0 and service-1: ")


def test_dry_runs_and_pushes_that_reach_nothing_tell_nobody(ecs: StrictEcs) -> None:
    road = make_road(ecs)
    road.deliver(pushed("v2", repository="other"))
    road.request(repository="app", tag="v2", dry_run=True)
    Road(ecs, inputs={**road.inputs, "dry_run": True}, topics=road.topics).deliver(pushed("v2"), TICK)
    assert road.topics.mails == []
    assert ("progress", f"{ACCOUNT}/eu-west-1/app@{digest('v2')}") not in road.table.items()


def test_without_topics_nobody_is_told_and_no_call_is_made(ecs: StrictEcs) -> None:
    road = make_road(ecs, topic_arns=[], chat_topic_arns=[])
    road.deliver(pushed("v2"))
    end(road)
    road.deliver(TICK)
    assert not any(target == "progress" for target, _ in road.table.items())


@pytest.mark.parametrize("fault", [TableFault.ACCESS_DENIED, TableFault.THROTTLING])
def test_what_only_tells_fails_nothing(ecs: StrictEcs, fault: TableFault) -> None:
    road = make_road(ecs)
    plain = make_road(StrictEcs(clock=ecs.clock), topic_arns=[], chat_topic_arns=[])
    plain.deliver(pushed("v2"))
    nth = plain.table.count("BatchGetItem") + 1
    road.table.inject("BatchGetItem", fault, nth, times=100)

    assert road.deliver(pushed("v2")) == []

    assert road.image("prod", "api") == f"{APP}:v2"
    assert road.topics.mails == []


def test_a_message_that_was_not_sent_is_sent_by_a_scheduled_run(ecs: StrictEcs) -> None:
    road = make_road(ecs)
    road.topics.failing = True
    assert road.deliver(pushed("v2")) == []
    assert road.image("prod", "api") == f"{APP}:v2"

    road.topics.failing = False
    road.deliver(TICK)
    assert road.topics.mails == [], "another invocation may be about to send it"
    ecs.clock.sleep(400)
    for _ in range(2):
        road.deliver(TICK)

    assert road.topics.subjects == ["app:v2 is being rolled out to api"]


def test_an_end_that_nobody_could_write_down_is_told_by_a_scheduled_run(ecs: StrictEcs) -> None:
    road = make_road(ecs, 2)
    road.deliver(pushed("v2"))
    end(road, "service-0")
    ecs.move_deployment("prod", "service-1", "SUCCESSFUL")
    settings = road.inputs
    # Judged by an invocation that died before it could tell.
    Road(ecs, inputs={**settings, **SILENT}, clients=road.clients).deliver(changed(service="service-1"))
    assert len(road.topics.mails) == 1

    for _ in range(2):
        road.deliver(TICK)

    assert road.topics.subjects[1:] == ["app:v2 is live on service-0 and service-1"]


def test_a_start_that_nobody_could_write_down_is_told_with_the_next_try(ecs: StrictEcs) -> None:
    road = make_road(ecs, 2)
    # An invocation that died after its updates.
    Road(ecs, inputs={**road.inputs, **SILENT}, clients=road.clients).deliver(pushed("v2"))

    road.deliver(pushed("v2"))
    for name in ("service-0", "service-1"):
        end(road, name)

    assert road.topics.subjects == [
        "app:v2 is being rolled out to service-0 and service-1",
        "app:v2 is live on service-0 and service-1",
    ]


def test_an_end_may_come_before_the_beginning(ecs: StrictEcs) -> None:
    road = make_road(ecs, 2)
    silent = Road(ecs, inputs={**road.inputs, **SILENT}, clients=road.clients)
    silent.deliver(pushed("v2"))
    end(road, "service-0")
    assert road.topics.mails == []

    # Nobody says any more that it began.
    ecs.clock.sleep(600)
    end(road, "service-1")

    assert road.topics.subjects == ["app:v2 is live on service-0 and service-1"]


def test_what_nobody_heard_of_again_is_over_in_the_end(ecs: StrictEcs, aws_queues: Queues) -> None:
    road = make_road(ecs, 3)
    road = Road(ecs, aws_queues, road.inputs, clients=road.clients)
    # The others are tried again by a message that is lost, and somebody pins them meanwhile.
    ecs.inject("UpdateService", Fault.INTERNAL, nth=2, times=100)
    assert road.deliver(pushed("v2"), group="pushes") == []
    [started] = road.topics.subjects
    assert started == "app:v2 is being rolled out to service-0, service-1 and service-2"
    ecs.heal()
    for name in ("service-0", "service-1", "service-2"):
        if road.image("prod", name) == f"{APP}:v2":
            end(road, name)
        else:
            ecs.retag_service("prod", name, {"ecr-deploy:pinned": "true"})

    ecs.clock.sleep(3600)
    road.deliver(TICK)
    assert road.topics.subjects[1:] == []
    ecs.clock.sleep(24 * 3600)
    road.deliver(TICK)

    [ended] = road.topics.subjects[1:]
    assert ended.startswith("app:v2 is live on 1 of 3 services, failed on service-")


def test_a_new_round_is_told_anew(ecs: StrictEcs) -> None:
    road = make_road(ecs, 2, rules=[{"services": ["service-0"]}, {"services": ["service-1"], "approval": {}}])
    road.deliver(pushed("v2"))
    end(road, "service-0")
    ecs.clock.sleep(3600)
    road.request(approve={"repository": "app", "tag": "v2"}, by="ann")
    end(road, "service-1")

    assert road.topics.subjects == [
        "app:v2 is being rolled out to service-0",
        "app:v2 waits for an approval on service-1",
        "app:v2 is live on service-0",
        "app:v2 (approved by ann) is being rolled out to service-1",
        "app:v2 (approved by ann) is live on service-1",
    ]


def test_what_a_newer_push_overtakes(ecs: StrictEcs) -> None:
    road = make_road(ecs, 2)
    road.deliver(pushed("v2"))
    end(road, "service-0")
    road.clients["ecr"].push("v3", time=LATER)
    road.deliver(pushed("v3", time=LATER))
    for name in ("service-1", "service-0"):
        end(road, name)

    assert road.topics.subjects[1:] == [
        "app:v3 is being rolled out to service-0 and service-1",
        "app:v2 is live on 1 of 2 services, superseded on service-1",
        "app:v3 is live on service-0 and service-1",
    ]


def test_two_at_once_tell_the_end_once(ecs: StrictEcs, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecr_deploy.aws.progress import ProgressItems  # noqa: PLC0415

    road = make_road(ecs, 2)
    road.deliver(pushed("v2"))
    other = Road(ecs, inputs=road.inputs, clients=road.clients, topics=road.topics)
    for name in ("service-0", "service-1"):
        ecs.move_deployment("prod", name, "SUCCESSFUL")
    read = ProgressItems.read
    interrupted: list[str] = []

    def reading(items: ProgressItems, keys: Any) -> Any:
        found = read(items, keys)
        if not interrupted:
            interrupted.append("once")
            other.deliver(changed(service="service-1"))
        return found

    monkeypatch.setattr(ProgressItems, "read", reading)
    road.deliver(changed(service="service-0"))

    assert road.topics.subjects[1:] == ["app:v2 is live on service-0 and service-1"]


def test_hostile_names_stay_text(ecs: StrictEcs) -> None:
    road = make_road(ecs)

    road.request(repository="app", tag="v2", by="<!channel> \u00e9 & " * 30)

    [subject] = road.topics.subjects
    assert subject.startswith("app:v2 (requested by <!channel> ?")
    assert subject.endswith("...")
    assert "<" not in json.dumps(road.topics.chats[0]["content"])


def test_topics_of_other_regions_are_reached_there(ecs: StrictEcs) -> None:
    regions = []

    class Client(Road):
        def client(self, service: str, **kwargs: Any) -> Any:
            if service == "sns":
                regions.append(kwargs["region_name"])
            return super().client(service, **kwargs)

    road = make_road(ecs, topic_arns=[MAIL.replace("eu-west-1", "us-east-1")], chat_topic_arns=[])
    Client(ecs, inputs=road.inputs, clients=road.clients).deliver(pushed("v2"))
    assert regions == ["us-east-1"]


def test_the_double_refuses_what_sns_and_chats_would(ecs: StrictEcs) -> None:
    del ecs
    topics = Topics()
    for subject in ("", "x" * 101, "a\nb", "\u00e9"):
        with pytest.raises(AssertionError):
            topics.publish(TopicArn=MAIL, Message="text", Subject=subject)
    topics.chat_topics = frozenset({CHAT})
    with pytest.raises(ValidationError):
        topics.publish(TopicArn=CHAT, Message='{"version": "1.0", "source": "custom"}')
    # They would fail any other test.
    assert len(BROKEN) == 5
    BROKEN.clear()


def _at(seconds: float) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(seconds, UTC).isoformat()
