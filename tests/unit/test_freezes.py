"""Freezes by request: what may be said, what is said back, and what happens to the table's item."""

from datetime import UTC, datetime

import pytest

from ecr_deploy.core.errors import InvalidRequestError, OvertakenError
from ecr_deploy.core.freezes import Freeze
from ecr_deploy.freezing import StillWaitingError
from tests.harness.road import APP, Registry, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs
from tests.harness.table import TableFault


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    for cluster in ("staging", "prod"):
        ecs.add_service(cluster, "api", ecs.register(definition(f"{cluster}-api", f"{APP}:v1")))
    road = Road(ecs, registry=(registry := Registry()))
    registry.push("v1", time="2026-11-22T06:00:00Z")
    return road


def now(road: Road) -> str:
    return f"{datetime.fromtimestamp(road.ecs.clock.time(), UTC):%Y-%m-%dT%H:%M:%SZ}"


def test_status_and_the_answers_say_who_froze_what_and_why(road: Road) -> None:
    at = now(road)
    frozen = {"clusters": ["prod"], "services": ["*"], "reason": "audit", "by": "ann", "at": at, "until": None}

    assert road.request(freeze={"clusters": ["prod"], "reason": "audit"}, by="ann") == {"freezes": [frozen]}

    pushes = road.push(pushed("v2"))
    assert {service["cluster"]: service["reason"] for service in pushes["services"]} == {
        "staging": None,
        "prod": "ann froze it: audit",
    }
    status = road.request(status={})
    assert status["freezes"] == [frozen]
    assert [[wait["reason_kind"] for wait in service["waits"]] for service in status["services"]] == [["frozen"], []]
    lifted = road.request(unfreeze={})
    assert (lifted["lifted"], lifted["freezes"]) == ([frozen], [])
    assert [push["outcome"] for push in lifted["pushes"]] == ["deployed"]
    assert road.image("prod", "api") == f"{APP}:v2"


def test_a_service_alone(road: Road) -> None:
    road.request(freeze={"services": ["w*"], "reason": "moves"})

    assert road.push(pushed("v2"))["outcome"] == "deployed"


def test_a_rollback_is_not_held(road: Road) -> None:
    road.push(pushed("v2"))
    road.ecs.end_deployments()
    road.request(freeze={"reason": "audit"})

    road.request(rollback={"cluster": "prod", "service": "api"}, by="ann")

    assert road.image("prod", "api") == f"{APP}:v1"


def test_what_is_over_is_forgotten(road: Road) -> None:
    until = f"{datetime.fromtimestamp(road.ecs.clock.time() + 60, UTC):%Y-%m-%dT%H:%M:%SZ}"
    road.request(freeze={"reason": "first", "until": until})
    road.ecs.clock.sleep(61)

    assert road.request(status={})["freezes"] == []
    assert [freeze["reason"] for freeze in road.request(freeze={"reason": "second"})["freezes"]] == ["second"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"freeze": {}}, "The field reason of the request must be a text, but it is missing."),
        ({"freeze": {"reason": ""}}, 'The field reason of the request must be a text, but it is "".'),
        (
            {"freeze": {"reason": "a", "until": "tomorrow"}},
            'The field until of the request must be a time, as in 2026-12-01T08:00:00Z, but it is "tomorrow".',
        ),
        (
            {"freeze": {"reason": "a", "until": "2020-01-01T00:00:00Z"}},
            "The field until of the request is 2020-01-01T00:00:00Z, which is over.",
        ),
        ({"freeze": {"reason": "a", "tag": "b"}}, "The request has no field tag; it may have "),
        ({"unfreeze": {}}, "Nothing is frozen within these clusters and services. Frozen is: nothing."),
    ],
)
def test_what_makes_no_sense_is_said(road: Road, request_: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        road.request(**request_)

    assert str(caught.value).startswith(message)


def test_only_what_is_wholly_within_is_lifted(road: Road) -> None:
    road.request(freeze={"clusters": ["prod", "staging"], "reason": "audit"})

    with pytest.raises(InvalidRequestError, match=r"Frozen is: prod, staging/\*\.$"):
        road.request(unfreeze={"clusters": ["prod"]})


def test_nothing_to_freeze_where_nothing_is_deployed(ecs: StrictEcs) -> None:
    with pytest.raises(InvalidRequestError, match="set to dry_run"):
        Road(ecs, inputs={"dry_run": True}).request(freeze={"reason": "audit"})


def test_an_item_that_somebody_edited_fails_pushes_by_name(road: Road) -> None:
    item = {"target": {"S": "freezes"}, "item": {"S": "memory"}, "version": {"N": "1"}, "freezes": {"S": "{"}}
    road.table.put(item)

    result = road.push(pushed("v2"))

    assert (result["outcome"], road.ecs.writes) == ("failed", [])
    assert "freezes" in result["reason"]


def test_two_who_freeze_at_once(road: Road) -> None:
    def interrupted(known: tuple[Freeze, ...]) -> tuple[Freeze, ...]:
        road.request(freeze={"reason": "quicker"})
        return known

    with pytest.raises(OvertakenError):
        road.handler.environment.freezes.change(interrupted)

    assert [freeze["reason"] for freeze in road.request(status={})["freezes"]] == ["quicker"]


def test_a_lifted_freeze_says_where_what_waited_is_not_looked_at(road: Road) -> None:
    road.request(freeze={"reason": "audit"})
    road.push(pushed("v2"))
    road.table.inject("BatchGetItem", TableFault.ACCESS_DENIED)

    with pytest.raises(StillWaitingError, match=r"^It is not frozen any more, but what waited was not deployed: "):
        road.request(unfreeze={})

    assert road.request(status={})["freezes"] == []
