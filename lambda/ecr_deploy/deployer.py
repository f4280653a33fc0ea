"""The deployer: carries plans out on ECS, and gives what came of each push.

For each family: what is desired is written down, then ECS is brought to it, then what was done is recorded. Doing the
same again after a crash finds what is done, and does the rest.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from ecr_deploy import fleet_reader, memory_reader
from ecr_deploy.aws.calls import WORKERS, batched
from ecr_deploy.aws.table import TARGETS_PER_GET
from ecr_deploy.core import admission
from ecr_deploy.core.errors import EcrDeployError, OutOfTimeError, OvertakenError, Retry
from ecr_deploy.core.outcomes import Outcome, PushResult, TargetResult, sum_up
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.family_rollout import FamilyRollout, failed
from ecr_deploy.fleet_reader import Hit
from ecr_deploy.leases import FamilyLease
from ecr_deploy.memory_reader import Memories, Reading

if TYPE_CHECKING:
    from ecr_deploy.core.fleet import Target

logger = logging.getLogger("ecr_deploy")

# Enough for whoever deploys beside us; a loop that registers without end must not take us with it.
_MOST_PLANS = 3
# So few that the first is read long before a slice ends, where ECS's pace is all that counts.
_FAMILIES_AT_ONCE = 25

Results = list[tuple[Push, PushResult]]


def deploy(
    pushes: Sequence[Push], environment: Environment, settings: Settings, *, everything: bool = False
) -> Results:
    """Deploy the pushes of one batch together.

    Gives one result for each, in their order, and then those of pushes that had to wait and came along with them. With
    `everything`, results name also what runs the repository and no rule reaches.

    Raises:
        CallError: ECS does not say what runs.
        OutOfTimeError: the invocation ends before that is known.

    """
    rules = settings.rules
    # A batch may hold the same event twice. What no rule allows costs no call.
    found: dict[Push, list[TargetResult]] = {
        push: [] for push in pushes if everything or not rules.rejection(push.record)
    }
    if found:
        news = tuple(found)
        hits, unknown = fleet_reader.find_hits(news, environment, settings, everything=everything)
        repositories = {push.repository for push in news}
        if any(map(rules.stages, repositories)):
            from ecr_deploy import stages  # noqa: PLC0415 - most users need not load it

            settings = stages.look_at(environment, settings, repositories)
        if environment.slices:
            environment.begin_slice()
        settings = _braked(news, hits, environment, settings)
        for push, result in _Batch(news, environment, settings, Event()).roll_out(hits):
            found.setdefault(push, []).append(result)
        for push in news:
            found[push] += [result for result in unknown if rules.allows(push.record, result.target)]
    late = [push for push in found if push.origin == "memory" and push not in pushes]
    return [(push, _sum_up(push, found.get(push, ()), rules)) for push in [*pushes, *late]]


def _braked(pushes: Sequence[Push], hits: Sequence[Hit], environment: Environment, settings: Settings) -> Settings:
    """The settings, with the images that need an approval because they would update too many services at once.

    What a scheduled run takes up counts together. What was approved for a service is let through there.
    """
    most = settings.max_services_at_once
    if not most or sum(len(hit.concerned) for hit in hits) <= most:
        return settings
    planned = _Batch(pushes, environment, settings._replace(dry_run=True), Event()).roll_out(hits)
    updated: dict[str, set[Target]] = {}
    for push, result in planned:
        if result.outcome is Outcome.DEPLOYED and push.answer is None:
            updated.setdefault(_group(push), set()).add(result.target)
    brakes = {
        (push.repository, push.record.digest): f"it would update {count} services at once, of which at most {most} may "
        "be: somebody must approve it"
        for push in pushes
        if (count := len(updated.get(_group(push), ()))) > most
    }
    return settings._replace(rules=settings.rules.given(settings.rules.facts._replace(brakes=brakes)))


def _group(push: Push) -> str:
    return "run" if push.origin in {"memory", "reconciliation"} else f"{push.repository}@{push.record.digest}"


class _Batch(NamedTuple):
    """The pushes of one batch; no further family is begun once the time was over for one."""

    pushes: Sequence[Push]
    environment: Environment
    settings: Settings
    is_over: Event

    def roll_out(self, hits: Sequence[Hit]) -> Iterator[tuple[Push, TargetResult]]:
        """Roll families out, those of pushes that concern little first: nobody waits behind a long rollout."""
        size = Counter(push for hit in hits for push, _, _ in hit.concerned)
        hits = sorted(hits, key=lambda hit: min(size[push] for push, _, _ in hit.concerned))
        with (
            ThreadPoolExecutor(1, thread_name_prefix="reader") as reader,
            ThreadPoolExecutor(WORKERS, thread_name_prefix="family") as pool,
        ):
            waves = _waves(hit for hit in hits if not hit.is_late)
            readings = [reading for wave in waves for reading in self._read_wave(wave, reader)]
            # Families wait for each other only in the pacer, so that reading the next ones overlaps with registering.
            jobs = [pool.submit(self._roll_out, hit, reading) for part, reading in readings for hit in part]
            for job in jobs:
                yield from job.result()
        for hit in hits:
            if hit.is_late:
                yield from ((push, failed(target, before, OutOfTimeError())) for push, target, before in hit.concerned)

    def _read_wave(
        self, wave: Sequence[Hit], reader: ThreadPoolExecutor
    ) -> Iterator[tuple[Sequence[Hit], "Future[Reading]"]]:
        """Read the table for a wave at once, and what ECS says in parts, none of which waits for the next."""
        remembered = reader.submit(self._start_read, wave)
        for part in batched(wave, _FAMILIES_AT_ONCE):
            yield part, reader.submit(self._read_part, part, remembered)

    def _read_part(self, hits: Sequence[Hit], remembered: "Future[Callable[[], Memories]]") -> Reading:
        return self._read(hits, remembered.result())

    def _start_read(self, hits: Sequence[Hit]) -> Callable[[], Memories]:
        if self.is_over.is_set():
            raise OutOfTimeError
        return memory_reader.start_read(hits, self.environment)

    def _read(self, hits: Sequence[Hit], remembered: Callable[[], Memories]) -> Reading:
        if self.is_over.is_set():
            raise OutOfTimeError
        return memory_reader.read_families(hits, remembered, self.pushes, self.environment, self.settings)

    def _roll_out(self, hit: Hit, reading: "Future[Reading]") -> list[tuple[Push, TargetResult]]:
        """Roll one family out, whatever becomes of others."""
        try:
            results = self._try_roll_out(hit, reading)
        except EcrDeployError as error:
            results = [(push, failed(target, before, error)) for push, target, before in hit.concerned]
        if any(result.retry is Retry.AT_ONCE for _, result in results):
            self.is_over.set()
        return results

    def _try_roll_out(self, hit: Hit, reading: "Future[Reading]") -> list[tuple[Push, TargetResult]]:
        if self.is_over.is_set():
            raise OutOfTimeError
        with FamilyLease(hit.family, self.environment, is_needed=not self.settings.dry_run) as lease:
            read: Callable[[], Reading] = reading.result
            for _ in range(_MOST_PLANS):
                try:
                    return FamilyRollout(hit, self.pushes, self.environment, self.settings, lease).run(read)
                except OvertakenError as error:
                    overtaken = error
                    read = partial(self._read, [hit], self._start_read([hit]))
            raise overtaken


def _waves(hits: Iterable[Hit]) -> Iterator[list[Hit]]:
    """Families that are read together: as many as the table answers at once."""
    wave: list[Hit] = []
    targets = 0
    for hit in hits:
        if wave and targets + len(hit.targets) > TARGETS_PER_GET:
            yield wave
            wave, targets = [], 0
        wave.append(hit)
        targets += len(hit.targets)
    if wave:
        yield wave


def _sum_up(push: Push, targets: Iterable[TargetResult], rules: Rules) -> PushResult:
    targets = tuple(targets)
    if targets:
        return sum_up(targets)
    decision = admission.nowhere(push.record, rules)
    return PushResult(*decision, suspicious=not rules.names_registry(push.repository.account))
