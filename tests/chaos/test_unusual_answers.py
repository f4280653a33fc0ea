"""Whatever AWS answers, and whatever a message holds: nothing leaves the handler, and each message ends somewhere."""

import copy
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from tests.harness.road import ACCOUNT, APP, REGION, Queues, Road, definition, digest, give_table, pushed
from tests.harness.strict_ecs import DEPLOYMENT_OPERATIONS, FakeClock, Fault
from tests.harness.unusual import UNUSUAL, Unusual, UnusualEcs, UnusualTable, Wire
from tests.unit.test_daemons import changed as daemon_changed
from tests.unit.test_rollouts import EVENTS, changed

LATER = "2026-11-25T07:00:00Z"
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
OTHER, SHOP, AGENT = (APP._replace(name=name) for name in ("other", "shop", "agent"))
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod"
TASK = {"TaskDefinitionArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/api:1"}
TARGET = {"Id": "1", "Arn": CLUSTER, "RoleArn": "arn:aws:iam::123456789012:role/starts", "EcsParameters": TASK}
SCHEDULE = {
    "GroupName": "default",
    "Name": "nightly",
    "ScheduleExpression": "rate(1 day)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": TARGET,
}
DEPLOYMENT = {
    "deploymentId": "d-1",
    "status": "Succeeded",
    "createTime": 1.8e9,
    "description": "ecr-deploy: shop:2",
    "rollbackInfo": {},
    "errorInformation": {},
}
# What AWS would answer, by operation; a function is given the request.
USUAL: dict[str, dict[str, Any]] = {
    "sqs": {
        "SendMessage": {"MessageId": "1", "MD5OfMessageBody": "1"},
        "ChangeMessageVisibilityBatch": {"Successful": [{"Id": "0"}], "Failed": []},
    },
    "events": {
        "PutEvents": lambda asked: {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in asked["Entries"]]},
        "ListRuleNamesByTarget": {"RuleNames": ["hourly"]},
        "ListTargetsByRule": {"Targets": [TARGET]},
        "PutTargets": {"FailedEntryCount": 0, "FailedEntries": []},
    },
    # In XML, as SNS answers.
    "sns": {"Publish": "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"},
    "scheduler": {
        "ListSchedules": {"Schedules": [{"GroupName": "default", "Name": "nightly", "Target": {"Arn": CLUSTER}}]},
        "GetSchedule": SCHEDULE,
        "UpdateSchedule": {"ScheduleArn": "arn"},
    },
    "ecr": {
        "DescribeImages": {
            "imageDetails": [{"imageDigest": digest("v9"), "imageTags": ["v9"], "imagePushedAt": 1.79e9}]
        },
        "BatchGetImage": {
            "images": [{"imageId": {"imageDigest": digest("v4")}, "imageManifest": "{}"}],
            "failures": [],
        },
        "PutImage": {"image": {"imageId": {"imageDigest": digest("v4")}}},
    },
    "ssm": {
        "GetCalendarState": {"State": "OPEN", "NextTransitionTime": LATER},
        "GetParameters": {"Parameters": [{"Name": "/images/prod/api/main", "Value": "old"}]},
        "PutParameter": {"Version": 1},
    },
    "codedeploy": {
        "ListApplications": {"applications": ["shop"]},
        "BatchGetApplications": {"applicationsInfo": [{"applicationName": "shop", "computePlatform": "ECS"}]},
        "ListDeploymentGroups": {"applicationName": "shop", "deploymentGroups": ["shop"]},
        "GetDeploymentGroup": {
            "deploymentGroupInfo": {
                "applicationName": "shop",
                "deploymentGroupName": "shop",
                "ecsServices": [{"clusterName": "prod", "serviceName": "shop"}],
            }
        },
        "ListDeployments": lambda asked: {"deployments": [] if "includeOnlyStatuses" in asked else ["d-1"]},
        "BatchGetDeployments": {"deploymentsInfo": [DEPLOYMENT]},
        "CreateDeployment": {"deploymentId": "d-1"},
    },
}
INPUTS = {
    "scheduled_tasks": True,
    "codedeploy": True,
    "keep_revisions": 1,
    "image_parameter_prefix": "/images",
    "change_calendars": ["nights"],
    "reconcile": True,
    "rollback_on_failure": True,
    "topic_arns": [f"arn:aws:sns:{REGION}:{ACCOUNT}:people"],
    "chat_topic_arns": [f"arn:aws:sns:{REGION}:{ACCOUNT}:chat"],
    "rules": [{"families": ["*"], "promote_tag": "production"}],
}


class World:
    """A fleet with every feature on."""

    def __init__(self) -> None:
        self.ecs = UnusualEcs(FakeClock())
        self.table = UnusualTable(self.ecs.clock)
        give_table(self.ecs, self.table)
        self.wire = Wire(USUAL)
        for name, image in (("api", APP), ("other", OTHER)):
            revision = self.ecs.register(definition(name, f"{image}:v1"))
            self.ecs.add_service("prod", name, revision, service_revisions=True)
        self.ecs.register(definition("nightly", f"{APP}:v1"))
        balancers = [{"targetGroupArn": "arn:blue", "containerName": "main", "containerPort": 80}]
        self.ecs.add_service(
            "prod",
            "shop",
            self.ecs.register(definition("shop", f"{SHOP}:v1")),
            deployment_controller="CODE_DEPLOY",
            members={"loadBalancers": balancers},
        )
        queues = Queues(None, "https://sqs/road.fifo", "https://sqs/dead.fifo")
        self.road = Road(self.ecs, queues, INPUTS, clients=self.wire.clients)

    def again(self, **inputs: Any) -> None:
        """Start the function anew, with other inputs more."""
        self.road = Road(self.ecs, self.road.queues, {**INPUTS, **inputs}, clients=self.wire.clients)

    def break_(self, operation: str, unusual: Unusual) -> None:
        """Let an operation be answered so from now on."""
        for double in (self.ecs, self.table, self.wire):
            double.operation, double.unusual = operation, unusual

    @property
    def hits(self) -> int:
        return self.ecs.hits + self.table.hits + self.wire.hits

    def dead_letters(self) -> list[str]:
        """The bodies that were sent to the dead-letter queue."""
        sent = [asked for operation, asked in self.wire.sent if operation == "SendMessage"]
        return [asked["MessageBody"] for asked in sent if asked["QueueUrl"].endswith("dead.fifo")]


def push(world: World) -> list[Any]:
    del world
    return [pushed("v2", event_id="app"), pushed("v2", repository="shop", event_id="shop"), "poison"]


def again(world: World) -> list[Any]:
    world.ecs.inject("ListClusters", Fault.INTERNAL, times=6)
    return push(world)


def live(world: World) -> list[Any]:
    world.road.deliver(pushed("v2"))
    world.ecs.end_deployments()
    world.road.deliver(changed(), pushed("v3", time=LATER))
    world.ecs.end_deployments()
    world.road.deliver(changed(), pushed("v4", time="2026-11-25T08:00:00Z"))
    world.ecs.end_deployments()
    return [changed()]


def outdated(world: World) -> list[Any]:
    world.road.deliver(pushed("v2"))
    world.ecs.end_deployments()
    world.road.deliver(changed(), pushed("v3", time=LATER))
    world.ecs.end_deployments()
    return [changed(), pushed("v4", time="2026-11-25T08:00:00Z")]


def past(world: World) -> list[Any]:
    world.road.deliver(pushed("v2"), pushed("v3", time=LATER))
    world.road.deliver(pushed("v4", time="2026-11-25T08:00:00Z"))
    return [changed()]


def moving(world: World) -> list[Any]:
    world.road.deliver(pushed("v2"))
    return [pushed("v3", time=LATER, event_id="app")]


def late(world: World) -> list[Any]:
    world.road.deliver(pushed("v2"))
    world.ecs.clock.sleep(31 * 60)
    return [TICK]


def ended(world: World) -> list[Any]:
    world.road.deliver(pushed("v2", repository="shop"))
    detail = {"application": "shop", "deploymentGroup": "shop", "state": "SUCCESS"}
    kind = "CodeDeploy Deployment State-change Notification"
    return [{"id": "ended", "source": "aws.codedeploy", "detail-type": kind, "detail": detail}]


def agent(world: World) -> None:
    """Two daemons of one family, one of which is pinned, and a function that deploys daemons."""
    own = world.ecs.daemons.register(definition("agent", f"{AGENT}:v1"))
    world.ecs.daemons.add("prod", "agent", own)
    world.ecs.daemons.add("prod", "pinned", own, tags={"ecr-deploy:pinned": "yes"})
    world.again(daemons=True)


def daemon(world: World) -> list[Any]:
    agent(world)
    return [pushed("v2", repository="agent", event_id="agent")]


def daemon_moves(world: World) -> list[Any]:
    agent(world)
    world.road.deliver(pushed("v2", repository="agent"))
    world.ecs.daemons.move("prod", "agent", "SUCCESSFUL")
    return [daemon_changed("SUCCESSFUL"), pushed("v3", time=LATER, repository="agent", event_id="agent")]


def elsewhere(world: World) -> list[Any]:
    world.again(rules=[{"after": {"region": "us-east-1", "clusters": ["first"]}}])
    world.road.deliver(pushed("v2"))
    return [json.loads((EVENTS / "live-in-another-region.json").read_text())]


class Story(NamedTuple):
    """What was delivered before, and gives what is delivered now; and the operations that this calls."""

    tell: Callable[[World], list[Any]]
    operations: str


STORIES = (
    Story(
        push,
        "ListClusters DescribeClusters ListServices DescribeServices DescribeServiceRevisions DescribeTaskDefinition "
        "ListTaskDefinitionFamilies RegisterTaskDefinition UpdateService SendMessage PutEvents ListRuleNamesByTarget "
        "ListTargetsByRule PutTargets ListSchedules GetSchedule UpdateSchedule GetCalendarState GetParameters "
        "PutParameter ListApplications BatchGetApplications ListDeploymentGroups GetDeploymentGroup ListDeployments "
        "CreateDeployment BatchGetItem PutItem UpdateItem Publish",
    ),
    Story(again, "ChangeMessageVisibilityBatch"),
    Story(live, "ListTaskDefinitions BatchGetImage PutImage PutItem"),
    Story(outdated, "DeregisterTaskDefinition"),
    Story(past, "ListServiceDeployments"),
    Story(moving, "DescribeServiceDeployments"),
    Story(late, "StopServiceDeployment DescribeImages BatchGetItem UpdateItem Query"),
    Story(ended, "BatchGetDeployments"),
    Story(
        daemon,
        "ListDaemons DescribeDaemon DescribeDaemonRevisions DescribeDaemonTaskDefinition ListTagsForResource "
        "RegisterDaemonTaskDefinition UpdateDaemon",
    ),
    Story(daemon_moves, "ListDaemonDeployments DescribeDaemonDeployments ListDaemonTaskDefinitions"),
    Story(elsewhere, "BatchGetItem PutItem Query"),
)
_OPERATIONS = [(story.tell, operation) for story in STORIES for operation in story.operations.split()]
# All of them for all operations take a minute: each gets some, and each night all.
_FEW = 4
_EACH = len(UNUSUAL) if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else _FEW


def _marks(tell: Callable[[World], list[Any]], operation: str) -> Sequence[pytest.MarkDecorator]:
    # That a rollout has ended well is seen by these alone, where ECS keeps them.
    is_newer = operation in DEPLOYMENT_OPERATIONS or tell in {outdated, daemon, daemon_moves}
    return [pytest.mark.newer_boto3] if is_newer else []


CASES = [
    pytest.param(tell, operation, unusual, id=f"{operation}: {unusual.name}", marks=_marks(tell, operation))
    for index, (tell, operation) in enumerate(_OPERATIONS)
    for unusual in (UNUSUAL[(index * _FEW + one) % len(UNUSUAL)] for one in range(_EACH))
]

HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    5,
    -1e308,
    True,
    "",
    "odd",
    "\ud800",
    "x" * 5000,
    "2026-99-99T99:99:99Z",
    "9999-12-31T23:59:59Z",
    [],
    [None],
    {},
    {"id": {}},
)
HOSTILE_BODIES = (
    "",
    "poison",
    "null",
    "[]",
    "5",
    '"text"',
    "\ud800",
    '{"id": "\\ud800"}',
    "[" * 100_000,
    '{"a":' * 5000,
    '{"id": NaN}',
    "9" * 5000,
    "{}",
    '{"detail-type": {}}',
    '{"Records": []}',
)


def _mutants(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An event with something else in the place of each of its members, or with nothing there."""

    def places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for name, one in value.items() if isinstance(value, dict) else ():
            yield (*path, name)
            yield from places(one, (*path, name))

    for path in places(event):
        for value in (*HOSTILE_VALUES, _missing := object()):
            mutant = copy.deepcopy(event)
            holder = mutant
            for name in path[:-1]:
                holder = holder[name]
            if value is _missing:
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
            yield mutant


def _hostile() -> list[tuple[str, list[Any]]]:
    """Mutants of each recorded event: some of them, and each night all."""
    found: list[tuple[str, list[Any]]] = [("bodies", list(HOSTILE_BODIES))]
    for number, file in enumerate(sorted(EVENTS.parent.rglob("*.json"))):
        mutants = list(_mutants(json.loads(file.read_text())))
        step = 1 if _EACH > _FEW else max(1, len(mutants) // 16)
        found.append((file.stem, mutants[number % step :: step]))
    return found


HOSTILE = _hostile()


@pytest.mark.parametrize("bodies", [pytest.param(bodies, id=name) for name, bodies in HOSTILE])
def test_hostile_messages(bodies: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for start in range(0, len(bodies), 10):
        some = bodies[start : start + 10]
        caplog.clear()
        check_ends(world, some, world.road.deliver(*some), caplog)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 138
    assert sum(len(bodies) for _, bodies in HOSTILE) >= 400


@pytest.mark.parametrize(("tell", "operation", "unusual"), CASES)
def test_an_unusual_answer(
    tell: Callable[[World], list[Any]], operation: str, unusual: Unusual, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    bodies = tell(world)
    world.break_(operation, unusual)
    caplog.set_level(logging.INFO, "ecr_deploy")
    caplog.clear()

    failed = world.road.deliver(*bodies)

    assert world.hits > 0
    check_ends(world, bodies, failed, caplog)


def check_ends(world: World, bodies: list[Any], failed: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Each message is done, retried (with all after it) or dead-lettered; but for the first, a line names it."""
    names = [f"message-{index}" for index in range(len(bodies))]
    assert failed == names[len(names) - len(failed) :]
    dead = world.dead_letters()
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    # Lambda writes the log as UTF-8, which has no half of a surrogate pair.
    for record in caplog.records:
        fields = [vars(record).get(name) for name in ("event_id", "image", "reason", "field", "value")]
        assert json.dumps([record.getMessage(), fields], ensure_ascii=False).encode()
    lines = " ".join(f"{record.getMessage()} {vars(record).get('event_id')}" for record in errors)
    text = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    ended = len(bodies) - len(failed)
    for index, (name, body) in enumerate(zip(names, bodies, strict=True)):
        event_id = str(body.get("id")) if isinstance(body, dict) else None
        if text[index] in dead or index == ended:
            assert name in lines or (event_id and event_id in lines), name
