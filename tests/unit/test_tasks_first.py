"""A task first: services get an image only once its task has ended with 0, and it runs once."""

import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness.road import APP, Queues, Road, definition, digest, pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs
from tests.harness.table import TableFault

RULE = {"run_before": [{"family": "migrate", "container": "main", "command": ["rake", "db:migrate"]}]}
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event"}
LATER = "2026-11-23T07:00:00Z"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": [], "assignPublicIp": "DISABLED"}}


@pytest.fixture
def ecs() -> StrictEcs:
    ecs = StrictEcs(clock=FakeClock())
    members = {"networkConfiguration": NETWORK, "platformVersion": "1.4.0"}
    for name in ("api", "web"):
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")), members=members)
    ecs.register(definition("migrate", f"{APP}:v1", f"{APP}-side:v7", cpu="256"))
    return ecs


@pytest.fixture
def road(ecs: StrictEcs, caplog: pytest.LogCaptureFixture) -> Road:
    caplog.set_level(logging.INFO, "ecr_deploy")
    return Road(ecs, inputs={"rules": [RULE]})


def stopped(ecs: StrictEcs, arn: str) -> dict[str, Any]:
    """The event of a task that has stopped."""
    [task] = ecs.client().describe_tasks(cluster="prod", tasks=[arn])["tasks"]
    return {
        "id": f"stopped-{arn}",
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "detail": {name: value for name, value in task.items() if not name.endswith("At")},
    }


def end(ecs: StrictEcs, road: Road, code: int | None = 0) -> None:
    """Let the task that runs end, and tell of it."""
    [arn] = ecs.tasks()
    ecs.end_task(arn, code)
    assert road.deliver(stopped(ecs, arn)) == []


def images(road: Road) -> list[str]:
    return [road.image("prod", name).removeprefix(f"{APP}:") for name in ("api", "web")]


def tasks_images(ecs: StrictEcs) -> list[str]:
    """The images that tasks were started with."""
    arns = ecs.tasks(running=False)
    tasks = ecs.client().describe_tasks(cluster="prod", tasks=arns)["tasks"] if arns else []
    return [task["containers"][0]["image"] for task in tasks]


def test_services_get_the_image_once_the_task_ended_with_0(ecs: StrictEcs, road: Road) -> None:
    answer = road.push(pushed("v2"))

    assert (answer["outcome"], answer["reason_kind"]) == ("waiting", "task")
    assert images(road) == ["v1", "v1"]
    [run] = [call.request for call in ecs.writes if call.operation == "RunTask"]
    assert run["taskDefinition"].endswith(":task-definition/migrate:2")
    assert run["overrides"] == {"containerOverrides": [{"name": "main", "command": ["rake", "db:migrate"]}]}
    assert (run["launchType"], run["platformVersion"]) == ("FARGATE", "1.4.0")
    assert "networkConfiguration" not in run
    image = f"{APP}:v2@{digest('v2')}"
    assert ecs.definition("migrate:2") == definition("migrate", image, f"{APP}-side:v7", cpu="256")

    end(ecs, road)

    assert images(road) == ["v2", "v2"]
    assert road.deliver(pushed("v2"), TICK) == []
    assert ecs.count("RunTask") == 1


def test_one_that_fails_is_told_and_a_request_tries_again(ecs: StrictEcs, road: Road) -> None:
    road.push(pushed("v2"))
    road.events.taken.clear()

    end(ecs, road, 1)
    road.deliver(TICK, stopped(ecs, ecs.tasks(running=False)[0]))

    text = "the task migrate failed; container main: exit 1, Essential container in task exited"
    [(_, detail)] = road.events.taken
    assert (detail["outcome"], detail["reason_kind"], detail["reason"]) == ("failed", "task", text)
    assert road.push(pushed("v2"))["outcome"] == "skipped"
    assert images(road) == ["v1", "v1"]
    assert ecs.count("RunTask") == 1

    road.registry.push("v2")  # type: ignore[union-attr]
    road.request(repository="app", tag="v2")
    end(ecs, road)
    assert images(road) == ["v2", "v2"]
    assert ecs.count("RunTask") == 2


class Logs:
    """As much of CloudWatch Logs as is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refuses = False

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        if self.refuses:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetLogEvents")
        return {"events": [{"timestamp": number, "message": f"line {number}\n"} for number in range(request["limit"])]}


@pytest.mark.parametrize("refuses", [False, True])
def test_the_end_of_its_log_is_told(ecs: StrictEcs, *, refuses: bool) -> None:
    options = {"awslogs-group": "/shop", "awslogs-stream-prefix": "ecs", "awslogs-region": "eu-west-1"}
    logging_to = {"logDriver": "awslogs", "options": options}
    own = definition("migrate", f"{APP}:v1")
    own["containerDefinitions"][0]["logConfiguration"] = logging_to
    ecs.register(own)
    logs = Logs()
    logs.refuses = refuses
    road = Road(ecs, inputs={"rules": [RULE]}, clients={"logs": logs})
    road.push(pushed("v2"))

    end(ecs, road, 1)

    reason = road.events.taken[-1][1]["reason"]
    assert reason.endswith(
        "exited" if refuses else "exited; its log ends with:\n" + "\n".join(f"line {n}" for n in range(20))
    )
    identifier = ecs.tasks(running=False)[0].rpartition("/")[2]
    stream = {"logGroupName": "/shop", "logStreamName": f"ecs/main/{identifier}"}
    assert logs.asked == [{**stream, "limit": 20, "startFromHead": False}]


def test_a_newer_push_goes_on_after_one_that_failed(ecs: StrictEcs, road: Road) -> None:
    road.push(pushed("v2"))
    end(ecs, road, 1)

    road.push(pushed("v3", time=LATER))
    end(ecs, road)

    assert images(road) == ["v3", "v3"]


@pytest.mark.parametrize("code", [0, 1])
def test_two_never_run_at_once(ecs: StrictEcs, road: Road, code: int) -> None:
    road.push(pushed("v2"))
    answer = road.push(pushed("v3", time=LATER))
    assert answer["outcome"] == "waiting"
    assert len(ecs.tasks()) == 1

    end(ecs, road, code)
    assert images(road) == [["v2", "v2"], ["v1", "v1"]][code]
    assert len(ecs.tasks()) == 1
    end(ecs, road)

    assert images(road) == ["v3", "v3"]
    assert tasks_images(ecs) == [f"{APP}:{tag}@{digest(tag)}" for tag in ("v2", "v3")]


def test_one_whose_end_nobody_told_is_found_by_the_schedule(ecs: StrictEcs, road: Road) -> None:
    road.push(pushed("v2"))
    ecs.end_task(ecs.tasks()[0])

    assert road.deliver(TICK) == []

    assert images(road) == ["v2", "v2"]


def test_one_that_takes_too_long_is_stopped(ecs: StrictEcs, road: Road) -> None:
    road.push(pushed("v2"))
    ecs.clock.sleep(901)
    road.deliver(TICK, TICK)
    assert ecs.count("StopTask") == 1
    road.events.taken.clear()

    end(ecs, road, 137)

    assert "it had not ended after 15 minutes" in road.events.taken[-1][1]["reason"]
    assert images(road) == ["v1", "v1"]


def test_a_task_that_ecs_forgot_has_failed(ecs: StrictEcs, road: Road) -> None:
    road.push(pushed("v2"))
    ecs.end_task(ecs.tasks()[0])
    ecs.clock.sleep(7300)

    road.deliver(TICK)

    assert "ECS does not know the task any more" in road.events.taken[-1][1]["reason"]
    assert images(road) == ["v1", "v1"]


def test_a_refusal_fails_the_push_and_a_request_tries_again(ecs: StrictEcs, road: Road) -> None:
    ecs.deny("RunTask")
    answer = road.push(pushed("v2"))
    assert (answer["outcome"], answer["reason_kind"]) == ("failed", "task")
    ecs.allow()
    assert road.push(pushed("v2"))["outcome"] == "skipped"

    road.registry.push("v2")  # type: ignore[union-attr]
    assert road.request(repository="app", tag="v2")["pushes"][0]["outcome"] == "waiting"
    end(ecs, road)
    assert images(road) == ["v2", "v2"]


def test_a_family_that_is_not_there_is_said(ecs: StrictEcs) -> None:
    rule = {"run_before": [{"family": "nobody", "container": "main"}]}
    answer = Road(ecs, inputs={"rules": [rule]}).push(pushed("v2"))
    assert answer["outcome"] == "failed"
    assert "has no active revision with a container main" in answer["reason"]


def test_a_slot_that_somebody_edited_fails_pushes_by_name(ecs: StrictEcs, road: Road) -> None:
    item = {"target": {"S": "tasks"}, "item": {"S": "prod/migrate/main"}, "version": {"N": "1"}, "runs": {"S": "{"}}
    road.table.put(item)

    result = road.push(pushed("v2"))

    assert (result["outcome"], ecs.tasks()) == ("failed", [])
    assert "tasks, prod/migrate/main" in result["reason"]


def test_the_end_of_a_task_that_can_not_be_read_comes_back(ecs: StrictEcs, aws_queues: Queues) -> None:
    road = Road(ecs, aws_queues, inputs={"rules": [RULE]})
    road.push(pushed("v2"))
    [arn] = ecs.tasks()
    ecs.end_task(arn)
    road.table.inject("Query", TableFault.INTERNAL, times=99)

    assert road.deliver(stopped(ecs, arn)) == ["message-0"]

    road.table.heal()
    assert road.deliver(stopped(ecs, arn)) == []
    assert road.image("prod", "api") == f"{APP}:v2"


def test_a_dry_run_and_tasks_of_others_start_nothing(ecs: StrictEcs, road: Road) -> None:
    assert Road(ecs, inputs={"rules": [RULE], "dry_run": True}).push(pushed("v2"))["outcome"] == "waiting"
    other = ecs.client().run_task(cluster="prod", taskDefinition="migrate:1", startedBy="me")["tasks"][0]["taskArn"]
    ecs.end_task(other)
    assert road.deliver(stopped(ecs, other)) == []
    assert ecs.count("RunTask") == 1


def test_in_a_dry_run_the_end_of_a_task_deploys_nothing(ecs: StrictEcs, road: Road) -> None:
    road.push(pushed("v2"))
    [arn] = ecs.tasks()
    ecs.end_task(arn)

    assert Road(ecs, inputs={"rules": [RULE], "dry_run": True}).deliver(stopped(ecs, arn)) == []

    assert images(road) == ["v1", "v1"]


def test_where_it_runs_may_be_said(ecs: StrictEcs) -> None:
    network = {"subnets": ["subnet-9"], "security_groups": ["sg-9"], "assign_public_ip": True}
    task = {**RULE["run_before"][0], "launch_type": "FARGATE", "network_configuration": network}
    Road(ecs, inputs={"rules": [{"run_before": [task]}]}).push(pushed("v2"))

    [asked] = [call.request for call in ecs.calls if call.operation == "RunTask"]

    assert asked["launchType"] == "FARGATE"
    assert asked["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": ["subnet-9"],
        "securityGroups": ["sg-9"],
        "assignPublicIp": "ENABLED",
    }


def test_without_the_feature_nothing_is_read(ecs: StrictEcs) -> None:
    road = Road(ecs)
    assert road.push(pushed("v2"))["outcome"] == "deployed"
    assert not any(call.operation == "Query" for call in road.table.calls)
