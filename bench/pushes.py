"""A push to a fleet on the strict double: its calls, and its seconds from the event to the last UpdateService."""

import time
from collections import Counter
from statistics import median
from typing import Any, NamedTuple

from bench.cases import LATENCY, Case
from tests.harness.road import Road, pushed
from tests.harness.strict_ecs import Answer, StrictEcs

# The clock runs faster only so far that the processor's own time, double included, does not show in the result.
_SECONDS_PER_CALL = 0.008
_SECONDS_PER_READING = 0.05
_SHORTEST = 4
_FASTEST = 60
# Long enough for every bucket to fill up.
_REST = 600


class FasterClock:
    """The real time, so many times faster."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._start = time.monotonic()
        self._skipped = 0.0

    def time(self) -> float:
        """Give the seconds since the epoch, or so."""
        return 1.8e9 + self._skipped + (time.monotonic() - self._start) * self.factor

    def sleep(self, seconds: float, /) -> None:
        """Wait for the time that those seconds last here."""
        time.sleep(seconds / self.factor)

    def skip(self, seconds: float) -> None:
        """Let time pass at once, while nobody waits."""
        self._skipped += seconds


class TimedEcs(StrictEcs):
    """A double that remembers when it last answered UpdateService."""

    updated_at = 0.0

    def handle(self, operation: str, body: bytes) -> Answer:
        """Answer one call."""
        answer = super().handle(operation, body)
        if operation == "UpdateService":
            self.updated_at = self.clock.time()
        return answer


class Measured(NamedTuple):
    """What a push cost."""

    case: Case
    seconds: float
    calls: Counter[str]
    throttled: int
    clock_factor: float

    @property
    def ratio(self) -> float:
        """The seconds, as a multiple of the bound."""
        return self.seconds / self.case.bound

    def as_json(self) -> dict[str, Any]:
        """Spell it for results.json."""
        return {
            **self.case._asdict(),
            "seconds": round(self.seconds, 3),
            "bound": round(self.case.bound, 3),
            "ratio": round(self.ratio, 3),
            "calls": dict(sorted(self.calls.items())),
            "throttled": self.throttled,
            "clock_factor": round(self.clock_factor, 1),
        }


def factor(case: Case) -> float:
    """How much faster the clock may run."""
    # The fleet is read as fast as the processor can; families are then taken one after the other.
    reading = case.calls.total() - 2 * case.families_hit - case.hit
    real = max(_SECONDS_PER_CALL * case.calls.total(), _SECONDS_PER_READING * reading, _SHORTEST)
    return min(_FASTEST, max(1.0, case.bound / real))


def measure(case: Case, *, repeat: int = 1) -> tuple[Measured, Measured]:
    """Push to a cold function, then to the same one while it is warm; the median of some repetitions."""
    cold, warm = case._replace(cold=True), case._replace(cold=False)
    clock = FasterClock(min(factor(cold), factor(warm)))
    ecs = TimedEcs(clock=clock, throttle=True, latency=LATENCY)
    case.build(ecs)
    road = Road(ecs)
    results: dict[Case, list[Measured]] = {cold: [], warm: []}
    for number in range(2 * repeat):
        kind = (cold, warm)[number % 2]
        if kind is cold:
            road.cold_start()
        clock.skip(_REST)
        results[kind].append(_push(road, ecs, clock, kind, number))
        # While they roll out, they have twice the service revisions.
        ecs.end_deployments()
    return _median(results[cold]), _median(results[warm])


def _push(road: Road, ecs: TimedEcs, clock: FasterClock, case: Case, number: int) -> Measured:
    ecs.calls.clear()
    ecs.throttled.clear()
    event = pushed(f"v{number + 2}", time=f"2026-11-23T{number:02}:00:00Z")
    start = clock.time()
    outcome = road.push(event, seconds=1e9)["outcome"]
    if outcome != "deployed":
        message = f"{case} ended {outcome}"
        raise RuntimeError(message)
    return finish(case, ecs, start, clock.factor)


def finish(case: Case, ecs: TimedEcs, start: float, clock_factor: float = 1) -> Measured:
    """Look at what a double saw since `start`."""
    calls = Counter(call.operation for call in ecs.calls)
    return Measured(case, ecs.updated_at - start, calls, ecs.throttled.total(), clock_factor)


def _median(measured: list[Measured]) -> Measured:
    middle = median(one.seconds for one in measured)
    return min(measured, key=lambda one: abs(one.seconds - middle))
