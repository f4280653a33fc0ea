"""Whatever happens, in whatever order: nothing passes a closed gate, and what may pass does so at once.

Hypothesis makes up the story: pushes whose events come late and twice, rollouts in staging that go live or back,
approvals, scans that find something or nothing, freezes, and cold starts. After each piece of news production must run
the greatest push whose gates have all been open, without a scheduled run.
"""

import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.chaos.test_gates import STAGING, World
from tests.harness.road import pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs, reuse_clients

GATES: dict[str, dict[str, Any]] = {
    "after": {"after": STAGING},
    "approval": {"approval": {}},
    "scan": {"max_scan_severity": "MEDIUM"},
}
_some = st.integers(0, 30)


class Story(RuleBasedStateMachine):
    """What is pushed to staging and production, and what production may run."""

    @initialize(names=st.sets(st.sampled_from(sorted(GATES)), min_size=1))
    def start(self, names: set[str]) -> None:
        gates = {field: value for name in names for field, value in GATES[name].items()}
        self.names = names
        self.world = World(StrictEcs(clock=FakeClock()), [STAGING, {"clusters": ["prod"], **gates}])
        # Tags in the order of their pushes, and the events of those.
        self.events: dict[str, dict[str, Any]] = {}
        self.delivered: set[str] = set()
        self.live: set[str] = {"v1"}
        self.broken: set[str] = set()
        self.approved: set[str] = set()
        self.clean: set[str] = set()
        self.is_frozen = False
        self.runs = "v1"

    @rule(is_late=st.booleans())
    def push(self, *, is_late: bool) -> None:
        tag = f"v{len(self.events) + 2}"
        self.world.step("upload", tag)
        time = f"{self.world.registry.pushed['app'][tag]:%Y-%m-%dT%H:%M:%SZ}"
        self.events[tag] = pushed(tag, time=time)
        if not is_late:
            self._deliver(tag)

    @precondition(lambda self: self.events)
    @rule(pick=_some)
    def event_comes(self, pick: int) -> None:
        """One that is late, or comes again."""
        self._deliver(self._picked(pick))

    @precondition(lambda self: self._rolls_out())
    @rule()
    def live_in_staging(self) -> None:
        self.live.add(self._image("staging"))
        self.world.step("live", "staging")
        self._check()

    @precondition(lambda self: self._rolls_out())
    @rule()
    def breaks_in_staging(self) -> None:
        self.broken.add(self._image("staging"))
        self.world.step("break", "staging")
        self._check()

    @precondition(lambda self: self.events)
    @rule(pick=_some)
    def approve(self, pick: int) -> None:
        tag = self._picked(pick)
        self.delivered.add(tag)
        self.approved.add(tag)
        self.world.road.request(approve={"repository": "app", "tag": tag, "clusters": ["prod"]}, by="ann")
        self._check()

    @precondition(lambda self: self.events)
    @rule(pick=_some, is_clean=st.booleans())
    def scan(self, pick: int, *, is_clean: bool) -> None:
        tag = self._picked(pick)
        self.world.step("scan", tag, *(() if is_clean else ("CRITICAL=1",)))
        self.clean.add(tag) if is_clean else self.clean.discard(tag)
        self._check()

    @rule()
    def freeze_or_unfreeze(self) -> None:
        self.world.step("unfreeze" if self.is_frozen else "freeze", "prod")
        self.is_frozen = not self.is_frozen
        self._check()

    @rule()
    def live_in_production(self) -> None:
        self.world.step("live", "prod")
        self._check()

    @rule()
    def cold_start(self) -> None:
        self.world.step("cold")

    @rule()
    def scheduled_run(self) -> None:
        """It finds what no event came of, which then was as good as delivered."""
        for tag in self.events.keys() - self.delivered:
            self._deliver(tag)
        self.world.step("run")
        self._check()

    def teardown(self) -> None:
        reuse_clients()

    def _deliver(self, tag: str) -> None:
        self.delivered.add(tag)
        self.world.deliver(self.events[tag])
        self._check()

    def _check(self) -> None:
        """Production runs the greatest that may pass, if it is greater than what it ran."""
        if not self.is_frozen:
            passed = [tag for tag in self.events if tag in self.delivered and self._passes(tag)]
            self.runs = max([self.runs, *passed], key=self._number)
        assert self._image("prod") == self.runs

    def _passes(self, tag: str) -> bool:
        opened = {
            "after": tag in self.live and tag not in self.broken,
            "approval": tag in self.approved,
            "scan": tag in self.clean,
        }
        return all(opened[name] for name in self.names)

    def _rolls_out(self) -> bool:
        rollout = self.world.road.memory("staging", "api").rollout
        return rollout is not None and rollout.state == "started"

    def _image(self, cluster: str) -> str:
        return self.world.road.image(cluster, "api").rpartition(":")[2]

    def _picked(self, pick: int) -> str:
        return list(self.events)[pick % len(self.events)]

    @staticmethod
    def _number(tag: str) -> int:
        return int(tag[1:])


Story.TestCase.settings = settings(
    max_examples=int(os.environ.get("STORIES", "0"))
    or settings().max_examples * (1 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 6),
    stateful_step_count=15,
)
test_nothing_passes_a_closed_gate_and_what_may_passes_at_once = Story.TestCase
