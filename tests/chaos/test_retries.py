"""What fails for now is tried again with growing delays, however busy the queue is, and then dead-lettered."""

import json
from itertools import pairwise

import pytest

from tests.chaos.test_slices import Sliced
from tests.harness.road import APP, definition, pushed
from tests.harness.strict_ecs import Answer, Fault

OTHER = APP._replace(name="other")


@pytest.fixture
def sliced() -> Sliced:
    sliced = Sliced()
    for name in ("api", "web"):
        sliced.ecs.add_service("prod", name, sliced.ecs.register(definition(name, f"{APP}:v1")))
    sliced.ecs.add_service("prod", "other", sliced.ecs.register(definition("other", f"{OTHER}:v1")))
    return sliced


def fail_updates_of(sliced: Sliced, service: str) -> None:
    """Let ECS fail to update one service, for a reason that may pass."""
    real = sliced.ecs.handle

    def handle(operation: str, body: bytes) -> Answer:
        if operation == "UpdateService" and json.loads(body)["service"] == service:
            return Answer(500, {}, b'{"__type": "ServerException", "message": "not now"}')
        return real(operation, body)

    sliced.ecs.handle = handle  # type: ignore[method-assign]
    sliced.road.cold_start()


def test_one_service_that_fails_for_now(sliced: Sliced) -> None:
    """The other goes on at once, and pushes that come meanwhile wait for nobody."""
    fail_updates_of(sliced, "web")
    began = sliced.ecs.clock.time()
    sliced.queue.send(pushed("v2"))
    later = [pushed(f"v{number}", repository="other", time=f"2026-11-24T00:{number:02}:00Z") for number in range(2, 60)]
    behind = [sliced.queue.send(event, at=began + 5 * number) for number, event in enumerate(later)]

    sliced.queue.run(sliced.road.handler)

    assert sliced.updated_at("api") - began < 30
    assert max(sliced.queue.waited(message) for message in behind) < 30
    [dead] = sliced.queue.dead_letters
    assert json.loads(dead)["detail"]["targets"] == [["prod", "web"]]
    tries = [delivery.started for delivery in sliced.queue.deliveries if delivery.group.startswith("retry-")]
    assert len(tries) >= 6
    assert tries[-1] - began >= 180
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses == sorted(pauses)


def test_it_is_deployed_as_soon_as_it_can_be(sliced: Sliced) -> None:
    sliced.ecs.inject("UpdateService", Fault.INTERNAL, times=12)
    sliced.queue.send(pushed("v2"))

    sliced.run()

    assert {sliced.road.image("prod", name) for name in ("api", "web")} == {f"{APP}:v2"}
