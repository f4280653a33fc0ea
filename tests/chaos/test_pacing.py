"""A rollout of 1,000 families under ECS's own token buckets: it takes several invocations, and no refusal surfaces."""

import json
from collections import Counter

import pytest

from tests.harness.road import APP, Road, definition, pushed, queues
from tests.harness.strict_ecs import FakeClock, StrictEcs

FAMILIES = 1000


def test_a_thousand_families(caplog: pytest.LogCaptureFixture) -> None:
    ecs = StrictEcs(clock=FakeClock(), throttle=True)
    names = [f"family-{index}" for index in range(FAMILIES)]
    for name in names:
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")), service_revisions=True)
    made = queues()
    road = Road(ecs, queues=made)
    body, invocations = json.dumps(pushed("v2")), 0
    try:
        while body:
            invocations += 1
            assert road.deliver(body, seconds=300) == []
            waiting = made.client.receive_message(QueueUrl=made.url).get("Messages", [])
            body = ""
            for message in waiting:
                body = message["Body"]
                made.client.delete_message(QueueUrl=made.url, ReceiptHandle=message["ReceiptHandle"])
        assert made.dead_letters() == []
    finally:
        for url in (made.url, made.dead_letter_url):
            made.client.delete_queue(QueueUrl=url)

    assert invocations > 1
    assert Counter(call.operation for call in ecs.writes) == {
        "RegisterTaskDefinition": FAMILIES,
        "UpdateService": FAMILIES,
    }
    # Threads on a clock that only moves when somebody sleeps may be refused now and then; nobody is to hear of it.
    assert "ThrottlingException" not in caplog.text
    assert {road.image("prod", name) for name in names} == {f"{APP}:v2"}
