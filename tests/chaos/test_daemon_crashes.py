"""The process may die at any call while a daemon is updated: the same push again brings the same end, once."""

from collections import Counter
from typing import Any

import pytest

from tests.harness.road import pushed
from tests.harness.strict_ecs import Died, FakeClock, StrictEcs
from tests.unit.test_daemons import ROLLOUT, SETTINGS, TAGS, WHOLE, road_of

pytestmark = pytest.mark.newer_boto3


def end_of(dies_at: int, *, before: bool) -> tuple[Any, ...]:
    """Deliver a push, die at a call of it, and deliver it again; gives what is left, and how many calls there were."""
    ecs = StrictEcs(clock=FakeClock())
    own = ecs.daemons.register(WHOLE, TAGS)
    ecs.daemons.add("prod", "agent", own, configuration=ROLLOUT, **SETTINGS)
    road = road_of(ecs)
    if dies_at:
        ecs.die(dies_at, before=before)
        with pytest.raises(Died):
            road.deliver(pushed("v2"))
        road.cold_start()
        ecs.revive()
        ecs.clock.sleep(330)
    assert road.deliver(pushed("v2")) == []
    daemons = ecs.daemons
    left = (daemons.running("prod", "agent"), daemons.settings("prod", "agent"), daemons.revisions("agent"))
    return (
        *left,
        Counter(call.operation for call in ecs.writes),
        road.memory("prod", "daemon/agent").images,
    ), ecs.lifeline.calls


def test_a_death_at_any_call_is_mended() -> None:
    expected, calls = end_of(0, before=True)
    assert expected[3] == {"RegisterDaemonTaskDefinition": 1, "UpdateDaemon": 1}

    ends = {(at, before): end_of(at, before=before)[0] for at in range(1, calls + 1) for before in (True, False)}

    assert len(ends) > 20
    assert {death: end for death, end in ends.items() if end != expected} == {}
