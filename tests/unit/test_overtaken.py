"""ECS has no compare-and-swap: what others register just before our turn is not hidden by ours."""

from collections.abc import Callable
from typing import Any

import pytest

from ecr_deploy.core import records
from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import Answer, Died, FakeClock, StrictEcs

SIDE = APP._replace(name="side")
BEFORE = definition("api", f"{APP}:v1", f"{SIDE}:v1", cpu="256")
TERRAFORMS = definition("api", f"{APP}:stale", f"{SIDE}:stale", cpu="512")


class Overtaken(StrictEcs):
    """An ECS on which somebody else is quicker: just before a call of an operation it does its own."""

    def __init__(self) -> None:
        super().__init__(clock=FakeClock())
        self._rivals: list[tuple[str, Callable[[], object]]] = []

    def before(self, operation: str, rival: Callable[[], object], times: int = 1) -> None:
        self._rivals += [(operation, rival)] * times

    def handle(self, operation: str, body: bytes) -> Answer:
        due = next((one for one in self._rivals if one[0] == operation), None)
        if due:
            self._rivals.remove(due)
            due[1]()
        return super().handle(operation, body)


@pytest.fixture
def ecs() -> Overtaken:
    ecs = Overtaken()
    ecs.add_service("prod", "api", ecs.register(BEFORE))
    return ecs


def registered(ecs: StrictEcs) -> list[Any]:
    """The settings of the revisions that we registered, by one member."""
    return [call.request["cpu"] for call in ecs.writes if call.operation == "RegisterTaskDefinition"]


def test_terraforms_settings_come_though_it_registers_between_our_look_and_our_turn(ecs: Overtaken) -> None:
    ecs.before("RegisterTaskDefinition", lambda: ecs.register(TERRAFORMS))
    road = Road(ecs)

    result = road.push(pushed("v2"))

    assert result["outcome"] == "deployed"
    assert result["services"][0]["to"] == "api:4"
    assert ecs.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v1", cpu="512")
    assert registered(ecs) == ["256", "512"]
    assert ecs.count("UpdateService") == 1


def test_nothing_in_between_costs_no_call_more(ecs: Overtaken) -> None:
    key = records.key(APP)
    ecs.register(BEFORE, {key: f"2026-11-22T06:00:00Z {digest('v1')} v1"})

    Road(ecs).push(pushed("v2"))

    assert ecs.count("ListTaskDefinitions") == 0
    assert registered(ecs) == ["256"]


def test_what_a_crash_left_hidden_comes_to_light(ecs: Overtaken) -> None:
    """Ours was registered after theirs, and the process died before it could find that out."""
    ecs.before("RegisterTaskDefinition", lambda: ecs.register(TERRAFORMS))
    ecs.before("RegisterTaskDefinition", lambda: ecs.die(1, before=False))
    with pytest.raises(Died):
        Road(ecs).push(pushed("v2"))
    ecs.revive()

    assert Road(ecs).push(pushed("v2"))["outcome"] == "deployed"

    assert ecs.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v1", cpu="512")
    assert registered(ecs) == ["256", "512"]
    assert Road(ecs).push(pushed("v3", time="2026-11-23T07:00:00Z"))["outcome"] == "deployed"
    assert registered(ecs) == ["256", "512", "512"]


def test_a_number_that_is_gone_is_nobodys(ecs: Overtaken) -> None:
    ecs.deregister(ecs.register(TERRAFORMS))
    road = Road(ecs)

    road.push(pushed("v2"))

    assert ecs.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v1", cpu="256")
    assert registered(ecs) == ["256"]


def test_what_the_service_runs_is_the_base_whoever_registers(ecs: Overtaken) -> None:
    ecs.before("RegisterTaskDefinition", lambda: ecs.register(TERRAFORMS))

    Road(ecs, inputs={"base_revision": "running"}).push(pushed("v2"))

    assert ecs.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v1", cpu="256")
    assert registered(ecs) == ["256"]


def test_somebody_who_registers_without_end_does_not_take_us_along(ecs: Overtaken) -> None:
    ecs.before("RegisterTaskDefinition", lambda: ecs.register(TERRAFORMS), times=100)
    road = Road(ecs)

    assert road.push(pushed("v2"))["outcome"] == "deployed"

    assert registered(ecs) == ["256", "512", "512"]
    assert road.image("prod", "api") == f"{APP}:v2"


def test_the_image_of_another_invocation_stays(ecs: Overtaken) -> None:
    """An operator's request for the sidecar is handled beside the push of the app."""
    other = Road(ecs)
    ecs.before("RegisterTaskDefinition", lambda: other.push(pushed("v2", repository="side")))
    road = Road(ecs)

    assert road.push(pushed("v2"))["outcome"] == "deployed"

    assert ecs.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:v2", cpu="256")
    recorded = {key for key in ecs.tags(ecs.task_definition("prod", "api") or "") if records.is_ours(key)}
    assert recorded == {records.key(APP), records.key(SIDE), records.BASE, "ecr-deploy:rollout/prod/api"}


def test_of_several_revisions_all_are_planned_again(ecs: Overtaken) -> None:
    """Two services of one family are to run different things, and only the second register is overtaken."""
    ecs.add_service("prod", "side", ecs.revisions("api")[0])
    rules = [{"services": ["api"], "repositories": ["app"]}, {"services": ["side"], "repositories": ["side"]}]
    ecs.before("RegisterTaskDefinition", lambda: None)
    ecs.before("RegisterTaskDefinition", lambda: ecs.register(TERRAFORMS))

    assert Road(ecs, inputs={"rules": rules}).deliver(pushed("v2"), pushed("v2", repository="side")) == []

    assert ecs.running("prod", "api") == definition("api", f"{APP}:v2", f"{SIDE}:stale", cpu="512")
    assert ecs.running("prod", "side") == definition("api", f"{APP}:stale", f"{SIDE}:v2", cpu="512")
    assert registered(ecs) == ["256", "256", "512", "512"]
    assert ecs.count("UpdateService") == 2
