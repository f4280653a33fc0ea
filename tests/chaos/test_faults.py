"""Every fault, one by one, on every operation that a push uses: what comes of it, and that nothing ends silently.

The table is what the tests expect; they print what they saw below the results of pytest.
"""

import json
from typing import Any

import pytest

from ecr_deploy.aws import pacing
from tests.harness.road import APP, Queues, Road, definition, pushed
from tests.harness.strict_ecs import Answer, FakeClock, Fault, StrictEcs

FOREVER = 1000
ROLE = "arn:aws:iam::123456789012:role/task"
# What no such push calls: test_rollback.py, test_stops.py, test_hooks.py and test_tasks_first.py of tests/unit are
# about these, and test_task_crashes.py.
AFTERWARDS = {
    "ContinueServiceDeployment",
    "DescribeTasks",
    "DeregisterTaskDefinition",
    "ListServiceDeployments",
    "ListTaskDefinitions",
    "ListTasks",
    "RunTask",
    "StopServiceDeployment",
    "StopTask",
}
# Fault, operation, what comes of it when it hits one call, and when it hits every call.
TABLE = """
throttling          | ListClusters               | deployed            | failed, comes back
throttling          | DescribeClusters           | deployed            | failed, comes back
throttling          | ListServices               | deployed            | failed, comes back
throttling          | DescribeServices           | deployed            | failed, comes back
throttling          | DescribeServiceDeployments | deployed            | failed, comes back
throttling          | DescribeServiceRevisions   | deployed            | failed, comes back
throttling          | ListTaskDefinitionFamilies | deployed            | failed, comes back
throttling          | DescribeTaskDefinition     | deployed            | failed, comes back
throttling          | RegisterTaskDefinition     | deployed            | failed, comes back
throttling          | UpdateService              | deployed            | failed, goes on
internal            | ListClusters               | deployed            | failed, comes back
internal            | DescribeClusters           | deployed            | failed, comes back
internal            | ListServices               | deployed            | failed, comes back
internal            | DescribeServices           | deployed            | failed, comes back
internal            | DescribeServiceDeployments | deployed            | failed, comes back
internal            | DescribeServiceRevisions   | deployed            | deployed
internal            | ListTaskDefinitionFamilies | deployed            | failed, comes back
internal            | DescribeTaskDefinition     | deployed            | failed, comes back
internal            | RegisterTaskDefinition     | deployed            | failed, comes back
internal            | UpdateService              | deployed            | failed, comes back
connection_reset    | ListClusters               | deployed            | failed, comes back
connection_reset    | DescribeClusters           | deployed            | failed, comes back
connection_reset    | ListServices               | deployed            | failed, comes back
connection_reset    | DescribeServices           | deployed            | failed, comes back
connection_reset    | DescribeServiceDeployments | deployed            | failed, comes back
connection_reset    | DescribeServiceRevisions   | deployed            | deployed
connection_reset    | ListTaskDefinitionFamilies | deployed            | failed, comes back
connection_reset    | DescribeTaskDefinition     | deployed            | failed, comes back
connection_reset    | RegisterTaskDefinition     | deployed            | failed, comes back
connection_reset    | UpdateService              | deployed            | failed, comes back
timeout_after_write | ListClusters               | deployed            | failed, comes back
timeout_after_write | DescribeClusters           | deployed            | failed, comes back
timeout_after_write | ListServices               | deployed            | failed, comes back
timeout_after_write | DescribeServices           | deployed            | failed, comes back
timeout_after_write | DescribeServiceDeployments | deployed            | failed, comes back
timeout_after_write | DescribeServiceRevisions   | deployed            | deployed
timeout_after_write | ListTaskDefinitionFamilies | deployed            | failed, comes back
timeout_after_write | DescribeTaskDefinition     | deployed            | failed, comes back
timeout_after_write | RegisterTaskDefinition     | deployed            | deployed
timeout_after_write | UpdateService              | deployed            | failed, comes back
malformed           | ListClusters               | deployed            | failed, comes back
malformed           | DescribeClusters           | deployed            | failed, comes back
malformed           | ListServices               | deployed            | failed, comes back
malformed           | DescribeServices           | deployed            | failed, comes back
malformed           | DescribeServiceDeployments | deployed            | failed, comes back
malformed           | DescribeServiceRevisions   | deployed            | deployed
malformed           | ListTaskDefinitionFamilies | deployed            | failed, comes back
malformed           | DescribeTaskDefinition     | deployed            | failed, comes back
malformed           | RegisterTaskDefinition     | deployed            | deployed
malformed           | UpdateService              | deployed            | failed, comes back
access_denied       | ListClusters               | failed, dead letter | failed, dead letter
access_denied       | DescribeClusters           | failed, dead letter | failed, dead letter
access_denied       | ListServices               | failed, dead letter | failed, dead letter
access_denied       | DescribeServices           | failed, dead letter | failed, dead letter
access_denied       | DescribeServiceDeployments | failed, dead letter | failed, dead letter
access_denied       | DescribeServiceRevisions   | deployed            | deployed
access_denied       | ListTaskDefinitionFamilies | failed, dead letter | failed, dead letter
access_denied       | DescribeTaskDefinition     | failed, dead letter | failed, dead letter
access_denied       | RegisterTaskDefinition     | failed, dead letter | failed, dead letter
access_denied       | UpdateService              | failed, dead letter | failed, dead letter
pass_role_denied    | RegisterTaskDefinition     | failed, dead letter | failed, dead letter
missing             | DescribeClusters           | deployed            | deployed
missing             | ListServices               | deployed            | deployed
missing             | DescribeServices           | deployed            | deployed
missing             | DescribeServiceDeployments | deployed            | deployed
missing             | DescribeServiceRevisions   | deployed            | deployed
missing             | DescribeTaskDefinition     | deployed            | skipped
missing             | UpdateService              | deployed            | deployed
inactive            | DescribeTaskDefinition     | deployed            | deployed
inactive            | UpdateService              | deployed            | failed, comes back
concurrent_register | RegisterTaskDefinition     | deployed            | failed, comes back
"""


def rows() -> list[tuple[Fault, str, str, str]]:
    lines = [[column.strip() for column in line.split("|")] for line in TABLE.strip().splitlines()]
    return [(Fault(fault), operation, once, lasting) for fault, operation, once, lasting in lines]


def cases() -> list[Any]:
    return [
        pytest.param(fault, operation, times, expected, id=f"{fault.value}-{operation}-{length}")
        for fault, operation, once, lasting in rows()
        for times, expected, length in ((1, once, "once"), (FOREVER, lasting, "lasting"))
    ]


@pytest.fixture
def road(aws_queues: Queues) -> Road:
    """Two services, one of them rolling out, and a family that no service runs."""
    ecs = StrictEcs(clock=FakeClock())
    for family in ("api", "web", "job"):
        revision = ecs.register(definition(family, f"{APP}:v1", taskRoleArn=ROLE))
        if family != "job":
            ecs.add_service("prod", family, revision, service_revisions=True)
    # One that rolls out is asked whether it rolls back.
    ecs.update_service("prod", "web")
    return Road(ecs, queues=aws_queues, inputs={"rules": [{"families": ["job"]}]})


def images(road: Road) -> list[str]:
    """What the services, and the family that none runs, have now."""
    arns = [road.ecs.task_definition("prod", name) or "" for name in ("api", "web")] + road.ecs.revisions("job")[-1:]
    return [road.ecs.definition(arn)["containerDefinitions"][0]["image"].rpartition(":")[2] for arn in arns]


def fate(queues: Queues, failed: list[str]) -> str:
    """What became of a message, in words to be put behind the outcome of its push."""
    if failed:
        return ", comes back"
    if queues.dead_letters():
        return ", dead letter"
    return ", goes on" if queues.waiting() else ""


def registered(ecs: StrictEcs) -> int:
    return sum(call.operation == "RegisterTaskDefinition" for call in ecs.writes)


def test_the_table_has_every_fault_of_every_operation() -> None:
    used = pacing._BUCKET_OF.keys() - AFTERWARDS  # noqa: SLF001 - the one list of all operations that the function calls
    assert {row[:2] for row in rows()} == {(fault, one) for fault in Fault for one in used if fault.can_hit(one)}


@pytest.mark.parametrize(("fault", "operation", "times", "expected"), cases())
def test_fault(  # noqa: PLR0913, PLR0917 - the columns of the table
    road: Road,
    aws_queues: Queues,
    printed: dict[str, list[str]],
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    operation: str,
    times: int,
    expected: str,
) -> None:
    caplog.set_level("INFO", "ecr_deploy")
    event = pushed("v2")
    road.ecs.inject(operation, fault, times=times)

    failed = road.deliver(event)

    [line] = [record.__dict__ for record in caplog.records if "outcome" in record.__dict__]
    seen = line["outcome"] + fate(aws_queues, failed)
    columns = printed.setdefault(f"{fault.value:19} | {operation:26}", [])
    columns += [f"{seen:19}", *([line["reason"] or ""] if times == FOREVER else [])]
    assert seen == expected
    assert line["levelname"] == ("ERROR" if "failed" in seen else "INFO")
    assert line["reason"] or seen == "deployed"
    if seen == "deployed" and fault is not Fault.MISSING:
        assert images(road) == ["v2"] * 3

    road.ecs.heal()
    road.cold_start()
    road.deliver(event)

    assert images(road) == ["v2"] * 3
    assert registered(road.ecs) == 3


def test_a_register_whose_answer_is_lost_makes_no_second_revision(road: Road) -> None:
    road.ecs.inject("RegisterTaskDefinition", Fault.TIMEOUT_AFTER_WRITE, times=FOREVER)

    assert road.deliver(pushed("v2")) == []

    assert [len(road.ecs.revisions(family)) for family in ("api", "web", "job")] == [2, 2, 2]
    assert images(road) == ["v2"] * 3


def test_a_role_that_may_not_be_passed(road: Road, aws_queues: Queues, caplog: pytest.LogCaptureFixture) -> None:
    """It stops its own family only, is told with what to do, and never tried again."""
    road.ecs.inject("RegisterTaskDefinition", Fault.PASS_ROLE_DENIED)
    event = pushed("v2")

    assert road.deliver(event) == []

    assert aws_queues.dead_letters() == [json.dumps(event)]
    assert aws_queues.waiting() == []
    assert sorted(images(road)) == ["v1", "v2", "v2"]
    assert registered(road.ecs) == 2
    [line] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert f"the role {ROLE} may not be passed: add it to the module's input pass_role_arns" in line


class OneService(StrictEcs):
    """An ECS that refuses to update one service, and no other."""

    def __init__(self, service: str, code: str) -> None:
        super().__init__(clock=FakeClock())
        self.service = service
        self.error = code

    def handle(self, operation: str, body: bytes) -> Answer:
        if operation == "UpdateService" and json.loads(body)["service"] == self.service:
            return Answer(400, {}, json.dumps({"__type": self.error, "message": "No."}).encode())
        return super().handle(operation, body)


@pytest.mark.parametrize(
    ("code", "outcome", "retry"),
    [
        ("AccessDeniedException", "failed", []),
        ("ClientException", "failed", []),
        ("InvalidParameterException", "failed", []),
        ("ServerException", "failed", ["message-0"]),
        ("ServiceNotFoundException", "skipped", []),
        ("ServiceNotActiveException", "skipped", []),
    ],
)
def test_a_service_that_fails_leaves_all_others_deployed(
    aws_queues: Queues, caplog: pytest.LogCaptureFixture, code: str, outcome: str, retry: list[str]
) -> None:
    caplog.set_level("INFO", "ecr_deploy")
    ecs = OneService("service-7", code)
    revision = ecs.register(definition("api", f"{APP}:v1"))
    for index in range(10):
        ecs.add_service("prod", f"service-{index}", revision)
    road = Road(ecs, queues=aws_queues)

    assert road.deliver(pushed("v2")) == retry

    [line] = [record.__dict__ for record in caplog.records if "outcome" in record.__dict__]
    outcomes = {service["service"]: service["outcome"] for service in line["services"]}
    assert outcomes.pop("service-7") == outcome
    assert set(outcomes.values()) == {"deployed"}
    assert [index for index in range(10) if road.image("prod", f"service-{index}") == f"{APP}:v1"] == [7]
    assert len(aws_queues.dead_letters()) == (outcome == "failed" and not retry)


def test_a_cluster_that_is_not_there_keeps_pushes_from_no_other(caplog: pytest.LogCaptureFixture) -> None:
    ecs = StrictEcs(clock=FakeClock())
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))

    result = Road(ecs, inputs={"clusters": ["gone", "prod"]}).push(pushed("v2"))

    assert result["outcome"] == "deployed"
    assert "there is no cluster gone" in caplog.text


def test_a_revision_that_is_deregistered_before_its_service_gets_it(road: Road, aws_queues: Queues) -> None:
    """Trying again helps: a run of its own plans another revision."""
    road.ecs.inject("UpdateService", Fault.INACTIVE, times=FOREVER)
    event = pushed("v2")
    assert road.deliver(event) == ["message-0"]
    for family in ("api", "web"):
        road.ecs.deregister(road.ecs.revisions(family)[-1])
    road.ecs.heal()

    assert road.deliver(event) == []

    assert aws_queues.dead_letters() == []
    assert images(road) == ["v2"] * 3
