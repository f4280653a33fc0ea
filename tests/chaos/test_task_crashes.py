"""The process may die at any call of a push with a task first: the task takes effect once, always."""

from typing import Any

import pytest

from tests.harness.road import APP, Road, definition, pushed
from tests.harness.strict_ecs import Died, FakeClock, StrictEcs

RULE = {"run_before": [{"family": "migrate", "container": "main", "command": ["rake", "db:migrate"]}]}


def stopped(ecs: StrictEcs) -> dict[str, Any]:
    """The event of the first task; it is looked up beside the calls, of which the dead make none."""
    detail = dict(ecs._account.tasks[ecs.tasks(running=False)[0]])  # noqa: SLF001
    return {"id": "stopped", "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail}


def end_tasks(ecs: StrictEcs) -> None:
    for arn in ecs.tasks():
        ecs.end_task(arn)


def deliver(road: Road, event: dict[str, Any], *, ends_early: bool, pause: int) -> None:
    """Deliver an event, and once more where the process died of it."""
    try:
        road.deliver(event)
    except Died:
        road.cold_start()
        road.ecs.revive()
        if ends_early:
            end_tasks(road.ecs)
        # SQS hides the message for longer, and by then nobody has the lease of the family.
        road.ecs.clock.sleep(pause)
        road.deliver(event)


def run(
    dies_at: int = 0, *, before: bool = False, ends_early: bool = False, pause: int = 330
) -> tuple[tuple[dict[str, str], int], int]:
    """Deliver a push and the end of its task, die at a call; tell what runs, how many tasks ran, and the calls made."""
    ecs = StrictEcs(clock=FakeClock())
    for name in ("api", "web"):
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")))
    ecs.register(definition("migrate", f"{APP}:v1"))
    road = Road(ecs, inputs={"rules": [RULE]})
    if dies_at:
        ecs.die(dies_at, before=before)
    deliver(road, pushed("v2"), ends_early=ends_early, pause=pause)
    if ecs.tasks(running=False):
        end_tasks(ecs)
        deliver(road, stopped(ecs), ends_early=ends_early, pause=pause)
    runs = {name: road.image("prod", name) for name in ("api", "web")}
    return (runs, len(ecs.tasks(running=False))), ecs.lifeline.calls


@pytest.mark.parametrize("ends_early", [False, True])
def test_a_death_before_or_after_any_call(*, ends_early: bool) -> None:
    expected, calls = run()
    assert expected == ({"api": f"{APP}:v2", "web": f"{APP}:v2"}, 1)

    ends = {
        f"{'before' if before else 'after'} call {number}": run(number, before=before, ends_early=ends_early)[0]
        for number in range(1, calls + 1)
        for before in (True, False)
    }

    assert len(ends) > 40
    assert {death: end for death, end in ends.items() if end != expected} == {}


def test_a_death_that_is_noticed_when_ecs_has_forgotten_the_task_starts_no_second_one() -> None:
    _, calls = run()

    most = max(run(number, ends_early=True, pause=9000)[0][1] for number in range(1, calls + 1))

    assert most == 1
