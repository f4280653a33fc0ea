"""The process may die at any call: the same message again brings the same end, and nothing is done twice."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import Died, FakeClock, StrictEcs

SIDE = APP._replace(name="side")
# family: the services that run it
FLEET = {"api": ("api", "api-canary"), "web": ("web", "web-canary"), "jobs": ("jobs",)}


LATER = "2026-11-23T07:00:00Z"


class Case(NamedTuple):
    """A batch, and the images of every service afterwards."""

    batch: list[dict[str, Any]]
    main: str = f"{APP}:v2"
    side: str = f"{SIDE}:v1"
    inputs: Mapping[str, Any] = {}


CASES = {
    "a push": Case([pushed("v2")]),
    "two images of one definition": Case([pushed("v2"), pushed("v2", repository="side")], side=f"{SIDE}:v2"),
    "several pushes of one image": Case([pushed("v3", time=LATER), pushed("v2")], main=f"{APP}:v3"),
    "from what runs": Case([pushed("v2")], inputs={"base_revision": "running"}),
    "by digest": Case([pushed("v2")], main=f"{APP}@{digest('v2')}", inputs={"image_reference": "digest"}),
}


class End(NamedTuple):
    """What is left of a run, and what it cost in all."""

    running: dict[str, Any]
    records: dict[str, Any]
    writes: Counter[str]


def fleet() -> StrictEcs:
    """Three families and five services; Terraform has new settings for one of them, and no images that run."""
    ecs = StrictEcs(clock=FakeClock())
    for family, services in FLEET.items():
        revision = ecs.register(definition(family, f"{APP}:v1", f"{SIDE}:v1"))
        for service in services:
            ecs.add_service("prod", service, revision, service_revisions=family == "jobs")
    ecs.register(definition("web", f"{APP}:v0", f"{SIDE}:v0", cpu="512"))
    return ecs


def run(case: Case, dies_at: int = 0, *, before: bool = False) -> tuple[End, int]:
    """Deliver a batch, die at a call of it, and deliver it again; tell the end, and how many calls were made."""
    ecs = fleet()
    road = Road(ecs, inputs=case.inputs)
    if dies_at:
        ecs.die(dies_at, before=before)
        with pytest.raises(Died):
            road.deliver(*case.batch)
        road.cold_start()
        ecs.revive()
        # SQS hides the message for longer, and by then nobody has the lease of the family.
        ecs.clock.sleep(330)
    assert road.deliver(*case.batch) == []
    runs = {service: ecs.task_definition("prod", service) or "" for services in FLEET.values() for service in services}
    end = End(
        running={service: ecs.definition(revision) for service, revision in runs.items()},
        records={service: road.recorded("prod", service) for service in runs},
        writes=Counter(call.operation for call in ecs.writes),
    )
    return end, ecs.lifeline.calls


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_death_before_or_after_any_call(case: Case) -> None:
    expected, calls = run(case)
    assert expected.writes == {"RegisterTaskDefinition": 3, "UpdateService": 5}
    for family, services in FLEET.items():
        new_settings = {"cpu": "512"} if family == "web" and not case.inputs.get("base_revision") else {}
        definitions = [expected.running[service] for service in services]
        assert definitions == [definition(family, case.main, case.side, **new_settings)] * len(services)

    ends = {
        f"{'before' if before else 'after'} call {number}": run(case, number, before=before)[0]
        for number in range(1, calls + 1)
        for before in (True, False)
    }

    assert len(ends) > 40
    assert {death: end for death, end in ends.items() if end != expected} == {}
