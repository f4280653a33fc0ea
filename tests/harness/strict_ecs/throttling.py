"""The token buckets of ECS, on a clock that tests may hold in their hand."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the double needs to know about time."""

    def time(self) -> float:
        """Give the seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class SystemClock:
    """The real time."""

    def time(self) -> float:
        """Give the seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait for real."""
        time.sleep(seconds)


class FakeClock:
    """A clock that only moves when somebody sleeps, and then at once.

    Sleeps of several threads overlap where the threads do: each moves the clock to its own start plus its own length,
    unless another thread has moved it further meanwhile. Threads that happen to sleep one after the other add up, so
    with threads the clock may run ahead of what real threads would need.
    """

    def __init__(self, now: float = 1795478400.0) -> None:
        self._now = now
        self._lock = threading.Lock()

    def time(self) -> float:
        """Give the seconds since the epoch."""
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        end = self.time() + max(0.0, seconds)
        time.sleep(0)  # lets other threads take the same start
        with self._lock:
            self._now = max(self._now, end)


class _Bucket:
    """So many calls at once, and so many per second after that."""

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = burst
        self._filled = now

    def take(self, now: float) -> bool:
        """Take one token, if there is one. A refused call costs nothing."""
        elapsed = max(0.0, now - self._filled)
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        self._filled = max(self._filled, now)
        # Seconds since the epoch are good to a microsecond only, and who waited exactly long enough is in the right.
        if self._tokens < 1 - 1e-3:
            return False
        self._tokens = max(0.0, self._tokens - 1)
        return True


# name: burst, tokens per second, operations that draw on it
BUCKETS: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "task definition modify": (20, 1, ("RegisterTaskDefinition", "DeregisterTaskDefinition")),
    "task definition read": (
        50,
        20,
        ("DescribeTaskDefinition", "ListTaskDefinitions", "ListTaskDefinitionFamilies"),
    ),
    "service modify": (
        50,
        5,
        ("UpdateService", "StopServiceDeployment", "ContinueServiceDeployment", "UpdateExpressGatewayService"),
    ),
    "service read": (100, 20, ("DescribeServices", "ListServices")),
    "cluster read": (50, 20, ("DescribeClusters", "ListClusters")),
    "cluster resource modify": (100, 40, ("RunTask", "StopTask")),
    "cluster resource read": (100, 20, ("DescribeTasks", "ListTasks")),
    "tag modify": (20, 10, ("TagResource", "UntagResource")),
    "tag read": (50, 20, ("ListTagsForResource",)),
    "service deployment": (50, 20, ("DescribeServiceDeployments", "ListServiceDeployments")),
    # AWS documents none for daemons.
    "daemon task definition modify": (20, 1, ("RegisterDaemonTaskDefinition",)),
    "daemon modify": (50, 5, ("UpdateDaemon",)),
    "daemon read": (
        100,
        20,
        (
            "DescribeDaemon",
            "DescribeDaemonDeployments",
            "DescribeDaemonRevisions",
            "DescribeDaemonTaskDefinition",
            "ListDaemonDeployments",
            "ListDaemonTaskDefinitions",
            "ListDaemons",
        ),
    ),
    "service revision": (50, 20, ("DescribeServiceRevisions",)),
}


class Throttle:
    """All buckets of one account and region, full at the start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_operation: dict[str, _Bucket] = {}
        for burst, rate, operations in BUCKETS.values():
            bucket = _Bucket(burst, rate, clock.time())
            self._by_operation.update(dict.fromkeys(operations, bucket))

    def admits(self, operation: str) -> bool:
        """Take a token for a call, if its bucket has one."""
        return self._by_operation[operation].take(self._clock.time())
