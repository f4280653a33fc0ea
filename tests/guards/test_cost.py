"""What the product costs, in counts that are the same on every machine: calls, round trips, bytes, modules.

docs/decisions/calls.md states the formula of the calls.
"""

import json
import subprocess
import sys
from collections import Counter
from math import ceil
from typing import ClassVar, NamedTuple

import pytest

import build_zip
from ecr_deploy.core import settings
from tests.harness.road import ACCOUNT, APP, REGION, Registry, Road, definition, pushed
from tests.harness.rounds import Rounds
from tests.harness.strict_ecs import FakeClock, Fault, StrictEcs

# Raise it only for what every push needs; import the rest where it is used.
MODULES_AT_START = 48


class Fleet(NamedTuple):
    """Services in one cluster, so many to a family, of which so many families run the image that is pushed."""

    services: int
    per_family: int = 1
    families_hit: int = 1
    service_revisions: bool = True

    @property
    def families(self) -> int:
        return ceil(self.services / self.per_family)

    def build(self, ecs: StrictEcs) -> None:
        arns = [
            ecs.register(definition(f"family-{index}", f"{APP}:v1"))
            if index < self.families_hit
            else ecs.register(definition(f"family-{index}", f"{APP}-{index}:v1"))
            for index in range(self.families)
        ]
        for index in range(self.services):
            revision = arns[index // self.per_family]
            ecs.add_service("prod", f"service-{index}", revision, service_revisions=self.service_revisions)

    def calls(self, *, cold: bool) -> Counter[str]:
        """The formula."""
        unknown = self.families if cold else 0
        by_service_revision = unknown if self.service_revisions else 0
        return +Counter(
            ListClusters=1,
            DescribeClusters=1,
            ListServices=ceil(self.services / 100),
            DescribeServices=ceil(self.services / 10),
            DescribeServiceRevisions=ceil(by_service_revision / 20),
            DescribeTaskDefinition=unknown - by_service_revision + self.families_hit,
            RegisterTaskDefinition=self.families_hit,
            UpdateService=min(self.services, self.families_hit * self.per_family),
        )

    def check_table(self, road: Road) -> None:
        """The formula of DynamoDB's calls: what is desired and what was done, and the leases."""
        found = Counter(call.operation for call in road.table.calls)
        # Taken, noted what is to be registered, given back; and prolonged, where ECS's pace makes it take longer.
        assert 3 * self.families_hit <= found.pop("UpdateItem") <= 4 * self.families_hit
        hit = min(self.services, self.families_hit * self.per_family)
        assert found == Counter(BatchGetItem=ceil(hit / 99), PutItem=2 * hit)


FLEETS = [
    Fleet(1),
    Fleet(10),
    Fleet(10, service_revisions=False),
    Fleet(100, families_hit=10),
    Fleet(100, families_hit=100),
    Fleet(100, per_family=10, families_hit=10),
    Fleet(100, per_family=10, service_revisions=False),
    Fleet(1000),
    Fleet(1000, per_family=10, families_hit=10),
]


@pytest.mark.parametrize("fleet", FLEETS, ids=str)
def test_calls_are_the_formula(ecs: StrictEcs, fleet: Fleet) -> None:
    fleet.build(ecs)
    road = Road(ecs)

    road.push(pushed("v2"))

    assert Counter(call.operation for call in ecs.calls) == fleet.calls(cold=True)
    fleet.check_table(road)

    ecs.end_deployments()
    ecs.calls.clear()
    road.table.calls.clear()
    road.push(pushed("v3", time="2026-11-25T07:00:00Z"))

    assert Counter(call.operation for call in ecs.calls) == fleet.calls(cold=False)
    fleet.check_table(road)


@pytest.mark.parametrize("fleet", [fleet for fleet in FLEETS if fleet.families_hit <= 20], ids=str)
def test_a_push_soon_after_another_describes_what_it_hits(ecs: StrictEcs, fleet: Fleet) -> None:
    fleet.build(ecs)
    road = Road(ecs)
    road.deliver(pushed("v2"))
    ecs.end_deployments()
    # What the function has updated itself is described again with the next push.
    ecs.clock.sleep(200)
    road.deliver(pushed("v1", repository="nobody"))
    ecs.clock.sleep(60)
    ecs.calls.clear()
    road.table.calls.clear()

    road.deliver(pushed("v3", time="2026-11-23T07:00:00Z"))

    hit = min(fleet.services, fleet.families_hit * fleet.per_family)
    formula = {**fleet.calls(cold=False), "DescribeServices": ceil(hit / 10)}
    assert Counter(call.operation for call in ecs.calls) == formula
    assert fleet != Fleet(1000) or sum(formula.values()) == 16
    fleet.check_table(road)


def test_a_push_that_no_rule_lets_in_costs_no_call(ecs: StrictEcs) -> None:
    Fleet(10).build(ecs)

    result = Road(ecs, inputs={"rules": [{"tags": ["release-*"]}]}).push(pushed("v2"))

    assert result["outcome"] == "skipped"
    assert ecs.calls == []


def test_a_push_that_nobody_runs_costs_reading_the_fleet(ecs: StrictEcs) -> None:
    Fleet(30, families_hit=0).build(ecs)
    road = Road(ecs)

    road.push(pushed("v2"))
    # The newest revision of each family may run the repository from now on: that is asked for once in five minutes.
    newest = Counter(DescribeTaskDefinition=30)
    assert Counter(call.operation for call in ecs.calls) == Fleet(30, families_hit=0).calls(cold=True) + newest


@pytest.mark.parametrize(
    ("inputs", "cold", "warm"),
    [({"clusters": ["prod"]}, 8, 7), ({}, 9, 8)],
    ids=["cluster named", "clusters listed"],
)
def test_round_trips_one_after_the_other(inputs: dict[str, object], cold: int, warm: int) -> None:
    rounds = Rounds()
    ecs = StrictEcs(clock=rounds, latency=1)
    Fleet(10).build(ecs)
    road = Road(ecs, inputs=inputs, clock=FakeClock())
    road.table.latency = 1

    road.push(pushed("v2"))
    assert rounds.count == cold

    ecs.end_deployments()
    rounds.count = 0
    road.push(pushed("v3", time="2026-11-25T07:00:00Z"))
    assert rounds.count == warm


class Counting(Road):
    """Counts the clients that are made."""

    made: ClassVar[Counter[str]] = Counter()

    def client(self, service: str, **kwargs: object) -> object:
        self.made[service] += 1
        return super().client(service, **kwargs)


def test_a_scheduled_run_makes_one_client_for_all_repositories_and_asks_them_side_by_side(ecs: StrictEcs) -> None:
    registry = Registry()
    for index in range(60):
        name = f"app-{index}"
        registry.push("v1", repository=name, time="2026-11-20T06:00:00Z")
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP._replace(name=name)}:v1")))
    Counting.made.clear()
    road = Counting(ecs, inputs={"reconcile": True}, registry=registry)
    tick = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}

    assert road.deliver(tick) == []

    assert road.made["ecr"] == 1
    assert ecs.writes == []


def test_services_that_roll_out_are_asked_whether_they_roll_back(ecs: StrictEcs) -> None:
    Fleet(30, per_family=30).build(ecs)
    road = Road(ecs)
    road.push(pushed("v2"))

    road.push(pushed("v3", time="2026-11-25T07:00:00Z"))

    assert ecs.count("DescribeServiceDeployments") == 2


def test_services_without_service_revisions_fall_back_one_by_one(ecs: StrictEcs) -> None:
    Fleet(20).build(ecs)
    ecs.add_service("prod", "old", ecs.register(definition("old", f"{APP}:v1")))

    result = Road(ecs).push(pushed("v2"))

    assert len(result["services"]) == 2
    assert ecs.count("DescribeServiceRevisions") == 1
    described = [call.request["taskDefinition"] for call in ecs.calls if call.operation == "DescribeTaskDefinition"]
    assert sorted(described) == sorted([ecs.revisions("old")[0], "old", "family-0"])


def test_a_function_that_may_not_read_service_revisions_falls_back(ecs: StrictEcs) -> None:
    Fleet(10).build(ecs)
    ecs.inject("DescribeServiceRevisions", Fault.ACCESS_DENIED)

    result = Road(ecs).push(pushed("v2"))

    assert result["outcome"] == "deployed"
    assert ecs.count("DescribeTaskDefinition") == 11


def test_a_service_that_rolls_out_is_known_by_what_it_is_told_to_run(ecs: StrictEcs) -> None:
    before = ecs.register(definition("api", f"{APP}-before:v1"))
    ecs.add_service("prod", "api", before, service_revisions=True)
    ecs.update_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))

    result = Road(ecs).push(pushed("v2"))

    assert [service["from"] for service in result["services"]] == ["api:2"]
    assert ecs.count("DescribeServiceRevisions") == 1


def test_a_service_that_rolls_back_is_known_by_what_it_goes_back_to(ecs: StrictEcs) -> None:
    before = ecs.register(definition("api", f"{APP}:v1"))
    ecs.add_service("prod", "api", before, service_revisions=True)
    ecs.update_service("prod", "api", ecs.register(definition("api", "nginx")))
    ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")

    result = Road(ecs, inputs={"base_revision": "running"}).push(pushed("v2"))

    assert [service["from"] for service in result["services"]] == ["api:1"]


def test_a_service_whose_definition_is_gone_is_skipped(ecs: StrictEcs) -> None:
    """Its service revision still tells what it runs."""
    Fleet(1).build(ecs)
    ecs.inject("DescribeTaskDefinition", Fault.MISSING, times=4)

    result = Road(ecs).push(pushed("v2"))

    assert result["outcome"] == "skipped"
    assert "what it runs is unknown" in result["reason"]
    assert ecs.writes == []


def test_the_zip_is_small() -> None:
    assert len(build_zip.COMMITTED.read_bytes()) <= 160 * 1024


def test_a_start_loads_our_own_modules_and_no_other_that_a_client_does_not_need() -> None:
    """Every module more is time at each cold start; what few pushes need is loaded when they come."""
    program = """
import sys, botocore.session
botocore.session.Session().create_client("ecs")
loaded = set(sys.modules)
import ecr_deploy.handler
print(*sorted(sys.modules.keys() - loaded))
"""
    values = {
        "account_id": ACCOUNT,
        "table_name": "table",
        "queue_url": "https://queue",
        "dead_letter_queue_url": "https://dead",
    }
    environment = {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        settings.VARIABLE: json.dumps(values),
        "PYTHONPATH": str(build_zip.COMMITTED),
    }
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    loaded = answer.stdout.split()
    others = [module for module in loaded if module.partition(".")[0] != "ecr_deploy"]
    assert others == ["concurrent.futures.thread", "gc"]
    assert len(loaded) <= MODULES_AT_START + len(others)


def test_what_waits_costs_a_scheduled_run_no_call(ecs: StrictEcs) -> None:
    """A run reads the fleet once and the table twice; of what still waits it asks and writes nothing more."""
    tick = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}

    def run(road: Road) -> Counter[str]:
        ecs.calls.clear()
        road.table.calls.clear()
        assert road.deliver(tick) == []
        return Counter(call.operation for call in (*ecs.calls, *road.table.calls))

    Fleet(1000, per_family=10, families_hit=100).build(ecs)
    road = Road(ecs, inputs={"rules": [{"approval": {}}]})
    run(road)
    nothing_waits = run(road)
    for tag in ("v2", "v3", "v4"):
        assert road.push(pushed(tag))["outcome"] == "waiting"
    run(road)

    assert run(road) == nothing_waits
    # Once for the rollouts, and once for what waits.
    assert nothing_waits["BatchGetItem"] == 2 * ceil(1000 / 99)
