"""Pacing: no faster than the token buckets that ECS documents, and never past the end of the invocation."""

import threading
from typing import Protocol

from ecr_deploy.core.errors import OutOfTimeError

# Bucket → (burst, tokens per second); every operation below takes one token.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
_LIMITS = {
    "task definition modify": (20, 1),
    "task definition read": (50, 20),
    "service modify": (50, 5),
    "service read": (100, 20),
    "service revision": (50, 20),
    "service deployment": (50, 20),
    "cluster read": (50, 20),
    "cluster resource read": (100, 20),
    "cluster resource modify": (100, 40),
}
# Of what is sustained of reads; the rest is for all others of the account. So many tokens can be saved up, which is
# two bursts: a large fleet is listed at once, and then not for a while.
_OUR_SHARE = 0.5
_OUR_SAVINGS = 2
_BUCKET_OF = {
    "RegisterTaskDefinition": "task definition modify",
    "DeregisterTaskDefinition": "task definition modify",
    "DescribeTaskDefinition": "task definition read",
    "ListTaskDefinitions": "task definition read",
    "ListTaskDefinitionFamilies": "task definition read",
    "UpdateService": "service modify",
    "StopServiceDeployment": "service modify",
    "ContinueServiceDeployment": "service modify",
    "DescribeServices": "service read",
    "ListServices": "service read",
    "DescribeServiceRevisions": "service revision",
    "DescribeServiceDeployments": "service deployment",
    "ListServiceDeployments": "service deployment",
    "ListClusters": "cluster read",
    "DescribeClusters": "cluster read",
    "DescribeTasks": "cluster resource read",
    "ListTasks": "cluster resource read",
    "RunTask": "cluster resource modify",
    "StopTask": "cluster resource modify",
}
CONNECT_SECONDS = 2
READ_SECONDS = 8
# A call takes no longer than this: one that could end after the deadline does not begin.
CALL_SECONDS = CONNECT_SECONDS + READ_SECONDS
# Kept back of every burst: a call that travels faster than the one before it would come before its token.
_SLACK = 0.5


class Clock(Protocol):
    """What pacing needs of time; the module `time` is one."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float, /) -> None:
        """Wait for that many seconds."""


class Bucket:
    """A token bucket; threads that find it empty wait for their turn, in the order they came."""

    def __init__(self, burst: float, per_second: float, clock: Clock) -> None:
        self._burst = burst - _SLACK
        self._per_second = per_second
        self._clock = clock
        self._tokens = self._burst
        self._counted_at = clock.time()
        self._lock = threading.Lock()

    def take(self, deadline: float) -> None:
        """Take a token, waiting for it if need be.

        Raises:
            OutOfTimeError: it would only come after the deadline (seconds since the epoch).

        """
        with self._lock:
            self._refill()
            wait = max(0.0, (1 - self._tokens) / self._per_second)
            if self._clock.time() + wait > deadline:
                raise OutOfTimeError
            self._tokens -= 1
        if wait:
            self._clock.sleep(wait)

    def spare(self) -> int:
        """How many tokens there are without waiting."""
        with self._lock:
            self._refill()
            return max(0, int(self._tokens))

    def empty(self) -> None:
        """Forget the tokens left: AWS refused a call, so others in the account took them."""
        with self._lock:
            self._refill()
            self._tokens = min(self._tokens, 0.0)

    def _refill(self) -> None:
        now = self._clock.time()
        self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._per_second)
        self._counted_at = now


class Pacer:
    """The buckets of ECS, and the deadline of the invocation at hand (seconds since the epoch)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets = {name: Bucket(*limits, clock) for name, limits in _LIMITS.items()}
        self._shares = {
            name: Bucket(burst * _OUR_SAVINGS, per_second * _OUR_SHARE, clock)
            for name, (burst, per_second) in _LIMITS.items()
            if not name.endswith("modify")
        }
        self._throttled: list[str] = []
        self.deadline = float("inf")

    def paces(self, operation: str) -> bool:
        """Whether an operation takes tokens: only ECS documents how many calls it allows."""
        return operation in _BUCKET_OF

    def take(self, operation: str) -> None:
        """Wait until the operation may be called.

        Raises:
            OutOfTimeError: the call could end after the deadline.

        """
        latest = self.deadline - CALL_SECONDS
        if self.paces(operation):
            for bucket in self._all(operation):
                bucket.take(latest)
        elif self._clock.time() > latest:
            raise OutOfTimeError

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.time()

    def spare(self, operation: str) -> int:
        """How many calls of an operation of ECS need not wait."""
        return min(bucket.spare() for bucket in self._all(operation))

    def note_throttled(self, operation: str) -> None:
        """Take note of a call that AWS throttled."""
        if self.paces(operation):
            self._throttled.append(operation)
            self._buckets[_BUCKET_OF[operation]].empty()

    def all_throttled(self) -> list[str]:
        """The operations of ECS's throttled calls since this was last asked."""
        throttled, self._throttled = self._throttled, []
        return throttled

    def _all(self, operation: str) -> list[Bucket]:
        name = _BUCKET_OF[operation]
        return [buckets[name] for buckets in (self._shares, self._buckets) if name in buckets]

    def pause(self, seconds: float) -> None:
        """Sleep before another try.

        Raises:
            OutOfTimeError: another try could end after the deadline.

        """
        if self._clock.time() + seconds > self.deadline - CALL_SECONDS:
            raise OutOfTimeError
        self._clock.sleep(seconds)
