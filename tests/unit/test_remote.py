"""Stages in other regions: what is reported there on the bus opens them here, and nothing else does."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_deploy.core import remote
from ecr_deploy.core.images import Repository
from ecr_deploy.core.remote import Deployment
from tests.harness.road import ACCOUNT, APP, SCHEMA, Queues, Road, definition, digest, from_region, pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs
from tests.harness.table import StrictTable, TableFault
from tests.unit.test_rollouts import changed

THERE = "us-east-1"
AFTER = {"rules": [{"after": {"region": THERE, "clusters": ["first*"], "services": ["api*", "web"]}}]}
BEGAN = datetime(2026, 11, 24, tzinfo=UTC)


def reported(  # noqa: PLR0913 - the fields of the event that count
    outcome: str,
    tag: str = "v2",
    service: str | None = "api",
    *,
    minute: int = 0,
    cluster: str | None = "first",
    image: str | None = None,
    region: str = THERE,
    account: str = ACCOUNT,
) -> dict[str, Any]:
    """What ecr-deploy reports in another region of `app:TAG`, at a minute."""
    names = ("trigger", "by", "previous_image", "seconds_since_push", "family", "from", "to", "deployment")
    detail = dict.fromkeys((*names, "reason", "reason_kind")) | {
        "version": 1,
        "function": "ecr-deploy",
        "account": account,
        "region": region,
        "outcome": outcome,
        "image": image or f"{APP}:{tag}",
        "digest": digest(tag),
        # Of v2 later than of v1.
        "pushed_at": f"2026-11-24T06:00:{int(tag[1:]):02}Z",
        "cluster": cluster,
        "service": service,
    }
    SCHEMA.validate(detail)
    return from_region(region, detail, f"2026-11-24T07:{minute:02}:00Z", account)


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    ecs.add_service("second", "api", ecs.register(definition("api", f"{APP}:v1")))
    return Road(ecs, inputs=AFTER)


def waits(road: Road, tag: str = "v2") -> str:
    """Push, which has to wait; gives why."""
    result = road.push(pushed(tag, time=f"2026-11-24T06:00:{int(tag[1:]):02}Z"))
    assert result["outcome"] == "waiting"
    return str(result["reason"])


def runs(road: Road) -> str:
    return road.image("second", "api").removeprefix(f"{APP}:")


def test_the_last_of_the_services_opens_it(road: Road) -> None:
    assert waits(road) == "no service of api* or web in first* in us-east-1 has reported app"
    assert road.deliver(*(reported("started", service=name) for name in ("api-1", "api-2", "web"))) == []

    assert road.deliver(reported("live", service="api-1"), reported("live", service="web")) == []
    assert runs(road) == "v1"
    assert waits(road) == ("it has not been live on first/api-2, which is in api* or web in first* in us-east-1")

    assert road.deliver(reported("live", service="api-2")) == []
    assert runs(road) == "v2"


def test_no_call_to_ecs_is_made_before_the_last(ecs: StrictEcs, road: Road) -> None:
    names = [f"api-{number}" for number in range(30)]
    waits(road)
    road.deliver(*(reported("started", service=name) for name in names))
    ecs.calls.clear()
    calls = len(road.table.calls)

    road.deliver(*(reported("live", service=name) for name in names[:-1]))

    assert ecs.calls == []
    assert len(road.table.calls) - calls == 3 * len(names[:-1])


@pytest.mark.parametrize("outcome", ["started", "waiting", "superseded", "failed", "rolled-back"])
def test_what_is_not_live_opens_nothing(road: Road, outcome: str) -> None:
    road.deliver(reported("live", service="web"), reported(outcome, service="api"))

    reason = waits(road)

    assert reason.startswith("it was rolled back from" if outcome == "rolled-back" else "it has not been live on")
    assert "first/api, " in reason


def test_a_service_that_is_deleted_holds_back_one_push(road: Road) -> None:
    road.deliver(*(reported("live", "v1", name) for name in ("api", "web")))
    # Here web is deleted, and reports nothing any more.
    road.deliver(reported("live", "v2", "api"))
    assert waits(road, "v2").startswith("it has not been live on first/web,")

    road.deliver(reported("live", "v3", "api"))

    assert road.push(pushed("v3", time="2026-11-24T06:00:03Z"))["outcome"] == "deployed"


def test_a_service_whose_turn_is_yet_to_come_counts_by_the_push_before(road: Road) -> None:
    """The function there reports no more than a slice at once."""
    road.deliver(*(reported("live", "v1", name) for name in ("api", "web")))

    road.deliver(reported("started", "v2", "api"), reported("live", "v2", "api"))

    assert waits(road, "v2").startswith("it has not been live on first/web,")
    assert waits(road, "v9").startswith("it has not been live on first/api,")


def test_a_daemon_opens_it_as_a_service_does(ecs: StrictEcs) -> None:
    ecs.add_service("second", "api", ecs.register(definition("api", f"{APP}:v1")))
    road = Road(ecs, inputs={"rules": [{"after": {"region": THERE, "clusters": ["first"], "services": ["daemon/*"]}}]})
    assert waits(road) == "no service of daemon/* in first in us-east-1 has reported app"

    assert road.deliver(reported("live", service="api"), reported("live", service="daemon/agent")) == []

    assert runs(road) == "v2"


def test_services_of_no_stage_do_not_count(road: Road) -> None:
    waits(road)
    others = [reported("started", service="worker"), reported("started", cluster="other")]

    assert road.deliver(*others, reported("live")) == []

    assert runs(road) == "v2"


def test_who_is_live_first_there_may_be_pushed_later_here(road: Road) -> None:
    road.deliver(reported("started"), reported("live"))

    assert road.push(pushed("v2"))["outcome"] == "deployed"


def test_a_replica_waits_for_its_original(ecs: StrictEcs) -> None:
    replica = Repository(ACCOUNT, "ap-southeast-2", "app")
    ecs.add_service("second", "api", ecs.register(definition("api", f"{replica}:v1")))
    road = Road(ecs, inputs=AFTER)
    arrived = pushed("v2", region="ap-southeast-2")
    assert road.push(arrived)["outcome"] == "waiting"

    assert road.deliver(reported("live")) == []

    assert road.image("second", "api") == f"{replica}:v2"


@pytest.mark.parametrize(
    "other",
    [
        {"account": "210987654321"},
        {"region": "ap-southeast-2"},
        {"image": f"{APP}-worker:v2"},
        {"cluster": None, "service": None},
    ],
    ids=str,
)
def test_what_others_report_opens_nothing(road: Road, other: dict[str, Any]) -> None:
    road.deliver(reported("live", **other))

    assert waits(road).startswith("no service of")
    assert not [key for key in road.table.items() if key[0] == "remote" and "/app:" in key[1]]


def test_in_a_dry_run_nothing_is_written(ecs: StrictEcs, road: Road) -> None:
    road = Road(ecs, inputs={**AFTER, "dry_run": True})

    assert road.deliver(reported("live")) == []

    assert road.table.items() == {}


def test_many_repositories_are_read_at_once(ecs: StrictEcs) -> None:
    others = [Repository(ACCOUNT, "eu-west-1", name) for name in ("app", "web", "app/web")]
    ecs.add_service("second", "api", ecs.register(definition("api", *(f"{one}:v1" for one in others))))
    road = Road(ecs, inputs=AFTER)
    road.deliver(*(reported("live", image=f"{repository}:v2") for repository in others[:2]))

    events = [pushed("v2", repository=repository.name, event_id=repository.name) for repository in others]
    road.deliver(*events)

    images = [road.image("second", "api", name) for name in ("main", "sidecar-1", "sidecar-2")]
    assert images == [f"{others[0]}:v2", f"{others[1]}:v2", f"{others[2]}:v1"]


def test_each_image_of_a_rollout_is_reported(ecs: StrictEcs) -> None:
    web = Repository(ACCOUNT, "eu-west-1", "web")
    arn = ecs.register(definition("api", f"{APP}:v1", f"{web}:v1", f"{APP}:w1"))
    ecs.add_service("prod", "api", arn, service_revisions=True)
    rules = [{"containers": ["main", "sidecar-1"], "tags": ["v*"]}, {"containers": ["sidecar-2"], "tags": ["w*"]}]
    road = Road(ecs, inputs={"rules": rules})
    road.deliver(pushed("v2"), pushed("v3", repository="web", event_id="web"), pushed("w4", event_id="other"))
    assert len(ecs.writes) == 2
    ecs.end_deployments()

    road.deliver(changed())

    live = [detail for detail_type, detail in road.events.taken if detail_type == "Deployment Live"]
    assert sorted((detail["image"], detail["digest"]) for detail in live) == sorted(
        (f"{repository}:{tag}", digest(tag)) for repository, tag in ((APP, "v2"), (web, "v3"), (APP, "w4"))
    )


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("detail.image", "app:v2", 'detail.image is malformed: "app:v2"'),
        ("detail.image", "no image", 'detail.image is malformed: "no image"'),
        ("detail.image", str(APP), f'detail.image is malformed: "{APP}"'),
        ("detail.image", 7, "detail.image is malformed: 7"),
        ("detail.digest", "sha256:7", 'detail.digest is malformed: "sha256:7"'),
        ("detail.pushed_at", "yesterday", 'detail.pushed_at is malformed: "yesterday"'),
        ("detail.cluster", "", 'detail.cluster is malformed: ""'),
        ("detail.cluster", "first:second", 'detail.cluster is malformed: "first:second"'),
        ("detail.service", "api/1", 'detail.service is malformed: "api/1"'),
        ("detail.outcome", None, "detail.outcome is missing"),
        ("account", "1", 'account is malformed: "1"'),
        ("region", "Ireland", 'region is malformed: "Ireland"'),
        ("time", None, "time is missing"),
    ],
)
def test_what_is_malformed_is_dead_lettered(
    aws_queues: Queues, caplog: pytest.LogCaptureFixture, place: str, value: object, said: str
) -> None:
    event = reported("live")
    within, _, name = place.rpartition(".")
    (event[within] if within else event)[name] = value

    road = Road(StrictEcs(clock=FakeClock()), aws_queues, inputs=AFTER)
    assert road.deliver(event) == []

    assert aws_queues.dead_letters() == [json.dumps(event)]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [said]


def edited(table: StrictTable) -> None:
    """Somebody edits an item."""
    item = {"target": {"S": "remote"}, "item": {"S": f"{THERE}:{ACCOUNT}/app:first/api"}, "version": {"N": "1"}}
    table.put({**item, "deployments": {"S": "[7]"}})


def refused(table: StrictTable) -> None:
    """The role may not write."""
    table.inject("PutItem", TableFault.ACCESS_DENIED)


@pytest.mark.parametrize(("breaks", "said"), [(edited, "can't be read"), (refused, "PutItem of remote is not allowed")])
def test_what_can_not_be_recorded_fails_its_message_alone(
    aws_queues: Queues, caplog: pytest.LogCaptureFixture, breaks: Callable[[StrictTable], None], said: str
) -> None:
    road = Road(StrictEcs(clock=FakeClock()), aws_queues, inputs=AFTER)
    breaks(road.table)
    event = reported("live")

    assert road.deliver(event, group="pushes") == []

    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert line.startswith("event: failed: recording a deployment in us-east-1: ")
    assert said in line
    assert [json.loads(body) for body in [*aws_queues.waiting(), *aws_queues.dead_letters()]] == [event]


def test_one_that_was_written_though_no_answer_came(road: Road) -> None:
    waits(road)
    road.table.inject("PutItem", TableFault.TIMEOUT_AFTER_WRITE)

    assert road.deliver(reported("live")) == []

    assert runs(road) == "v2"


deployments = st.builds(
    Deployment,
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 3).map(lambda minutes: BEGAN + timedelta(minutes=minutes)),
    st.sampled_from(["started", "waiting", "live", "rolled-back"]),
    st.integers(0, 9).map(lambda minutes: BEGAN + timedelta(minutes=minutes)),
)


@given(st.lists(deployments, max_size=12).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_order_in_which_events_come_does_not_matter(found: tuple[list[Deployment], list[Deployment]]) -> None:
    ends = []
    for order in found:
        known: tuple[Deployment, ...] = ()
        for deployment in [*order, *order]:
            known = remote.merge(known, deployment)
        ends.append(known)

    assert ends[0] == ends[1]
    assert remote.from_json(remote.to_json(ends[0])) == ends[0]


def test_what_is_kept_of_a_service_is_bounded() -> None:
    known: tuple[Deployment, ...] = ()
    for number in range(100):
        at = BEGAN + timedelta(minutes=number)
        known = remote.merge(known, Deployment(digest(number), at, "live", at))

    assert [deployment.digest for deployment in known] == [digest(number) for number in range(99, 69, -1)]
