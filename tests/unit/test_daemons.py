"""ECS Managed Daemons: agents that ECS runs once on each instance, with definitions and deployments of their own."""

import json
from typing import Any

import pytest

from ecr_deploy.core import revisions
from ecr_deploy.core.errors import InvalidRequestError
from tests.harness.road import APP, Registry, Road, definition, pushed
from tests.harness.strict_ecs import Fault, StrictEcs
from tests.harness.strict_ecs.validation import operation_model
from tests.unit.test_rollouts import EVENTS
from tests.unit.test_rollouts import changed as service_changed

pytestmark = pytest.mark.newer_boto3

# As many members as a daemon's definition may have, and one that no SDK knows yet.
WHOLE: dict[str, Any] = {
    "family": "agent",
    "taskRoleArn": "arn:aws:iam::123456789012:role/agent",
    "executionRoleArn": "arn:aws:iam::123456789012:role/pull",
    "cpu": "256",
    "memory": "512",
    "pidMode": "shared",
    "ipcMode": "none",
    "volumes": [
        {"name": "logs", "logDriverVolumeConfiguration": {"driver": "json-file"}},
        {"name": "host", "host": {"sourcePath": "/var/lib"}},
    ],
    "containerDefinitions": [
        {
            "name": "main",
            "image": f"{APP}:v1",
            "essential": True,
            "memoryReservation": 64,
            "environment": [{"name": "LEVEL", "value": "info"}],
            "secrets": [{"name": "KEY", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/key"}],
            "mountPoints": [{"sourceVolume": "logs", "containerPath": "/logs", "readOnly": True}],
            "linuxParameters": {"capabilities": {"add": ["SYS_PTRACE"]}, "tmpfs": [{"containerPath": "/t", "size": 8}]},
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "agents"}},
            "healthCheck": {"command": ["CMD", "true"], "startPeriod": 5},
            "restartPolicy": {"enabled": True, "ignoredExitCodes": [0]},
            "invented": {"in": ["2027", None]},
        },
        {"name": "proxy", "image": "public.ecr.aws/envoy:1"},
    ],
    "inventedToo": [1, {"deep": True}],
}
TAGS = {"team": "platform", "cost centre": "42"}
SETTINGS: dict[str, Any] = {
    "propagateTags": "DAEMON",
    "enableECSManagedTags": True,
    "enableExecuteCommand": True,
    "critical": False,
}
ROLLOUT = {
    "drainPercent": 10.0,
    "bakeTimeInMinutes": 7,
    "alarms": {"alarmNames": ["errors"], "enable": True},
}


@pytest.fixture
def daemons(ecs: StrictEcs) -> StrictEcs:
    """A daemon that runs app:v1 with every setting it can have, and a service and a family of the very same names."""
    own = ecs.daemons.register(WHOLE, TAGS)
    ecs.daemons.add("prod", "agent", own, providers=("spot", "on-demand"), configuration=ROLLOUT, **SETTINGS)
    ecs.add_service("prod", "agent", ecs.register(definition("agent", f"{APP}:v1")))
    return ecs


def road_of(ecs: StrictEcs, **inputs: Any) -> Road:
    return Road(ecs, inputs={"daemons": True, **inputs})


def changed(state: str) -> dict[str, Any]:
    """The event of a state of a deployment of the daemon, as ECS documents it."""
    event: dict[str, Any] = json.loads((EVENTS / "daemon-pending.json").read_text())
    event["id"] = f"daemon-{state}"
    event["resources"] = ["arn:aws:ecs:eu-west-1:123456789012:daemon/prod/agent"]
    event["detail"]["eventName"] = f"DAEMON_DEPLOYMENT_{state}"
    return event


def outcomes(result: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {service["service"]: (service["outcome"], service["reason_kind"]) for service in result["services"]}


def test_it_gets_the_image_and_nothing_else_changes(daemons: StrictEcs) -> None:
    before = daemons.daemons.settings("prod", "agent")

    result = road_of(daemons).push(pushed("v2"))

    assert outcomes(result) == {"agent": ("deployed", None), "daemon/agent": ("deployed", None)}
    expected = {**WHOLE, "containerDefinitions": [{**WHOLE["containerDefinitions"][0], "image": f"{APP}:v2"}]}
    expected["containerDefinitions"].append(WHOLE["containerDefinitions"][1])
    assert daemons.daemons.running("prod", "agent") == expected
    assert daemons.daemons.tags("agent:2") == TAGS
    assert daemons.daemons.settings("prod", "agent") == before
    assert daemons.running("prod", "agent")["containerDefinitions"][0]["image"] == f"{APP}:v2"


def test_it_has_every_member_of_the_model() -> None:
    request = operation_model("RegisterDaemonTaskDefinition").input_shape
    answer = operation_model("DescribeDaemonTaskDefinition").output_shape.members["daemonTaskDefinition"]

    assert request.members.keys() - {"tags"} <= WHOLE.keys()
    assert answer.members.keys() - request.members.keys() <= revisions.DESCRIBE_ONLY
    assert operation_model("UpdateDaemon").input_shape.members.keys() == {
        "daemonArn",
        "daemonTaskDefinitionArn",
        "capacityProviderArns",
        "deploymentConfiguration",
        *SETTINGS,
    }


def test_the_same_again_does_nothing(daemons: StrictEcs) -> None:
    road = road_of(daemons)
    road.push(pushed("v2"))
    writes = len(daemons.writes)

    result = road.push(pushed("v2"))

    assert {outcome for outcome, _ in outcomes(result).values()} == {"unchanged"}
    assert len(daemons.writes) == writes


def test_it_is_not_looked_at_unless_asked_for(daemons: StrictEcs) -> None:
    result = Road(daemons).push(pushed("v2"))

    assert outcomes(result) == {"agent": ("deployed", None)}
    assert not [call for call in daemons.calls if "Daemon" in call.operation]


@pytest.mark.parametrize(
    ("services", "reached"),
    [
        (["agent"], {"agent"}),
        (["daemon/agent"], {"daemon/agent"}),
        (["daemon/*"], {"daemon/agent"}),
        (["*"], {"agent", "daemon/agent"}),
        (["*agent"], {"agent", "daemon/agent"}),
        (["daemon"], set()),
    ],
)
def test_rules_name_it_with_its_prefix(daemons: StrictEcs, services: list[str], reached: set[str]) -> None:
    result = road_of(daemons, rules=[{"services": services}]).push(pushed("v2"))

    assert {name for name, (outcome, _) in outcomes(result).items() if outcome == "deployed"} == reached


def test_a_setting_of_its_owner_comes_along(daemons: StrictEcs) -> None:
    daemons.daemons.register({**WHOLE, "memory": "1024"}, TAGS)

    road_of(daemons).push(pushed("v2"))

    assert daemons.daemons.running("prod", "agent")["memory"] == "1024"


def test_what_its_owner_registered_below_ours_comes_along(daemons: StrictEcs) -> None:
    road = road_of(daemons)
    road.push(pushed("v2"))
    daemons.daemons.register({**WHOLE, "memory": "1024"}, TAGS)
    # Another instance of the module, whose clusters this one can't see.
    theirs = daemons.client(caller="other-eu-west-1/other")
    theirs.register_daemon_task_definition(family="agent", containerDefinitions=[{"name": "main", "image": "theirs"}])

    road.push(pushed("v3", time="2026-11-23T08:00:00Z"))

    assert daemons.daemons.running("prod", "agent")["memory"] == "1024"
    assert len(daemons.daemons.running("prod", "agent")["containerDefinitions"]) == 2


def test_each_daemon_of_a_family_keeps_its_own_line(daemons: StrictEcs) -> None:
    other = daemons.daemons.register({**WHOLE, "memory": "2048"}, TAGS)
    daemons.daemons.add("staging", "agent", other)

    road_of(daemons).push(pushed("v2"))

    assert daemons.daemons.running("prod", "agent")["memory"] == "512"
    assert daemons.daemons.running("staging", "agent")["memory"] == "2048"


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"ecr-deploy:enabled": "false"}, "opted-out"),
        ({"ecr-deploy:pinned": "audit"}, "pinned"),
        ({"ecr-deploy:enabled": "perhaps"}, "opt-in-unclear"),
    ],
)
def test_its_tags_keep_it_out(daemons: StrictEcs, tags: dict[str, str], kind: str) -> None:
    daemons.daemons.retag("prod", "agent", tags)

    assert outcomes(road_of(daemons).push(pushed("v2")))["daemon/agent"] == ("skipped", kind)


def test_the_tags_of_its_cluster_keep_it_out(daemons: StrictEcs) -> None:
    daemons.retag_cluster("prod", {"ecr-deploy:enabled": "false"})

    assert outcomes(road_of(daemons).push(pushed("v2")))["daemon/agent"] == ("skipped", "opted-out")


def test_one_that_is_being_deleted_is_left_alone(daemons: StrictEcs) -> None:
    daemons.daemons.delete("prod", "agent")

    assert outcomes(road_of(daemons).push(pushed("v2"))) == {"agent": ("deployed", None)}


def test_its_rollout_is_reported(daemons: StrictEcs) -> None:
    road = road_of(daemons)
    road.push(pushed("v2"))
    assert road.deliver(changed("IN_PROGRESS")) == []
    daemons.daemons.move("prod", "agent", "SUCCESSFUL")

    assert road.deliver(changed("SUCCESSFUL")) == []

    [newest, *_] = road.request(history={"cluster": "prod", "service": "daemon/agent"})["history"]
    assert (newest["state"], newest["to"], newest["from"]) == ("live", "daemon/agent:2", "daemon/agent:1")


def test_a_rolled_back_image_stays_out(daemons: StrictEcs) -> None:
    road = road_of(daemons)
    road.push(pushed("v2", time="2026-11-23T06:00:00Z"))
    daemons.daemons.move("prod", "agent", "ROLLBACK_IN_PROGRESS", reason="the circuit breaker counted 3 failures")
    road.deliver(changed("ROLLBACK_IN_PROGRESS"))

    meanwhile = road.push(pushed("v3", time="2026-11-23T07:00:00Z"))
    daemons.daemons.move("prod", "agent", "ROLLBACK_SUCCESSFUL", reason="the circuit breaker counted 3 failures")
    road.deliver(changed("ROLLBACK_SUCCESSFUL"))

    assert outcomes(meanwhile)["daemon/agent"] == ("waiting", "rolling-back")
    assert daemons.daemons.running("prod", "agent")["containerDefinitions"][0]["image"] == f"{APP}:v3"
    history = road.request(history={"cluster": "prod", "service": "daemon/agent"})["history"]
    assert [(entry["state"], entry["reason"]) for entry in history] == [
        ("started", None),
        ("rolled-back", "the circuit breaker counted 3 failures"),
    ]
    again = road.push(pushed("v2", time="2026-11-23T06:00:00Z"))
    assert outcomes(again)["daemon/agent"][0] != "deployed"


def test_one_that_stopped_half_way_failed(daemons: StrictEcs) -> None:
    road = road_of(daemons)
    road.push(pushed("v2"))
    daemons.daemons.move("prod", "agent", "STOPPED", reason="instances could not be drained")
    road.deliver(changed("STOPPED"))

    [newest, *_] = road.request(history={"cluster": "prod", "service": "daemon/agent"})["history"]
    assert (newest["state"], newest["reason"]) == ("failed", "instances could not be drained")


def test_a_newer_push_supersedes_what_is_under_way(daemons: StrictEcs) -> None:
    road = road_of(daemons)
    road.push(pushed("v2", time="2026-11-23T06:00:00Z"))
    road.push(pushed("v3", time="2026-11-23T07:00:00Z"))
    daemons.daemons.move("prod", "agent", "SUCCESSFUL")
    road.deliver(changed("SUCCESSFUL"))

    history = road.request(history={"cluster": "prod", "service": "daemon/agent"})["history"]
    assert [entry["state"] for entry in history] == ["live", "superseded"]


def test_a_rollback_that_is_asked_for(daemons: StrictEcs) -> None:
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    road = Road(daemons, inputs={"daemons": True}, registry=registry)
    before = daemons.daemons.settings("prod", "agent")
    road.push(pushed("v2"))
    daemons.daemons.move("prod", "agent", "SUCCESSFUL")
    road.deliver(changed("SUCCESSFUL"))

    answer = road.request(rollback={"cluster": "prod", "service": "daemon/agent"})

    assert answer["rollback"]["outcome"] == "rolled-back"
    assert daemons.daemons.running("prod", "agent") == WHOLE
    assert daemons.daemons.settings("prod", "agent") == before
    assert daemons.running("prod", "agent")["containerDefinitions"][0]["image"] == f"{APP}:v2"


def test_a_tag_that_was_moved_gets_a_copy(daemons: StrictEcs) -> None:
    road = road_of(daemons)
    road.push(pushed("v1", "sha256:" + "1" * 64, time="2026-11-23T06:00:00Z"))
    moved = pushed("v1", "sha256:" + "2" * 64, time="2026-11-23T07:00:00Z")

    road.push(moved)
    road.push(moved)

    assert len(daemons.daemons.revisions("agent")) == 3, "one for each image"
    assert daemons.count("UpdateDaemon") == 2


def test_a_definition_that_is_gone_is_replaced_by_a_copy(daemons: StrictEcs) -> None:
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    road = Road(daemons, inputs={"daemons": True}, registry=registry)
    road.push(pushed("v2"))
    daemons.daemons.move("prod", "agent", "SUCCESSFUL")
    daemons.daemons.retire("agent:1")

    road.request(rollback={"cluster": "prod", "service": "daemon/agent"})

    assert daemons.daemons.running("prod", "agent") == WHOLE
    assert len(daemons.daemons.revisions("agent")) == 3


@pytest.mark.parametrize("operation", ["RegisterDaemonTaskDefinition", "UpdateDaemon"])
def test_an_answer_that_is_lost_makes_no_second_revision(daemons: StrictEcs, operation: str) -> None:
    daemons.inject(operation, Fault.TIMEOUT_AFTER_WRITE)

    road_of(daemons).push(pushed("v2"))

    assert len(daemons.daemons.revisions("agent")) == 2
    assert daemons.daemons.running("prod", "agent")["containerDefinitions"][0]["image"] == f"{APP}:v2"


def test_what_is_known_of_it_is_not_read_for_each_push(daemons: StrictEcs) -> None:
    daemons.daemons.add("prod", "other", daemons.daemons.register({**WHOLE, "family": "other"}))
    road = road_of(daemons)
    road.deliver(pushed("v9", repository="elsewhere"))
    described = daemons.count("DescribeDaemon")

    road.deliver(pushed("v9", repository="another"))

    assert described == 2
    assert daemons.count("DescribeDaemon") == described


def test_status_and_a_scheduled_run_know_it(daemons: StrictEcs) -> None:
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    road = Road(daemons, inputs={"daemons": True, "reconcile": True}, registry=registry)
    road.request(adopt={})
    registry.push("v2", time="2026-12-01T06:00:00Z")

    road.deliver({"source": "aws.events", "detail-type": "Scheduled Event", "id": "run", "detail": {}})

    assert daemons.daemons.running("prod", "agent")["containerDefinitions"][0]["image"] == f"{APP}:v2"
    names = {service["service"] for service in road.request(status={})["services"]}
    assert names == {"agent", "daemon/agent"}


def test_services_beside_it_are_as_without_it(daemons: StrictEcs) -> None:
    daemons.add_service("prod", "web", daemons.register(definition("web", f"{APP}:v1")), service_revisions=True)
    road = road_of(daemons)
    road.push(pushed("v2"))
    daemons.register(definition("web", f"{APP}:v1", cpu="512"))
    # Another instance of the module, whose clusters this one can't see.
    theirs = daemons.client(caller="other-eu-west-1/other")
    theirs.register_task_definition(family="web", containerDefinitions=[{"name": "main", "image": "theirs"}])

    road.push(pushed("v3", time="2026-11-23T08:00:00Z"))
    assert daemons.running("prod", "web") == definition("web", f"{APP}:v3", cpu="512")
    daemons.break_circuit("prod", "web")
    road.deliver(service_changed("failed", service="web"))

    entries = road.request(history={"cluster": "prod", "service": "web"})["history"]
    # What the bad image superseded is deployed again.
    assert [entry["state"] for entry in entries] == ["started", "rolled-back", "superseded"]


@pytest.mark.parametrize("place", [("prod", "daemon/nobody"), ("nowhere", "daemon/agent")])
def test_one_that_is_not_there(daemons: StrictEcs, place: tuple[str, str]) -> None:
    cluster, service = place
    with pytest.raises(InvalidRequestError, match="There is nothing to roll back"):
        road_of(daemons).request(rollback={"cluster": cluster, "service": service})

    assert daemons.writes == []


def test_a_cluster_that_is_gone_has_none(daemons: StrictEcs) -> None:
    daemons.add_cluster("old")
    daemons.delete_cluster("old")

    result = road_of(daemons, rules=[{"clusters": ["old", "prod"]}]).push(pushed("v2"))

    assert outcomes(result)["daemon/agent"] == ("deployed", None)


def test_one_without_capacity_providers_is_left_alone(ecs: StrictEcs) -> None:
    ecs.daemons.add("prod", "agent", ecs.daemons.register(WHOLE), providers=())

    result = road_of(ecs).push(pushed("v2"))

    assert outcomes(result)["daemon/agent"][0] == "failed"
    assert "capacity providers" in result["services"][0]["reason"]
    assert ecs.count("UpdateDaemon") == 0


def test_what_ecs_has_forgotten_of_its_deployments_is_not_needed(daemons: StrictEcs) -> None:
    before = daemons.daemons.settings("prod", "agent")
    daemons.daemons.forget_deployments("prod", "agent")

    result = road_of(daemons).push(pushed("v2"))

    after = daemons.daemons.settings("prod", "agent")
    assert outcomes(result)["daemon/agent"] == ("deployed", None)
    assert {name: after[name] for name in (*SETTINGS, "providers")} == {
        name: before[name] for name in (*SETTINGS, "providers")
    }
