"""What moto's ECS has not, end to end: what comes after the update, CodeDeploy, Express Mode and daemons."""

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.harness.event_source import EventSourceMapping
from tests.harness.lambda_runtime import Function
from tests.harness.registry import push, put_event
from tests.harness.road import ACCOUNT, CHAT_SCHEMA, REGION, definition
from tests.harness.strict_ecs import StrictEcs
from tests.harness.terraform import ZIP, unexpected_changes_of
from tests.unit.test_daemons import changed as daemon_changed
from tests.unit.test_rollouts import COMPLETED, changed

pytestmark = pytest.mark.usefixtures("_no_leftovers")

REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
TICK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": []}


@dataclass(frozen=True)
class Account:
    """What Terraform made on moto, and the services on the double of ECS."""

    ecs: StrictEcs
    function: Function
    mapping: EventSourceMapping
    queue_url: str
    people_url: str
    chat_url: str
    table: str

    def push(self, repository: str, tag: str = "v2") -> str:
        digest = push(repository, tag)
        self.mapping.drain()
        return digest

    def happens(self, event: dict[str, Any]) -> None:
        put_event(event)
        self.mapping.drain()

    def ticks(self) -> None:
        """Let the schedule's rule fire, which moto never does."""
        body = json.dumps({**TICK, "id": str(uuid.uuid4())})
        boto3.client("sqs").send_message(QueueUrl=self.queue_url, MessageGroupId="pushes", MessageBody=body)
        self.mapping.drain()

    def live(self, service: str) -> None:
        """Let a rollout succeed, and ECS say so."""
        self.ecs.move_deployment("prod", service, "SUCCESSFUL")
        self.happens(changed(COMPLETED, service=service))

    def running(self, service: str) -> str:
        [container] = self.ecs.running("prod", service)["containerDefinitions"]
        return str(container["image"]).rpartition("/")[2]

    def written(self, name: str) -> str:
        """What Systems Manager says that a service runs."""
        parameter = f"/features/images/prod/{name}/main"
        value = boto3.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
        return str(value).rpartition("/")[2]

    def age(self, service: str, time: timedelta) -> None:
        """Let the newest rollout of a service have begun earlier."""
        table, key = (
            boto3.resource("dynamodb").Table(self.table),
            {"target": f"service/prod/{service}", "item": "memory"},
        )
        item = table.get_item(Key=key)["Item"]
        known = json.loads(str(item["memory"]))
        for member in ("started_at", "since"):
            earlier = datetime.fromisoformat(known["rollouts"][0][member]) - time
            known["rollouts"][0][member] = earlier.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        table.put_item(Item={**item, "memory": json.dumps(known)})

    def told(self) -> list[str]:
        """The subjects of what people were told since they last looked; chats are told the same."""
        mails, chats = _received(self.people_url), [json.loads(one["Message"]) for one in _received(self.chat_url)]
        for chat in chats:
            CHAT_SCHEMA.validate(chat)
        assert [chat["metadata"]["summary"] for chat in chats] == [mail["Subject"] for mail in mails]
        return [str(mail["Subject"]) for mail in mails]


def _received(url: str) -> list[dict[str, Any]]:
    """The notifications in a queue that a topic is subscribed by, which are taken out."""
    sqs = boto3.client("sqs")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


@pytest.fixture(scope="module")
def ecs() -> StrictEcs:
    """A service for each of the repositories, but `job`, whose tasks are scheduled beside its service."""
    ecs = StrictEcs()
    for name in ("live", "back-in-time", "back-by-hand", "job"):
        ecs.add_service("prod", name, ecs.register(definition(name, f"{REGISTRY}/{name}:v1")))
    revision = ecs.register(definition("blue-green", f"{REGISTRY}/blue-green:v1"))
    balancer = {"targetGroupArn": "arn:blue", "containerName": "main", "containerPort": 8080}
    task_set = {"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": revision, "platformVersion": "1.4.0"}
    members = {"loadBalancers": [balancer], "taskSets": [{**task_set, "loadBalancers": [balancer]}]}
    ecs.add_service("prod", "blue-green", revision, deployment_controller="CODE_DEPLOY", members=members)
    express = ecs.register({**definition("express", f"{REGISTRY}/express:v1"), "cpu": "256", "memory": "512"})
    ecs.add_service("prod", "express", express, members={"resourceManagementType": "ECS"}, service_revisions=True)
    ecs.daemons.add("prod", "agent", ecs.daemons.register(definition("agent", f"{REGISTRY}/agent:v1"), {"team": "ops"}))
    return ecs


@pytest.fixture(scope="module")
def account(features: Any, ecs: StrictEcs) -> Iterator[Account]:
    outputs = {name: output["value"] for name, output in features.outputs.items()}
    with ecs.serve() as url, pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "AWS_ENDPOINT_URL_ECS", url)
        with Function(outputs["function_name"], ZIP) as function:
            yield Account(
                ecs,
                function,
                EventSourceMapping(function),
                outputs["queue_url"],
                outputs["people"],
                outputs["chat"],
                outputs["table_name"],
            )


def test_people_are_told_what_is_live_and_ecr_is_told_too(account: Account) -> None:
    digest = account.push("live")
    assert account.running("live") == account.written("live") == "live:v2"
    assert account.told() == ["live:v2 is being rolled out to live"]

    account.live("live")

    assert account.told() == ["live:v2 is live on live"]
    images = boto3.client("ecr").describe_images(repositoryName="live", imageIds=[{"imageTag": "production"}])
    assert [image["imageDigest"] for image in images["imageDetails"]] == [digest]


def test_the_push_of_a_promotion_starts_nothing(account: Account) -> None:
    writes = len(account.ecs.writes)

    account.push("live", "production")

    assert account.function.logs[-1]["outcome"] == "skipped"
    assert "promote_tag is production" in account.function.logs[-1]["reason"]
    assert len(account.ecs.writes) == writes
    assert account.running("live") == "live:v2"


def taken_back(name: str, reason: str) -> str:
    """What people are told of a service whose second revision was taken back."""
    return f"{name}:v2 was rolled back on {name}: {reason}"


def test_a_rollout_that_takes_too_long_is_taken_back(account: Account) -> None:
    # What it goes back to must be there.
    push("back-in-time", "v1")
    account.push("back-in-time")
    account.ticks()
    assert account.running("back-in-time") == "back-in-time:v2"
    account.age("back-in-time", timedelta(minutes=6))
    account.told()

    account.ticks()

    assert account.running("back-in-time") == account.written("back-in-time") == "back-in-time:v1"
    assert account.told() == [taken_back("back-in-time", "it was not live after 5 minutes")]


def test_a_rollout_is_taken_back_on_request(account: Account) -> None:
    # What it goes back to must be there.
    push("back-by-hand", "v1")
    account.push("back-by-hand")
    account.live("back-by-hand")
    account.told()

    answer = account.function.invoke({"rollback": {"cluster": "prod", "service": "back-by-hand"}})

    assert (answer["rollback"]["from"], answer["rollback"]["to"]) == ("back-by-hand:1", "back-by-hand:2")
    assert account.running("back-by-hand") == account.written("back-by-hand") == "back-by-hand:v1"
    assert account.told() == [taken_back("back-by-hand", "on request")]


def test_codedeploy_gets_a_deployment_with_its_app_spec(account: Account) -> None:
    codedeploy = boto3.client("codedeploy")
    # Not by Terraform: moto could not delete them.
    codedeploy.create_application(applicationName="shop", computePlatform="ECS")
    codedeploy.create_deployment_group(
        applicationName="shop",
        deploymentGroupName="blue-green",
        serviceRoleArn=f"arn:aws:iam::{ACCOUNT}:role/codedeploy",
        ecsServices=[{"clusterName": "prod", "serviceName": "blue-green"}],
    )

    account.push("blue-green")

    [identifier] = codedeploy.list_deployments(applicationName="shop", deploymentGroupName="blue-green")["deployments"]
    deployment = codedeploy.get_deployment(deploymentId=identifier)["deploymentInfo"]
    app_spec = json.loads(deployment["revision"]["appSpecContent"]["content"])
    assert app_spec == {
        "version": 0.0,
        "Resources": [
            {
                "TargetService": {
                    "Type": "AWS::ECS::Service",
                    "Properties": {
                        "TaskDefinition": account.ecs.revisions("blue-green")[-1],
                        "LoadBalancerInfo": {"ContainerName": "main", "ContainerPort": 8080},
                        "PlatformVersion": "1.4.0",
                    },
                }
            }
        ],
    }
    assert account.ecs.definition("blue-green:2")["containerDefinitions"][0]["image"] == f"{REGISTRY}/blue-green:v2"


def test_a_service_in_express_mode_is_rolled_out_and_back(account: Account) -> None:
    # What it goes back to must be there.
    push("express", "v1")
    account.push("express")
    account.live("express")
    assert account.running("express") == "express:v2"
    account.told()

    account.function.invoke({"rollback": {"cluster": "prod", "service": "express"}})

    assert account.running("express") == "express:v1"
    assert account.ecs.count("UpdateExpressGatewayService") == 2
    assert account.told() == [taken_back("express", "on request")]


def test_a_daemon_is_rolled_out_and_what_ecs_makes_of_it_is_told(account: Account) -> None:
    account.push("agent")
    assert account.ecs.daemons.running("prod", "agent") == definition("agent", f"{REGISTRY}/agent:v2")
    assert account.ecs.daemons.tags(account.ecs.daemons.revisions("agent")[-1]) == {"team": "ops"}
    assert account.told() == ["agent:v2 is being rolled out to daemon/agent"]
    account.ecs.daemons.move("prod", "agent", "ROLLBACK_SUCCESSFUL", reason="alarm errors is in ALARM")

    account.happens(daemon_changed("ROLLBACK_SUCCESSFUL"))

    assert account.told() == ["agent:v2 was rolled back on daemon/agent: alarm errors is in ALARM"]


def test_every_target_and_schedule_follows_with_all_its_settings(account: Account) -> None:
    events, scheduler = boto3.client("events"), boto3.client("scheduler")
    targets = events.list_targets_by_rule(Rule="nightly")["Targets"]
    schedule = scheduler.get_schedule(Name="weekly")
    assert len(targets) == 2

    account.push("job")

    second = account.ecs.revisions("job")[-1]
    assert second.endswith(":2")
    for target in (*targets, schedule["Target"]):
        target["EcsParameters"]["TaskDefinitionArn"] = second
    assert events.list_targets_by_rule(Rule="nightly")["Targets"] == targets
    assert without_dates(scheduler.get_schedule(Name="weekly")) == without_dates(schedule)


def without_dates(schedule: dict[str, Any]) -> dict[str, Any]:
    return {key: schedule[key] for key in schedule.keys() - {"ResponseMetadata", "LastModificationDate"}}


def test_old_revisions_go_but_for_those_that_are_scheduled(account: Account) -> None:
    account.live("job")
    for number in range(3, 6):
        # The schedules stay on the second revision, as if somebody had put them back.
        account.push("job", f"v{number}")
        account.live("job")

    assert [arn.rpartition(":")[2] for arn in account.ecs.revisions("job", active=True)] == ["1", "4", "5"]


def test_second_plan_is_empty(features: Any) -> None:
    assert unexpected_changes_of(features.terraform) == []
