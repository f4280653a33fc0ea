"""Large fleets and busy registries under ECS's own token buckets, in the queue's own time."""

import os
from collections.abc import Iterator

import pytest

from tests.chaos.test_slices import Sliced
from tests.chaos.test_stateful import TICK
from tests.harness.fifo import FifoQueue
from tests.harness.road import APP, Registry, Road, definition, pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
READS = ("ListServices", "DescribeServices")


class Busy(Sliced):
    """Services with a repository each, spread over clusters, of a function that has been running for a while."""

    def __init__(self, services: int, clusters: int = 1, *, reconcile: bool = False) -> None:
        self.services = services
        self.clusters = clusters
        self.ecs = StrictEcs(clock=FakeClock(), throttle=True)
        self.queue = FifoQueue(clock=self.ecs.clock)
        self.registry = Registry()
        inputs = {"queue_url": self.queue.url, "dead_letter_queue_url": self.queue.dead_letter_url}
        clients = {"sqs": self.queue.client(), "ecr": self.registry}
        self.road = Road(self.ecs, clients=clients, inputs={**inputs, "reconcile": reconcile})
        for index in range(services):
            image = f"{APP._replace(name=f'app-{index}')}:v1"
            arn = self.ecs.register(definition(f"family-{index}", image))
            self.ecs.add_service(self._cluster(index), f"service-{index}", arn, service_revisions=True)

    def _cluster(self, index: int) -> str:
        return f"cluster-{index * self.clusters // self.services}"

    def warm_up(self) -> None:
        """Let the function read it all, and every bucket fill up."""
        self.queue.send(pushed("v1", repository="nobody"))
        self.run()
        self.ecs.clock.sleep(200)
        self.ecs.calls.clear()

    def push(self, count: int, *, every: int) -> Iterator[float]:
        """Push to one service after the other; gives how long after the push each was updated."""
        start = self.ecs.clock.time()
        times = [f"2026-11-23T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z" for number in range(count)]
        hits = [number * 7919 % self.services for number in range(count)]
        for number, (index, time) in enumerate(zip(hits, times, strict=True)):
            self.queue.send(pushed(f"v{number + 2}", repository=f"app-{index}", time=time), at=start + number * every)
        self.queue.run(self.road.handler, invocations=20_000)
        assert self.queue.dead_letters == []
        self.ecs.clock.sleep(600)
        last = {index: number for number, index in enumerate(hits)}
        for index, number in last.items():
            found = self.ecs.client().describe_services(cluster=self._cluster(index), services=[f"service-{index}"])
            begun = max(deployment["createdAt"].timestamp() for deployment in found["services"][0]["deployments"])
            yield begun - (start + number * every)
            self.ecs.clock.sleep(1)

    def reads(self) -> int:
        return sum(self.ecs.count(operation) for operation in READS)


def test_a_push_each_second() -> None:
    """At most half of ECS's sustained rate of reads is ours, and nobody waits for it."""
    busy = Busy(1000)
    busy.warm_up()
    seconds = 3600 if NIGHTLY else 60

    lags = busy.push(seconds, every=1)

    assert max(lags) < 5
    assert busy.reads() / seconds < 10 + (0 if NIGHTLY else 200 / seconds)
    assert not busy.ecs.throttled


@pytest.mark.skipif(not NIGHTLY, reason="takes half a minute; make test-long runs it")
def test_a_push_each_minute_in_a_large_account() -> None:
    busy = Busy(20_000, 50)
    busy.warm_up()

    assert max(busy.push(10, every=60)) < 10
    assert not busy.ecs.throttled


@pytest.mark.parametrize("repositories", [5000 if NIGHTLY else 600])
def test_a_scheduled_run_ends_over_several_invocations(repositories: int) -> None:
    """Each is far from its deadline, news goes first, and what was missed is deployed in the end."""
    busy = Busy(repositories, reconcile=True)
    busy.queue.send(TICK)
    busy.run()
    missed = busy.services - 1
    busy.ecs.clock.sleep(600)
    busy.registry.push("v2", repository=f"app-{missed}", time="2026-11-24T02:00:00Z")
    busy.road.cold_start()
    busy.ecs.clock.sleep(6 * 3600)
    start = busy.ecs.clock.time()
    busy.queue.deliveries.clear()
    busy.queue.send({**TICK, "id": "second"})
    news = busy.queue.send(pushed("v2", repository="app-0"), at=start + 20)

    busy.run()

    assert busy.road.image("cluster-0", f"service-{missed}").endswith(":v2")
    assert busy.queue.waited(news) < 30
    assert len(busy.queue.deliveries) > 2
