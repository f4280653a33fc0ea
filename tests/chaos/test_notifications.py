"""Whatever happens while a push is rolled out: people are told once that it began, and once what came of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.road import Queues, Road, pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs
from tests.unit.test_notifications import SILENT, TICK, end, make_road
from tests.unit.test_rollouts import changed

# What may happen while a push is rolled out: the end of a rollout is heard of, twice or not at all, or by an invocation
# that dies before it tells; and scheduled runs.
HAPPENS = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=3),
        st.sampled_from(["SUCCESSFUL", "ROLLBACK_SUCCESSFUL"]),
        st.sampled_from(["heard", "twice", "lost", "dies", "unsent"]),
        st.booleans(),
    ),
    min_size=4,
    max_size=4,
    unique_by=lambda step: step[0],
)


@pytest.mark.newer_boto3
@given(HAPPENS, st.sampled_from(["told", "dies", "twice"]))
def test_whatever_happens_people_know_in_the_end(steps: list[tuple[int, str, str, bool]], begins: str) -> None:
    ecs = StrictEcs(clock=FakeClock())
    road = make_road(ecs, 4, reconcile=True)
    silent = Road(ecs, inputs={**road.inputs, **SILENT}, clients=road.clients)
    (silent if begins == "dies" else road).deliver(pushed("v2"))
    if begins != "told":
        road.deliver(pushed("v2"))
    for number, state, heard, ticks in steps:
        ecs.clock.sleep(30)
        name = f"service-{number}"
        ecs.move_deployment("prod", name, state, reason="exit 137" if state != "SUCCESSFUL" else None)
        road.topics.failing = heard == "unsent"
        for _ in range({"twice": 2, "lost": 0}.get(heard, 1)):
            (silent if heard == "dies" else road).deliver(changed(service=name))
        road.topics.failing = False
        if ticks:
            road.deliver(TICK)
    for _ in range(3):
        ecs.clock.sleep(400)
        road.deliver(TICK)

    live = sum(state == "SUCCESSFUL" for _, state, _, _ in steps)
    kinds = [chat["metadata"]["eventType"] for chat in road.topics.chats]
    assert kinds.count("started") == 1
    assert kinds.count("ended") == 1
    assert kinds.count("failed") <= (live < 4)
    summary = next(c["metadata"]["summary"] for c in road.topics.chats if c["metadata"]["eventType"] == "ended")
    if live == 4:
        assert summary == "app:v2 is live on 4 services"
    elif live:
        assert summary.startswith(f"app:v2 is live on {live} of 4 services, rolled back on service-")
    else:
        assert summary == "app:v2 was rolled back on service-0 and 3 more: exit 137"


def test_a_long_rollout_in_slices_is_one_push(ecs: StrictEcs, aws_queues: Queues) -> None:
    road = make_road(ecs, 60)
    road = Road(ecs, aws_queues, road.inputs, clients=road.clients)

    assert road.deliver(pushed("v2"), group="pushes") == []
    invocations = 1
    while waiting := aws_queues.client.receive_message(QueueUrl=aws_queues.url).get("Messages"):
        [message] = waiting
        aws_queues.client.delete_message(QueueUrl=aws_queues.url, ReceiptHandle=message["ReceiptHandle"])
        assert road.deliver(message["Body"]) == []
        invocations += 1
    for index in range(60):
        end(road, f"service-{index}")

    assert invocations > 1
    assert road.topics.subjects == ["app:v2 is being rolled out to 60 services", "app:v2 is live on 60 services"]
