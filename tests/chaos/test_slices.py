"""Long rollouts under ECS's own token buckets: they go on in slices, and news does not stand behind them."""

from collections import Counter

import pytest

from tests.harness.fifo import FifoQueue
from tests.harness.road import APP, Road, definition, pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs

OTHER = APP._replace(name="other")
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
UPDATES_AT_ONCE, UPDATES_PER_SECOND = 50, 5


class Sliced:
    """The product behind a queue, both on one clock."""

    def __init__(self) -> None:
        self.ecs = StrictEcs(clock=FakeClock(), throttle=True)
        self.queue = FifoQueue(clock=self.ecs.clock)
        inputs = {"queue_url": self.queue.url, "dead_letter_queue_url": self.queue.dead_letter_url}
        self.road = Road(self.ecs, clients={"sqs": self.queue.client()}, inputs=inputs)

    def run(self) -> None:
        self.queue.run(self.road.handler)
        assert self.queue.dead_letters == []
        assert [one.error for one in self.queue.deliveries if one.error] == []

    def updated_at(self, service: str) -> float:
        """When the newest deployment of a service began."""
        [found] = self.ecs.client().describe_services(cluster="prod", services=[service])["services"]
        return max(float(deployment["createdAt"].timestamp()) for deployment in found["deployments"])

    def writes(self) -> Counter[str]:
        return Counter(call.operation for call in self.ecs.writes)


def of_families(count: int, image: str) -> Sliced:
    sliced = Sliced()
    for index in range(count):
        name = f"family-{index}"
        sliced.ecs.add_service("prod", name, sliced.ecs.register(definition(name, image)), service_revisions=True)
    return sliced


@pytest.mark.parametrize(("families", "second"), [(300, 0), (300, 1), (900, 20), (300, 100)])
def test_a_push_behind_a_long_rollout_waits_no_half_minute(families: int, second: int) -> None:
    sliced = of_families(families, f"{APP}:v1")
    sliced.ecs.add_service("prod", "other", sliced.ecs.register(definition("other", f"{OTHER}:v1")))
    now = sliced.ecs.clock.time()
    sliced.queue.send(pushed("v2"))
    behind = sliced.queue.send(pushed("v2", repository="other"), at=now + second)

    sliced.run()

    assert sliced.queue.waited(behind) < 30
    assert sliced.updated_at("other") - (now + second) < 30
    assert sliced.road.image("prod", "other") == f"{OTHER}:v2"
    assert {sliced.road.image("prod", f"family-{index}") for index in range(families)} == {f"{APP}:v2"}
    assert sliced.writes() == dict.fromkeys(("RegisterTaskDefinition", "UpdateService"), families + 1)


@pytest.mark.parametrize("families", [1, 1000])
def test_a_moved_tag_registers_nothing(families: int) -> None:
    """1,000 services on `latest` take as long as UpdateService's bucket, not as RegisterTaskDefinition's."""
    sliced = Sliced()
    for index in range(1000):
        name = f"family-{index % families}"
        there = sliced.ecs.revisions(name)
        revision = there[0] if there else sliced.ecs.register(definition(name, f"{APP}:latest"))
        sliced.ecs.add_service("prod", f"service-{index}", revision, service_revisions=True)
    sliced.queue.send(pushed("latest", "sha256:" + "1" * 64))
    began = sliced.ecs.clock.time()

    sliced.run()

    assert sliced.writes() == {"UpdateService": 1000}
    assert all(call.request.get("forceNewDeployment") is True for call in sliced.ecs.writes)
    took = sliced.ecs.clock.time() - began
    assert took < (1000 - UPDATES_AT_ONCE) / UPDATES_PER_SECOND * 1.1
