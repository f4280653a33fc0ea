"""What the log says of a push, the metrics that CloudWatch takes from it, and what it never says."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.harness.cloudwatch import Metric, log_lines, metrics, values
from tests.harness.road import APP, Queues, Registry, Road, definition, pushed
from tests.harness.strict_ecs import Fault, StrictEcs

TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.fixture(autouse=True)
def _function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "ecr-deploy")


@pytest.fixture
def log() -> Iterator[list[str]]:
    with log_lines() as lines:
        yield lines


@pytest.fixture
def api(ecs: StrictEcs) -> StrictEcs:
    """A service that runs v1."""
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    return ecs


def metric(name: str, outcome: str | None = None) -> Metric:
    dimensions = {"FunctionName": "ecr-deploy", **({"Outcome": outcome} if outcome else {})}
    return Metric("ecr-deploy", name, frozenset(dimensions.items()))


def test_every_push_is_one_line_and_one_count_of_its_outcome(api: StrictEcs, log: list[str]) -> None:
    road = Road(api)
    events = [pushed(tag, time=f"2026-11-23T{hour}:00:00Z") for tag, hour in (("v2", "07"), ("v2", "07"), ("v1", "06"))]
    events.append(pushed("v2", repository="nobody"))
    for event in events:
        road.push(event)
    api.inject("UpdateService", Fault.ACCESS_DENIED)
    events.append(pushed("v3", time="2026-11-23T08:00:00Z"))
    road.push(events[-1])

    told = [json.loads(line) for line in log]

    outcomes = ["deployed", "unchanged", "superseded", "skipped", "failed"]
    assert [line["outcome"] for line in told] == outcomes
    assert [line["event_id"] for line in told] == [event["id"] for event in events]
    assert [line["image"].rpartition("/")[2] for line in told] == ["app:v2", "app:v2", "app:v1", "nobody:v2", "app:v3"]
    assert values(log, metric("Pushes")) == [1] * 5
    assert [values(log, metric("Pushes", outcome)) for outcome in outcomes] == [[1]] * 5


def test_services_and_seconds_are_counted_where_something_was_updated(api: StrictEcs, log: list[str]) -> None:
    api.add_service("prod", "web", "api")
    minute_ago = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    Road(api).push(pushed("v2", time=minute_ago))
    Road(api, inputs={"dry_run": True}).push(pushed("v3", time="2036-11-23T06:00:00Z"))

    assert values(log, metric("ServicesUpdated")) == [2, 0]
    [seconds] = values(log, metric("PushToUpdateSeconds", "deployed"))
    assert 60 <= seconds < 120


def test_the_rest_of_a_push_that_ran_out_of_time_is_no_second_push(
    ecs: StrictEcs, aws_queues: Queues, log: list[str]
) -> None:
    for number in range(30):
        family = f"family-{number}"
        ecs.add_service("prod", family, ecs.register(definition(family, f"{APP}:v1")))
    road = Road(ecs, queues=aws_queues)

    road.deliver(pushed("v2"), seconds=25)
    ecs.clock.sleep(300)
    road.deliver(pushed("v2"))

    assert values(log, metric("Pushes", "failed")) == [0]
    assert values(log, metric("Pushes", "deployed")) == [1]
    assert sum(values(log, metric("ServicesUpdated"))) == 30


def test_throttled_calls_are_counted_for_each_invocation(api: StrictEcs, log: list[str]) -> None:
    road = Road(api)
    api.inject("UpdateService", Fault.THROTTLING, times=2)
    api.inject("DescribeServices", Fault.THROTTLING)
    road.push(pushed("v2"))
    road.push(pushed("v3", time="2026-11-25T07:00:00Z"))

    assert values(log, metric("ThrottledCalls")) == [3]
    assert any("ECS throttled 3 calls: DescribeServices, UpdateService" in line for line in log)


def test_a_reconciliation_is_counted_when_it_saw_everything(api: StrictEcs, aws_queues: Queues, log: list[str]) -> None:
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    road = Road(api, queues=aws_queues, inputs={"reconcile": True}, clients={"ecr": registry})
    assert road.deliver(TICK) == []
    assert values(log, metric("Reconciliations")) == [1]

    api.inject("ListServices", Fault.ACCESS_DENIED)
    road.deliver(TICK)
    assert values(log, metric("Reconciliations")) == [1]


def test_metrics_have_no_dimension_that_grows_with_the_fleet(api: StrictEcs, log: list[str]) -> None:
    road = Road(api)
    for number in range(2, 5):
        road.push(pushed(f"v{number}", time=f"2026-11-23T0{number}:00:00Z"))

    names = {name for one in metrics(log) for name, _ in one.dimensions}
    assert names == {"FunctionName", "Outcome"}
    assert all(metric["Unit"] in ("Count", "Seconds") for line in log for metric in _declared(line))


def _declared(line: str) -> list[dict[str, Any]]:
    [directive] = json.loads(line)["_aws"]["CloudWatchMetrics"]
    declared: list[dict[str, Any]] = directive["Metrics"]
    return declared
