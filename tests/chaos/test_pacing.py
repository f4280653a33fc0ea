"""A rollout of 1,000 families under ECS's own token buckets: it takes several invocations, and no refusal surfaces."""

from collections import Counter

import pytest

from tests.chaos.test_slices import of_families
from tests.harness.road import APP, pushed

FAMILIES = 1000


def test_a_thousand_families(caplog: pytest.LogCaptureFixture) -> None:
    sliced = of_families(FAMILIES, f"{APP}:v1")
    sliced.queue.send(pushed("v2"))

    sliced.run()

    assert len(sliced.queue.deliveries) > 1
    assert sliced.writes() == Counter(RegisterTaskDefinition=FAMILIES, UpdateService=FAMILIES)
    # Threads on a clock that only moves when somebody sleeps may be refused now and then; nobody is to hear of it.
    assert "ThrottlingException" not in caplog.text
    assert {sliced.road.image("prod", f"family-{index}") for index in range(FAMILIES)} == {f"{APP}:v2"}
