"""What waits, what comes late, and what was rolled back."""

from typing import Any

import pytest

from ecr_deploy.core.errors import InvalidRequestError
from tests.harness.road import APP, Registry, Road, definition, digest, pushed
from tests.harness.strict_ecs import DEPLOYMENT_OPERATIONS, Fault, StrictEcs
from tests.unit.test_rollouts import changed

TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
WEEKS_AGO, BEFORE, NOW, LATER = (
    "2026-11-01T06:00:00Z",
    "2026-11-23T06:00:00Z",
    "2026-11-24T06:00:00Z",
    "2026-11-24T07:00:00Z",
)
FROZEN = {"change_calendars": ["nights"], "reconcile": True}


class Calendar:
    """A change calendar that somebody opens."""

    def __init__(self) -> None:
        self.is_open = False

    def get_calendar_state(self, **_: object) -> dict[str, Any]:
        if self.is_open:
            return {"State": "OPEN"}
        return {"State": "CLOSED", "NextTransitionTime": "2026-11-25T06:00:00Z"}


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.push("v1", time=WEEKS_AGO)
    return registry


def road_of(ecs: StrictEcs, image: str, registry: Registry, calendar: Calendar | None = None, **inputs: Any) -> Road:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:{image}")), service_revisions=True)
    clients = {"ssm": calendar} if calendar else {}
    return Road(ecs, inputs=inputs, registry=registry, clients=clients)


def tag(road: Road) -> str:
    return road.image("prod", "api").rpartition(":")[2]


def outcome(result: dict[str, Any]) -> tuple[str, str | None]:
    return result["outcome"], result["reason_kind"]


def forget(registry: Registry, *tags: str) -> None:
    """Let ECR not answer for tags, as where the function may not ask for them."""
    for one in tags:
        registry.pushed["app"].pop(one, None)


class TestWaiting:
    @pytest.mark.parametrize("pushed_at", [WEEKS_AGO, BEFORE])
    def test_a_tag_that_is_put_on_an_old_image_is_deployed_once_the_calendar_opens(
        self, ecs: StrictEcs, registry: Registry, calendar: Calendar, pushed_at: str
    ) -> None:
        road = road_of(ecs, "release-5", registry, calendar, rules=[{"tags": ["release-*"]}], **FROZEN)
        registry.push("release-5", time="2026-10-01T06:00:00Z")
        registry.push("release-6", time=pushed_at)
        event = pushed("release-6", time=NOW)

        assert outcome(road.push(event)) == ("waiting", "frozen")
        assert road.deliver(TICK) == []
        assert tag(road) == "release-5"

        calendar.is_open = True
        assert road.deliver(TICK) == []
        assert tag(road) == "release-6"
        writes = len(ecs.writes)
        assert road.deliver(TICK) == []
        assert len(ecs.writes) == writes

    def test_a_moved_tag_of_a_service_that_was_never_deployed_to(
        self, ecs: StrictEcs, registry: Registry, calendar: Calendar
    ) -> None:
        road = road_of(ecs, "stable", registry, calendar, **FROZEN)
        registry.push("stable", time=WEEKS_AGO)
        road.request(adopt={})
        registry.digests["stable"] = digest("moved")
        moved = pushed("stable", digest("moved"), time=NOW)

        assert outcome(road.push(moved)) == ("waiting", "frozen")
        calendar.is_open = True
        assert road.deliver(TICK) == []

        [forced] = [call.request for call in ecs.writes]
        assert forced["forceNewDeployment"] is True
        assert road.memory("prod", "api").images["main"].digest == digest("moved")

    def test_what_is_too_young_is_deployed_at_its_age_without_ecr(self, ecs: StrictEcs, registry: Registry) -> None:
        road = road_of(ecs, "v1", registry, rules=[{"minimum_image_age": 60}], reconcile=False)
        assert outcome(road.push(pushed("v2", time="2026-11-24T00:00:00Z"))) == ("waiting", "too-young")
        assert road.deliver(TICK) == []
        assert tag(road) == "v1"

        ecs.clock.sleep(60 * 60)
        assert road.deliver(TICK) == []
        assert tag(road) == "v2"

    def test_only_the_greatest_of_those_that_waited_is_deployed(
        self, ecs: StrictEcs, registry: Registry, calendar: Calendar
    ) -> None:
        road = road_of(ecs, "v1", registry, calendar, **FROZEN)
        for number, time in ((3, LATER), (2, NOW)):
            road.push(pushed(f"v{number}", time=time))

        calendar.is_open = True
        assert road.deliver(TICK) == []

        assert tag(road) == "v3"
        assert ecs.count("UpdateService") == 1

    def test_a_push_that_comes_later_takes_along_what_had_to_wait(
        self, ecs: StrictEcs, registry: Registry, calendar: Calendar
    ) -> None:
        road = road_of(ecs, "v1", registry, calendar, **FROZEN)
        road.push(pushed("v3", time=LATER))
        calendar.is_open = True

        assert road.deliver(pushed("v2", time=NOW)) == []

        assert tag(road) == "v3"

    def test_a_message_that_waits_is_finished(self, ecs: StrictEcs, registry: Registry, calendar: Calendar) -> None:
        road = road_of(ecs, "v1", registry, calendar, **FROZEN)

        assert road.deliver(pushed("v2", time=NOW)) == []


class TestRolledBackByEcs:
    def test_a_lost_event_is_found_by_the_schedule_and_the_image_stays_out(
        self, ecs: StrictEcs, registry: Registry
    ) -> None:
        road = road_of(ecs, "v1", registry, reconcile=True)
        road.request(adopt={})
        registry.push("v2", time=NOW)
        road.deliver(pushed("v2", time=NOW))
        ecs.break_circuit("prod", "api")
        updates = ecs.count("UpdateService")

        for _ in range(3):
            assert road.deliver(TICK) == []

        assert tag(road) == "v1"
        assert ecs.count("UpdateService") == updates
        [newest, *_] = road.request(history={"cluster": "prod", "service": "api"})["history"]
        assert newest["state"] == "rolled-back"
        assert [detail["outcome"] for _, detail in road.events.taken].count("rolled-back") == 1
        assert outcome(road.push(pushed("v2", time=NOW))) == ("skipped", "rolled-back-before")

    @pytest.mark.parametrize("by", ["push", "request"])
    def test_it_comes_again_where_it_is_pushed_again_or_asked_for(
        self, ecs: StrictEcs, registry: Registry, by: str
    ) -> None:
        road = road_of(ecs, "v1", registry)
        registry.push("v2", time=NOW)
        road.deliver(pushed("v2", time=NOW))
        ecs.break_circuit("prod", "api")
        assert road.deliver(changed()) == []
        ecs.clock.sleep(86400)

        if by == "push":
            road.push(pushed("v2", time="2026-11-24T23:30:00Z"))
        else:
            road.request(repository="app", tag="v2")

        assert tag(road) == "v2"

    @pytest.mark.newer_boto3
    def test_without_ecs_own_list_the_service_says_it(self, ecs: StrictEcs, registry: Registry) -> None:
        road = road_of(ecs, "v1", registry)
        road.deliver(pushed("v2", time=NOW))
        ecs.break_circuit("prod", "api")
        for operation in DEPLOYMENT_OPERATIONS:
            ecs.inject(operation, Fault.ACCESS_DENIED, times=50)

        assert road.deliver(changed()) == []

        assert outcome(road.push(pushed("v2", time=NOW))) == ("skipped", "rolled-back-before")
        assert tag(road) == "v1"


class TestRolledBackByUs:
    def test_terraforms_inactive_revision_is_no_dead_end(self, ecs: StrictEcs, registry: Registry) -> None:
        road = road_of(ecs, "v1", registry)
        first = ecs.task_definition("prod", "api") or ""
        road.deliver(pushed("v2", time=NOW))
        ecs.end_deployments()
        road.deliver(changed())
        ecs.deregister(first)

        answer = road.request(rollback={"cluster": "prod", "service": "api", "by": "ada"})

        assert answer["rollback"]["outcome"] == "rolled-back"
        assert tag(road) == "v1"
        assert ecs.task_definition("prod", "api") != first
        assert ecs.running("prod", "api") == definition("api", f"{APP}:v1")

    def test_nor_is_it_for_a_rollout_that_is_too_late(self, ecs: StrictEcs, registry: Registry) -> None:
        road = road_of(ecs, "v1", registry, rollback_on_failure=True, deployment_timeout_minutes=10)
        first = ecs.task_definition("prod", "api") or ""
        road.deliver(pushed("v2", time=NOW))
        ecs.deregister(first)
        ecs.deny("StopServiceDeployment", cluster="prod", service="api")
        ecs.clock.sleep(11 * 60)

        assert road.deliver(TICK) == []

        assert tag(road) == "v1"
        assert outcome(road.push(pushed("v2", time=NOW))) == ("skipped", "rolled-back-before")

    def test_an_image_that_ecr_no_longer_holds_needs_force(self, ecs: StrictEcs, registry: Registry) -> None:
        road = road_of(ecs, "v1", registry)
        registry.push("v2", time=NOW)
        road.deliver(pushed("v2", time=NOW))
        ecs.end_deployments()
        road.deliver(changed())
        forget(registry, "v1")

        with pytest.raises(InvalidRequestError, match=r"ECR no longer has \S+/app:v1, .* with force"):
            road.request(rollback={"cluster": "prod", "service": "api"})
        assert tag(road) == "v2"
        road.request(rollback={"cluster": "prod", "service": "api", "force": True})
        assert tag(road) == "v1"


class TestSomebodyElse:
    def test_what_a_person_took_away_does_not_come_again(self, ecs: StrictEcs, registry: Registry) -> None:
        road = road_of(ecs, "v1", registry, reconcile=True)
        road.request(adopt={})
        first = ecs.task_definition("prod", "api")
        registry.push("v2", time=NOW)
        road.deliver(pushed("v2", time=NOW))
        ecs.end_deployments()
        road.deliver(changed())
        ecs.clock.sleep(3600)
        ecs.update_service("prod", "api", first)
        ecs.end_deployments()

        for _ in range(2):
            assert road.deliver(TICK) == []

        assert tag(road) == "v1"
        assert [detail["outcome"] for _, detail in road.events.taken].count("rolled-back") == 1
        assert outcome(road.push(pushed("v2", time=NOW))) == ("skipped", "rolled-back-before")
        assert outcome(road.push(pushed("v3", time=LATER))) == ("deployed", None)

    def test_a_service_that_was_made_anew_is_brought_to_what_it_is_to_run(
        self, ecs: StrictEcs, registry: Registry
    ) -> None:
        road = road_of(ecs, "v1", registry, reconcile=True)
        road.request(adopt={})
        first = ecs.task_definition("prod", "api")
        registry.push("v2", time=NOW)
        road.deliver(pushed("v2", time=NOW))
        ecs.end_deployments()
        road.deliver(changed())
        ecs.clock.sleep(3600)
        ecs.recreate_service("prod", "api", first)

        assert road.deliver(TICK) == []

        assert tag(road) == "v2"


class TestTheFirstRun:
    def test_it_adopts_and_deploys_nothing(self, ecs: StrictEcs, registry: Registry) -> None:
        for number in range(7):
            name = f"service-{number}"
            ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")))
        registry.push("v2", time=BEFORE)
        road = Road(ecs, inputs={"reconcile": True}, registry=registry)

        for _ in range(2):
            assert road.deliver(TICK) == []
        assert ecs.writes == []

        registry.push("v3", time=NOW)
        ecs.clock.sleep(86400)
        assert road.deliver(TICK) == []
        assert ecs.count("UpdateService") == 7
        assert {road.image("prod", f"service-{number}") for number in range(7)} == {f"{APP}:v3"}

    def test_a_service_that_is_added_is_adopted_as_well(self, ecs: StrictEcs, registry: Registry) -> None:
        road = road_of(ecs, "v1", registry, reconcile=True)
        assert road.deliver(TICK) == []
        registry.push("v2", time=NOW)
        ecs.clock.sleep(86400)
        ecs.add_service("prod", "new", ecs.register(definition("new", f"{APP}:v1")))

        assert road.deliver(TICK) == []

        assert tag(road) == "v2"
        assert road.image("prod", "new") == f"{APP}:v1"


def test_the_late_event_of_a_push_that_was_made_again_waits_with_it(ecs: StrictEcs, registry: Registry) -> None:
    """The earlier of the two would be old enough."""
    road = road_of(ecs, "v1", registry, rules=[{"minimum_image_age": 60}])
    ecs.clock.sleep(3600)
    assert outcome(road.push(pushed("v2", time="2026-11-24T00:50:00Z"))) == ("waiting", "too-young")

    assert outcome(road.push(pushed("v2", time=BEFORE))) == ("waiting", "too-young")

    ecs.clock.sleep(3600)
    assert outcome(road.push(pushed("v2", time=BEFORE))) == ("deployed", None)
