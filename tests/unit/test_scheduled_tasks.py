"""Rules and schedules that start tasks of a family follow it to its new revision, and lose nothing on the way."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber
from moto.events.models import events_backends
from moto.scheduler.models import scheduler_backends

from ecr_deploy.follow_ups import scheduled_tasks
from tests.harness.road import ACCOUNT, APP, REGION, Context, Queues, Road, batch, client, definition, pushed
from tests.harness.strict_ecs import StrictEcs

pytestmark = pytest.mark.usefixtures("moto")

ROLE = f"arn:aws:iam::{ACCOUNT}:role/starts-tasks"
OTHER_TARGET = {"Id": "function", "Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:nightly"}
FLEXIBLE = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
DENIED = 400, {"__type": "AccessDeniedException", "message": "no policy allows it"}
GONE = 400, {"__type": "ResourceNotFoundException", "message": "it is no more"}


def cluster_arn(name: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}"


def revision_arn(revision: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{revision}"


def target(revision: str, cluster: str = "prod", **parameters: Any) -> dict[str, Any]:
    """A target that starts a task of a revision, `family:number`, or of a bare family."""
    ecs = {"TaskDefinitionArn": revision_arn(revision), **parameters}
    return {"Arn": cluster_arn(cluster), "RoleArn": ROLE, "EcsParameters": ecs}


# Tries of its own would take real time.
ONCE = Config(retries={"total_max_attempts": 1})


class Wire:
    """The product's client of a service: notes what it calls, and answers as it is told to, or as moto does."""

    def __init__(self, service: str) -> None:
        self.client = client(service, ONCE)
        self.calls: list[tuple[str, Any]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.client.meta.events.unregister("before-send", botocore_stubber)
        self.client.meta.events.unregister("before-send", unique_id="wire")
        self.client.meta.events.register("before-send", self._send, unique_id="wire")

    @property
    def writes(self) -> list[Any]:
        """The bodies of the requests that change something."""
        return [body for operation, body in self.calls if operation in {"PutTargets", "UpdateSchedule"}]

    def _send(self, request: AWSRequest, event_name: str, **_: object) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        self.calls.append((operation, json.loads(request.body) if request.body else None))
        if operation not in self.answers:
            return botocore_stubber(event_name, request)
        status, answer = self.answers[operation]
        body = MockRawResponse(json.dumps(answer).encode())
        # Scheduler names its errors in a header.
        headers = {"x-amzn-errortype": answer["__type"]} if "__type" in answer else {}
        return AWSResponse(request.url, status, headers, body)


class World:
    """A service `api` and a standalone family `nightly`, both on `app:v1`, and whatever is scheduled."""

    def __init__(self, ecs: StrictEcs, **inputs: Any) -> None:
        self.ecs = ecs
        self.owner = {name: client(name) for name in ("events", "scheduler")}
        self.events, self.scheduler = Wire("events"), Wire("scheduler")
        ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
        ecs.register(definition("nightly", f"{APP}:v1"))
        self.start(**inputs)

    def start(self, queues: Queues | None = None, **inputs: Any) -> None:
        """Start the product."""
        clients = {"events": self.events.client, "scheduler": self.scheduler.client}
        self.road = Road(self.ecs, queues, {"scheduled_tasks": True, **inputs}, clients=clients)
        self.events.client.put_events = self.road.events.put_events

    def add_rule(self, name: str, *targets: Mapping[str, Any], **members: Any) -> None:
        rule = {"ScheduleExpression": "rate(1 day)", **members}
        self.owner["events"].put_rule(Name=name, **rule)
        targets = tuple({"Id": f"target-{index}", **one} for index, one in enumerate(targets))
        self.owner["events"].put_targets(Rule=name, Targets=targets)

    def targets(self, rule: str) -> list[dict[str, Any]]:
        return list(self.owner["events"].list_targets_by_rule(Rule=rule)["Targets"])

    def add_schedule(self, name: str, target: Mapping[str, Any], **members: Any) -> None:
        schedule = {"ScheduleExpression": "cron(0 3 * * ? *)", "FlexibleTimeWindow": FLEXIBLE, **members}
        self.owner["scheduler"].create_schedule(Name=name, Target=target, **schedule)

    def schedule(self, name: str, group: str = "default") -> dict[str, Any]:
        schedule: dict[str, Any] = self.owner["scheduler"].get_schedule(Name=name, GroupName=group)
        return {key: schedule[key] for key in schedule.keys() - {"ResponseMetadata", "LastModificationDate"}}

    def revision(self, name: str, group: str = "default") -> str:
        """What a schedule starts."""
        arn: str = self.schedule(name, group)["Target"]["EcsParameters"]["TaskDefinitionArn"]
        return arn.rpartition("/")[2]

    @property
    def writes(self) -> list[Any]:
        return self.events.writes + self.scheduler.writes


@pytest.fixture
def world(ecs: StrictEcs) -> World:
    return World(ecs)


def told(
    outcome: str = "deployed", reason: str | None = None, to: str | None = "api:2", **place: Any
) -> dict[str, Any]:
    """What the answer says of one scheduled task."""
    return {**place, "outcome": outcome, "reason": reason, "from": "api:1", "to": to}


def test_every_target_of_a_rule_follows_and_its_other_targets_stay(world: World) -> None:
    settings: dict[str, Any] = {
        "TaskCount": 2,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-1"], "AssignPublicIp": "ENABLED"}},
        "Tags": [{"Key": "team", "Value": ""}],
    }
    first = {**target("api:1", **settings), "Input": '{"containerOverrides": [{"name": "main"}]}'}
    world.add_rule("hourly", first, OTHER_TARGET, target("api:1"))
    before = world.targets("hourly")

    result = world.road.push(pushed("v2"))

    for index in (0, 2):
        before[index]["EcsParameters"]["TaskDefinitionArn"] = revision_arn("api:2")
    assert world.targets("hourly") == before
    assert [[one["Id"] for one in body["Targets"]] for body in world.events.writes] == [["target-0", "target-2"]]
    assert result["outcome"] == "deployed"
    assert result["scheduled_tasks"] == [
        told(rule="hourly", target="target-0"),
        told(rule="hourly", target="target-2"),
    ]


def test_a_schedule_keeps_all_its_other_settings(world: World) -> None:
    ecs_parameters: dict[str, Any] = {
        "TaskCount": 3,
        "CapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
        "PlatformVersion": "LATEST",
        "Group": "batch",
        "EnableECSManagedTags": True,
        "EnableExecuteCommand": False,
        "NetworkConfiguration": {
            "awsvpcConfiguration": {"Subnets": ["subnet-1"], "SecurityGroups": ["sg-1"], "AssignPublicIp": "DISABLED"}
        },
        "PlacementConstraints": [{"type": "distinctInstance"}],
        "PropagateTags": "TASK_DEFINITION",
        "ReferenceId": "reference",
        "Tags": [{"key": "team", "value": " "}],
    }
    whole = {
        **target("api:1", **ecs_parameters),
        "Input": '{"containerOverrides": [{"name": "main", "command": ["\u00e9", ""]}]}',
        "DeadLetterConfig": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0},
    }
    world.owner["scheduler"].create_schedule_group(Name="reports")
    world.add_schedule(
        "weekly",
        whole,
        GroupName="reports",
        Description="",
        ScheduleExpressionTimezone="Europe/Berlin",
        StartDate=datetime(2099, 1, 1, tzinfo=UTC),
        EndDate=datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
        State="DISABLED",
        KmsKeyArn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
        ActionAfterCompletion="DELETE",
    )
    before = world.schedule("weekly", "reports")

    result = world.road.push(pushed("v2"))

    [body] = world.scheduler.writes
    assert body["ActionAfterCompletion"] == "DELETE"
    assert body.keys() == before.keys() - {"Arn", "CreationDate", "Name"}
    before["Target"]["EcsParameters"]["TaskDefinitionArn"] = revision_arn("api:2")
    assert world.schedule("weekly", "reports") == before
    assert result["scheduled_tasks"] == [told(schedule="reports/weekly")]


def test_members_that_boto3_does_not_know_survive(world: World) -> None:
    world.add_rule("hourly", target("api:1"))
    [there] = events_backends[ACCOUNT][REGION].describe_rule("hourly", None).targets
    there["Novel"] = there["EcsParameters"]["Novel"] = {"deep": [1.5, None]}
    world.add_schedule("nightly", target("api:1"))
    stored = scheduler_backends[ACCOUNT][REGION].get_schedule("default", "nightly")
    stored.target["EcsParameters"]["Novel"] = ["new"]
    world.scheduler.answers["GetSchedule"] = 200, {**stored.to_dict(), "Novel": "new"}

    world.road.push(pushed("v2"))

    [put] = world.events.writes
    assert put["Targets"][0]["Novel"] == put["Targets"][0]["EcsParameters"]["Novel"] == {"deep": [1.5, None]}
    [update] = world.scheduler.writes
    assert update["Novel"] == "new"
    assert update["Target"]["EcsParameters"] == {"TaskDefinitionArn": revision_arn("api:2"), "Novel": ["new"]}


@pytest.mark.parametrize(
    "stays",
    [target("api"), target("api-worker:1"), target("api:7"), target("api:2"), target("api:1", "test"), OTHER_TARGET],
    ids=["bare family", "other family", "newer revision", "there already", "cluster out of scope", "no ECS"],
)
def test_what_stays_is_not_written(ecs: StrictEcs, stays: dict[str, Any]) -> None:
    ecs.add_cluster("test")
    world = World(ecs, rules=[{"clusters": ["prod"]}])
    world.add_rule("hourly", stays)
    world.add_schedule("nightly", {"RoleArn": ROLE, **{key: stays[key] for key in stays.keys() - {"Id"}}})

    result = world.road.push(pushed("v2"))

    assert result["outcome"] == "deployed"
    assert result["scheduled_tasks"] == []
    assert world.writes == []


def test_a_rule_that_lets_the_push_into_other_clusters_moves_nothing_here(ecs: StrictEcs) -> None:
    ecs.add_cluster("test")
    world = World(ecs, rules=[{"clusters": ["prod"]}, {"clusters": ["test"], "tags": ["rc-*"]}])
    world.add_schedule("nightly", target("api:1", "test"))
    world.add_schedule("hourly", target("api:1", "prod"))

    world.road.push(pushed("v2"))

    assert (world.revision("hourly"), world.revision("nightly")) == ("api:2", "api:1")


def test_a_family_without_a_service(ecs: StrictEcs) -> None:
    world = World(ecs, rules=[{"families": ["nightly"]}])
    world.add_schedule("nightly", target("nightly:1"))

    result = world.road.push(pushed("v2"))

    assert world.revision("nightly") == "nightly:2"
    assert [one["to"] for one in result["scheduled_tasks"]] == ["nightly:2"]


def test_a_cluster_of_its_own_services_tells_what_its_tasks_run(ecs: StrictEcs) -> None:
    world = World(ecs, base_revision="running")
    ecs.add_service("test", "api", ecs.register(definition("api", f"{APP}:v1", "nginx")))
    for cluster in ("prod", "test"):
        world.add_schedule(cluster, target("api:1", cluster))

    world.road.push(pushed("v2"))

    for cluster in ("prod", "test"):
        assert str(ecs.task_definition(cluster, "api")).endswith(f"/{world.revision(cluster)}")
    assert world.revision("prod") != world.revision("test")


def test_every_page_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduled_tasks, "_MOST_PER_PAGE", 2)
    for index in range(5):
        ends = index in {0, 4}
        world.add_rule(f"task-{index}", target("api:1" if ends else "api"))
        world.add_schedule(f"task-{index}", target("api:1", "prod" if ends else "elsewhere"))

    result = world.road.push(pushed("v2"))

    assert [one["rule"] for one in result["scheduled_tasks"] if "rule" in one] == ["task-0", "task-4"]
    schedules = {one["schedule"] for one in result["scheduled_tasks"] if "schedule" in one}
    assert schedules == {"default/task-0", "default/task-4"}


def test_all_targets_of_a_rule_in_calls_of_ten(world: World) -> None:
    world.add_rule("hourly", *[target("api:1") for _ in range(12)])

    result = world.road.push(pushed("v2"))

    assert [len(body["Targets"]) for body in world.events.writes] == [10, 2]
    assert len(result["scheduled_tasks"]) == 12


def test_a_repeated_push_mends_what_was_left(world: World) -> None:
    world.add_rule("hourly", target("api:1"))
    world.add_schedule("nightly", target("api:1"))
    event = pushed("v2")
    world.events.answers["PutTargets"] = world.scheduler.answers["UpdateSchedule"] = DENIED
    assert world.road.push(event)["outcome"] == "failed"
    world.events.answers.clear()
    world.scheduler.answers.clear()

    mended = world.road.push(event)
    again = world.road.push(event)

    assert mended["outcome"] == "unchanged"
    assert mended["scheduled_tasks"] == [told(rule="hourly", target="target-0"), told(schedule="default/nightly")]
    assert again["scheduled_tasks"] == []
    assert world.revision("nightly") == "api:2"
    assert len(world.writes) == 4


def test_a_target_that_could_not_be_put_fails_the_push(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.add_rule("hourly", target("api:1"), target("api:1"))
    entry = {"TargetId": "target-1", "ErrorCode": "InternalException", "ErrorMessage": "try again"}
    world.events.answers["PutTargets"] = 200, {"FailedEntryCount": 1, "FailedEntries": [entry]}

    with caplog.at_level(logging.ERROR):
        result = world.road.push(pushed("v2"))

    reason = "PutTargets of rule hourly was refused: InternalException: try again"
    assert (result["outcome"], result["reason"]) == ("failed", reason)
    assert [service["outcome"] for service in result["services"]] == ["deployed"]
    assert result["scheduled_tasks"] == [
        told(rule="hourly", target="target-0"),
        told("failed", reason, "api:1", rule="hourly", target="target-1"),
    ]
    assert [record.__dict__["scheduled_tasks"] for record in caplog.records] == [result["scheduled_tasks"]]


def test_a_refusal_for_good_is_buried_and_announced(world: World, aws_queues: Queues) -> None:
    world.add_schedule("nightly", target("api:1"))
    denied = f"User: me is not authorized to perform: iam:PassRole on resource: {ROLE} because no policy allows it"
    world.scheduler.answers["UpdateSchedule"] = 403, {"__type": "AccessDeniedException", "message": denied}
    world.start(aws_queues)

    assert world.road.deliver(pushed("v2")) == []

    assert len(aws_queues.dead_letters()) == 1
    assert world.ecs.task_definition("prod", "api") == world.ecs.revisions("api")[-1]
    assert [(kind, detail["reason"]) for kind, detail in world.road.events.taken] == [
        ("Deployment Started", None),
        (
            "Deployment Failed",
            f"the role {ROLE} may not be passed: add it to the module's input pass_role_arns",
        ),
    ]


@pytest.mark.parametrize(
    ("service", "operation", "place"),
    [
        ("events", "ListRuleNamesByTarget", {"rule": None, "target": None}),
        ("events", "ListTargetsByRule", {"rule": "hourly", "target": None}),
        ("scheduler", "ListSchedules", {"schedule": None}),
        ("scheduler", "GetSchedule", {"schedule": "default/nightly"}),
    ],
)
def test_what_can_not_be_read_is_told_and_the_rest_moved(
    world: World, service: str, operation: str, place: dict[str, Any]
) -> None:
    world.add_rule("hourly", target("api:1"))
    world.add_schedule("nightly", target("api:1"))
    getattr(world, service).answers[operation] = DENIED

    result = world.road.push(pushed("v2"))

    outcomes = {one["outcome"]: one for one in result["scheduled_tasks"]}
    assert result["outcome"] == "failed"
    assert outcomes.keys() == {"deployed", "failed"}
    assert outcomes["failed"] == {**outcomes["failed"], **place, "from": None, "to": None}
    assert result["reason"].startswith(f"{operation} of ")


@pytest.mark.parametrize(("service", "operation"), [("events", "ListTargetsByRule"), ("scheduler", "GetSchedule")])
def test_what_was_deleted_before_it_was_read_is_not_told(world: World, service: str, operation: str) -> None:
    world.add_rule("hourly", target("api:1"))
    world.add_schedule("nightly", target("api:1"))
    getattr(world, service).answers[operation] = GONE

    result = world.road.push(pushed("v2"))

    assert [one["outcome"] for one in result["scheduled_tasks"]] == ["deployed"]


@pytest.mark.parametrize(("service", "operation"), [("events", "PutTargets"), ("scheduler", "UpdateSchedule")])
def test_what_was_deleted_before_it_was_moved_is_skipped(world: World, service: str, operation: str) -> None:
    world.add_rule("hourly", target("api:1"))
    world.add_schedule("nightly", target("api:1"))
    getattr(world, service).answers[operation] = GONE

    result = world.road.push(pushed("v2"))

    assert result["outcome"] == "deployed"
    reasons = {one["outcome"]: one["reason"] for one in result["scheduled_tasks"]}
    assert reasons == {"deployed": None, "skipped": "it was deleted meanwhile"}


@pytest.mark.parametrize(
    ("operation", "status", "answer"),
    [
        ("UpdateSchedule", 409, {"__type": "ConflictException", "message": "later"}),
        ("UpdateSchedule", 429, {"__type": "ThrottlingException", "message": "later"}),
        ("UpdateSchedule", 500, {"__type": "InternalServerException", "message": "later"}),
        ("PutTargets", 400, {"__type": "ConcurrentModificationException", "message": "later"}),
        (
            "PutTargets",
            200,
            {"FailedEntryCount": 1, "FailedEntries": [{"TargetId": "target-0", "ErrorCode": "InternalException"}]},
        ),
    ],
    ids=lambda value: value.get("__type", "failed entry") if isinstance(value, dict) else "",
)
def test_a_passing_refusal_is_tried_again(
    world: World, aws_queues: Queues, operation: str, status: int, answer: dict[str, Any]
) -> None:
    world.add_rule("hourly", target("api:1"))
    world.add_schedule("nightly", target("api:1"))
    world.events.answers[operation] = world.scheduler.answers[operation] = status, answer
    world.start(aws_queues)

    assert world.road.deliver(pushed("v2")) == ["message-0"]
    assert aws_queues.dead_letters() == []


def test_what_there_was_no_time_for_is_for_the_next_invocation(world: World, aws_queues: Queues) -> None:
    world.add_rule("hourly", target("api:1"))
    world.add_schedule("nightly", target("api:1"))
    world.start(aws_queues)
    event = pushed("v2")
    world.road.push(event)
    world.add_rule("daily", target("api:1"))
    world.add_rule("yearly", target("api:1"))
    clock = world.ecs.clock
    world.events.client.meta.events.register("before-send.events.PutTargets", lambda **_: clock.sleep(1000))

    # Nothing but the one rule was done; still it is progress, so that the rest is not counted as another try.
    answer = world.road.door(batch(event), Context())

    assert answer == {"batchItemFailures": []}
    assert [json.loads(body)["id"] for body in aws_queues.waiting()] == [event["id"]]
    assert len(world.events.writes) == 2


def test_a_dry_run_tells_and_moves_nothing(ecs: StrictEcs) -> None:
    world = World(ecs, dry_run=True)
    world.add_rule("hourly", target("api:1"))
    world.add_schedule("nightly", target("api:7"))

    result = world.road.push(pushed("v2"))

    # Which number the revision would get, nobody knows, but it is greater than all.
    assert result["scheduled_tasks"] == [
        told(to=None, rule="hourly", target="target-0"),
        {**told(to=None, schedule="default/nightly"), "from": "api:7"},
    ]
    assert world.writes == []


def test_nothing_is_asked_where_nothing_was_deployed(world: World) -> None:
    result = world.road.push(pushed("v2", repository="other"))

    assert result["scheduled_tasks"] == []
    assert world.events.calls == world.scheduler.calls == []


def test_nothing_is_asked_unless_it_is_set(ecs: StrictEcs) -> None:
    world = World(ecs, scheduled_tasks=False)
    world.add_rule("hourly", target("api:1"))

    result = world.road.push(pushed("v2"))

    assert "scheduled_tasks" not in result
    assert world.events.calls == world.scheduler.calls == []


def test_schedules_that_are_over_stay(world: World) -> None:
    world.add_schedule("once", target("api:1"), ScheduleExpression="at(2020-01-01T00:00:00)")
    world.add_schedule("ended", target("api:1"), EndDate=datetime(2020, 1, 1, tzinfo=UTC))

    result = world.road.push(pushed("v2"))

    assert result["scheduled_tasks"] == []
    assert world.writes == []


@pytest.mark.parametrize(
    ("schedule", "over"),
    [
        ({"ScheduleExpression": "at(2026-11-22T17:59:59)"}, True),
        ({"ScheduleExpression": "at(2026-11-22T18:00:00)"}, False),
        ({"ScheduleExpression": "at(2026-11-22T17:59)"}, True),
        ({"ScheduleExpression": "at(2026-11-23T06:00:00)", "EndDate": 1}, False),
        ({"ScheduleExpression": "rate(1 day)"}, False),
        ({"ScheduleExpression": "rate(1 day)", "EndDate": None}, False),
        ({"ScheduleExpression": "rate(1 day)", "EndDate": 1795413599.5}, True),
        ({"ScheduleExpression": "rate(1 day)", "EndDate": 1795413600}, False),
    ],
    ids=str,
)
def test_when_a_schedule_is_over(schedule: dict[str, Any], *, over: bool) -> None:
    now = datetime.fromtimestamp(1795413600, UTC)
    assert scheduled_tasks.is_over(schedule, now) is over
