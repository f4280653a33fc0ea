"""The table gone, empty, restored, throttled, unreachable, denied: nothing goes backwards, and each says so."""

import json
from typing import Any

import pytest

from ecr_deploy.core.errors import EcrDeployError
from tests.harness.road import APP, Queues, Registry, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs
from tests.harness.table import TableFault
from tests.unit.test_rollouts import changed

TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
OLD, NOW, LATER, LAST = (f"2026-11-{day}T06:00:00Z" for day in ("20", "21", "22", "23"))


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    for tag, time in (("v1", OLD), ("v2", NOW), ("v3", LATER), ("v4", LAST)):
        registry.push(tag, time=time)
    return registry


@pytest.fixture
def road(ecs: StrictEcs, registry: Registry, aws_queues: Queues) -> Road:
    """The road of a service that runs v3."""
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")), service_revisions=True)
    road = Road(ecs, aws_queues, {"reconcile": True}, registry=registry)
    for tag, time in (("v2", NOW), ("v3", LATER)):
        assert road.deliver(pushed(tag, time=time), group="pushes") == []
        ecs.end_deployments()
        assert road.deliver(changed(), group="pushes") == []
    ecs.writes.clear()
    return road


def tag(road: Road) -> str:
    return road.image("prod", "api").rpartition(":")[2]


def outcome(result: dict[str, Any]) -> tuple[str, str | None]:
    return result["outcome"], result["reason_kind"]


FAULTS = {
    TableFault.THROTTLING: ("throttled", "ThrottlingException: Rate exceeded"),
    TableFault.THROUGHPUT: ("throttled", "ProvisionedThroughputExceededException"),
    TableFault.INTERNAL: ("refused", "InternalServerError"),
    TableFault.CONNECTION_RESET: ("unreachable", "got no answer"),
    TableFault.MALFORMED: ("malformed", "was answered without"),
    TableFault.ACCESS_DENIED: ("denied", "is not allowed"),
    TableFault.NOT_FOUND: ("no-table", "there is no table ecr-deploy, which the module makes: apply it"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.value)
def test_nothing_is_deployed_without_being_written_down_first(road: Road, fault: TableFault) -> None:
    kind, sentence = FAULTS[fault]
    road.table.fail(fault)

    result = road.push(pushed("v4", time=LAST))

    assert outcome(result) == ("failed", kind)
    assert sentence in result["reason"]
    assert road.ecs.writes == []

    road.table.heal()
    assert outcome(road.push(pushed("v4", time=LAST))) == ("deployed", None)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault is not TableFault.ACCESS_DENIED])
def test_what_may_pass_is_tried_again_in_a_group_of_its_own(road: Road, fault: TableFault) -> None:
    road.table.fail(fault)

    assert road.deliver(pushed("v4", time=LAST), group="pushes") == []

    assert road.queues is not None
    [again] = road.queues.waiting()
    assert road.queues.dead_letters() == []
    road.table.heal()
    assert road.deliver(again) == []
    assert tag(road) == "v4"


def test_a_denial_is_dead_lettered_at_once(road: Road) -> None:
    road.table.fail(TableFault.ACCESS_DENIED)

    assert road.deliver(pushed("v4", time=LAST), group="pushes") == []

    assert road.queues is not None
    assert len(road.queues.dead_letters()) == 1


def test_what_is_done_is_done_although_it_can_not_be_recorded(road: Road) -> None:
    road.table.inject("PutItem", TableFault.INTERNAL, nth=2, times=20)

    assert outcome(road.push(pushed("v4", time=LAST))) == ("deployed", None)
    road.table.heal()
    road.cold_start()
    road.ecs.end_deployments()
    assert road.deliver(changed()) == []
    assert outcome(road.push(pushed("v4", time=LAST))) == ("unchanged", "same-image")

    [newest, *_] = road.request(history={"cluster": "prod", "service": "api"})["history"]
    assert newest["state"] == "live"
    assert road.ecs.count("UpdateService") == 3


def test_keys_that_were_not_processed_are_asked_for_again(road: Road) -> None:
    road.ecs.add_service("prod", "web", road.ecs.register(definition("web", f"{APP}:v3")))
    road.table.inject("BatchGetItem", TableFault.UNPROCESSED)

    assert outcome(road.push(pushed("v4", time=LAST))) == ("deployed", None)


def test_another_writer_is_not_undone(road: Road) -> None:
    """Between our reading and our writing, somebody else changes the item: all is read and planned again."""
    before = road.table.items()["service/prod/api", "memory"]
    real = road.table.handle
    changes = iter([True])

    def handle(operation: str, body: bytes) -> Any:
        if operation == "PutItem" and next(changes, False):
            road.table.put({**before, "version": {"N": str(int(before["version"]["N"]) + 1)}})
        return real(operation, body)

    road.table.handle = handle  # type: ignore[method-assign]
    road.cold_start()

    assert outcome(road.push(pushed("v4", time=LAST))) == ("deployed", None)
    assert road.ecs.count("UpdateService") == 3
    assert next(changes, None) is None


class TestWithoutMemory:
    """The table is empty, or as it was last week."""

    @pytest.fixture(params=["cleared", "deleted item", "restored"])
    def forgetful(self, road: Road, request: pytest.FixtureRequest, ecs: StrictEcs) -> Road:
        if request.param == "cleared":
            road.table.clear()
        elif request.param == "deleted item":
            road.table.delete("service/prod/api", "memory")
        else:
            snapshot = road.table.snapshot()
            assert road.deliver(pushed("v4", time=LAST), group="pushes") == []
            ecs.end_deployments()
            assert road.deliver(changed(), group="pushes") == []
            assert tag(road) == "v4"
            road.table.restore(snapshot)
        road.cold_start()
        ecs.writes.clear()
        return road

    def test_nothing_goes_backwards(self, forgetful: Road) -> None:
        runs = tag(forgetful)
        for late, time in (("v1", OLD), ("v2", NOW), ("v3", LATER)):
            result = forgetful.push(pushed(late, time=time))
            assert result["outcome"] in {"superseded", "unchanged"}, late

        assert tag(forgetful) == runs
        assert forgetful.ecs.writes == []

    def test_nothing_is_deployed_twice(self, forgetful: Road) -> None:
        runs = tag(forgetful)
        time = {"v3": LATER, "v4": LAST}[runs]

        assert outcome(forgetful.push(pushed(runs, time=time))) == ("unchanged", "same-image")
        for _ in range(2):
            assert forgetful.deliver(TICK) == []

        assert tag(forgetful) == runs
        assert forgetful.ecs.writes == []

    def test_a_newer_push_is_deployed(self, forgetful: Road, registry: Registry) -> None:
        registry.push("v5", time="2026-11-24T06:00:00Z")

        assert outcome(forgetful.push(pushed("v5", time="2026-11-24T06:00:00Z"))) == ("deployed", None)


def test_an_item_that_somebody_edited_is_named_and_can_be_deleted(road: Road) -> None:
    item = road.table.items()["service/prod/api", "memory"]
    road.table.put({**item, "memory": {"S": '{"desires": []'}})

    result = road.push(pushed("v4", time=LAST))

    assert outcome(result) == ("failed", "malformed")
    assert "the item service/prod/api of the table can't be read" in result["reason"]
    assert "delete it, and it is made anew" in result["reason"]
    road.table.delete("service/prod/api", "memory")
    assert outcome(road.push(pushed("v4", time=LAST))) == ("deployed", None)


def test_one_item_that_can_not_be_read_keeps_no_other_service(road: Road) -> None:
    road.ecs.add_service("prod", "web", road.ecs.register(definition("web", f"{APP}:v3")))
    item = road.table.items()["service/prod/api", "memory"]
    road.table.put({**item, "memory": {"S": "odd"}})

    result = road.push(pushed("v4", time=LAST))

    assert {one["service"]: one["outcome"] for one in result["services"]} == {"api": "failed", "web": "deployed"}


def test_a_dry_run_only_reads(road: Road) -> None:
    road.inputs = {**road.inputs, "dry_run": True}
    road.cold_start()
    road.table.calls.clear()

    assert outcome(road.push(pushed("v4", time=LAST))) == ("deployed", None)
    assert road.deliver(TICK) == []

    assert {call.operation for call in road.table.calls} == {"BatchGetItem"}


def test_a_history_that_can_not_be_read_is_refused_with_a_sentence(road: Road) -> None:
    for name, item in list(road.table.items().items()):
        if name[1].startswith("rollout/"):
            road.table.put({**item, "rollout": {"S": "odd"}})

    with pytest.raises(EcrDeployError, match=r"the item service/prod/api, rollout/\S+ of the table can't be read"):
        road.request(history={"cluster": "prod", "service": "api"})

    road.table.inject("Query", TableFault.ACCESS_DENIED)
    with pytest.raises(EcrDeployError, match="Query of service/prod/api is not allowed"):
        road.request(history={"cluster": "prod", "service": "api"})


def test_a_long_history_is_answered_newest_first(road: Road) -> None:
    """Of more rollouts than are kept, the newest are answered, and no revision is asked for."""
    [(key, item)] = [(key, item) for key, item in road.table.items().items() if "2026-11-24T00:00:00Z" in key[1]][:1]
    for number in range(3000):
        rollout = json.loads(item["rollout"]["S"]) | {"id": str(number), "started_at": "2026-01-01T00:00:00Z"}
        name = f"rollout/2026-01-{number // 1000 + 1:02}T00:{number // 60 % 60:02}:{number % 60:02}Z/{number}"
        road.table.put({**item, "item": {"S": name}, "rollout": {"S": json.dumps(rollout)}})
    road.ecs.calls.clear()

    history = road.request(history={"cluster": "prod", "service": "api"})["history"]

    assert len(history) == 200
    assert key[0] == "service/prod/api"
    assert [one["to"] for one in history[:2]] == ["api:3", "api:2"]
    assert road.ecs.count("DescribeTaskDefinition") + road.ecs.count("ListTaskDefinitions") == 0


def test_a_lease_that_ran_out_and_was_taken_stays_with_its_new_holder(ecs: StrictEcs) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    road = Road(ecs)
    real = ecs.handle
    taken = {
        "target": {"S": "lease/api"},
        "item": {"S": "lease"},
        "holder": {"S": "another"},
        "until": {"N": "9999999999999"},
    }

    def handle(operation: str, body: bytes) -> Any:
        if operation == "UpdateService":
            road.table.put(taken)
        return real(operation, body)

    ecs.handle = handle  # type: ignore[method-assign]
    road.cold_start()

    assert outcome(road.push(pushed("v2", time=NOW))) == ("deployed", None)
    assert road.table.items()["lease/api", "lease"] == taken
    later = road.push(pushed("v3", time=LATER))
    assert outcome(later) == ("failed", "busy")
    assert later["reason"] == "another deployment of family api is under way"


def test_a_long_rollout_keeps_its_lease(ecs: StrictEcs) -> None:
    """A service for each of 60 programs in one family: RegisterTaskDefinition's pace is slower than a lease."""
    for number in range(60):
        revision = ecs.register(definition("web", f"{APP}:v1", cpu=str(number)))
        ecs.add_service("prod", f"web-{number}", revision)
    road = Road(ecs)

    assert outcome(road.push(pushed("v2", time=NOW), seconds=900)) == ("deployed", None)

    [lease] = [item for (target, _), item in road.table.items().items() if target == "lease/web"]
    assert "holder" not in lease
    extended = [call for call in road.table.calls if call.request.get("ReturnValues") == "ALL_NEW"]
    assert len(extended) > 1
