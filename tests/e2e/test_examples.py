"""The examples that need no story: they apply, do what they are for, plan nothing more, and are destroyed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.harness.event_source import EventSourceMapping
from tests.harness.fleet import Service, running_services
from tests.harness.lambda_runtime import Function
from tests.harness.registry import push, put_event
from tests.harness.road import ACCOUNT, REGION, definition
from tests.harness.terraform import ZIP, Root, copy_module

OTHER_ACCOUNT = "111122223333"

pytestmark = pytest.mark.usefixtures("aws", "_no_leftovers")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_module(tmp_path_factory.mktemp("examples"))


@contextmanager
def applied(root: Root, **variables: Any) -> Iterator[dict[str, Any]]:
    try:
        yield root.apply(**variables)
        assert root.unexpected_changes() == []
    finally:
        root.destroy()


# The others are applied by a `Root`, which takes a warning for an error.
@pytest.mark.parametrize("name", ["simple", "environments"])
def test_nothing_is_deprecated(examples: Path, name: str) -> None:
    assert Root(examples / name).diagnostics() == []


def test_vpc_and_kms(examples: Path) -> None:
    with applied(Root(examples / "vpc-and-kms")) as outputs:
        function = boto3.client("lambda").get_function_configuration(FunctionName=outputs["function_name"])
        role = boto3.client("iam").get_role(RoleName=outputs["role_arn"].rpartition("/")[2])["Role"]
        key = function["KMSKeyArn"]

        assert len(function["VpcConfig"]["SubnetIds"]) == len(function["VpcConfig"]["SecurityGroupIds"]) == 1
        assert role["Path"] == "/private/"
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(":policy/private-boundary")
        assert role["Tags"] == [{"Key": "team", "Value": "platform"}]
        assert set(keys_of_queues("private-deploy")) == {key}
        [log] = boto3.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/private-deploy")["logGroups"]
        assert log["kmsKeyId"] == key


def keys_of_queues(prefix: str) -> list[str]:
    sqs = boto3.client("sqs")
    urls = sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"]
    assert len(urls) == 3
    attributes = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls]
    return [one["KmsMasterKeyId"] for one in attributes]


def test_cross_account(examples: Path) -> None:
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/terraform"
    credentials = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="docker")["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    registry = boto3.Session(*(credentials[name] for name in names), REGION)

    with applied(Root(examples / "cross-account"), registry_role_arn=role) as outputs:
        boto3.client("ecr").create_repository(repositoryName=outputs["repository"])
        with Function(outputs["function_name"], ZIP) as function:
            push(outputs["repository"], "v2", aws=registry)
            # The same name in the account of the clusters is another repository.
            push(outputs["repository"], "v3")
            EventSourceMapping(function).drain()

        assert outputs["repository_url"].startswith(OTHER_ACCOUNT)
        assert running_services()[Service("shared", "shared")].images == {"app": f"{outputs['repository_url']}:v2"}
        readers = registry.client("ecr").get_repository_policy(repositoryName=outputs["repository"])["policyText"]
        assert {statement["Principal"]["AWS"] for statement in json.loads(readers)["Statement"]} == {
            outputs["role_arn"],
            outputs["execution_role_arn"],
        }


def test_regions(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with applied(Root(examples / "regions"), soak_minutes=0) as outputs:
        repository, world = outputs["repository"], Service("world", "world")
        with Function(outputs["function_name"], ZIP) as function:
            push(repository, "v2")
            EventSourceMapping(function).drain()
        assert running_services()[world].images == {"app": f"{outputs['repository_url']}:v2"}

        with in_region("us-east-1", monkeypatch), Function(outputs["function_name"], ZIP) as function:
            EventSourceMapping(function).drain()
            asked = function.invoke({"explain": {"repository": repository, "tag": "v2", "region": REGION}})
            [waiting] = asked["services"]
            assert waiting["reason"] == "it has not been live on world/world, which is in world in eu-west-1"
            assert running_services()[world].images["app"].endswith("/world:none-yet")

        with Function(outputs["function_name"], ZIP) as function:
            end_rollout("world", "world")
            EventSourceMapping(function).drain()

        with in_region("us-east-1", monkeypatch), Function(outputs["function_name"], ZIP) as function:
            EventSourceMapping(function).drain()
            assert running_services()[world].images == {"app": f"{outputs['repository_url']}:v2"}


@contextmanager
def in_region(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in another region for a while, as the environment says it."""
    with monkeypatch.context() as patch:
        for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            patch.setenv(variable, name)
        boto3.setup_default_session()
        yield
    boto3.setup_default_session()


def test_existing_service(examples: Path) -> None:
    ecs = boto3.client("ecs")
    boto3.client("ecr").create_repository(repositoryName="old-shop")
    ecs.create_cluster(clusterName="old")
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/old-shop:v1"
    for name in ("asked", "untouched"):
        ecs.register_task_definition(**definition(name, image))
        service = ecs.create_service(cluster="old", serviceName=name, taskDefinition=name, desiredCount=0)["service"]
        if name == "asked":
            ecs.tag_resource(resourceArn=service["serviceArn"], tags=[{"key": "ecr-deploy:enabled", "value": "true"}])

    with applied(Root(examples / "existing-service"), clusters=["old"], repositories=["old-shop"]) as outputs:
        with Function(outputs["function_name"], ZIP) as function:
            digest = push("old-shop", "v2")
            EventSourceMapping(function).drain()

        running = {name: running_services()[Service("old", name)].images["main"] for name in ("asked", "untouched")}
        assert running == {"asked": f"{image.removesuffix('v1')}v2@{digest}", "untouched": image}


def test_stages(examples: Path) -> None:
    with applied(Root(examples / "stages"), name="staged", soak_minutes=0) as outputs:
        repository = outputs["repository"]

        def images() -> dict[str, str]:
            running = running_services()
            return {
                name: running[Service(f"staged-{name}", "staged")].images["staged"].partition("/staged:")[2]
                for name in ("staging", "production")
            }

        with Function(outputs["function_name"], ZIP) as function:
            mapping = EventSourceMapping(function)
            push(repository, "v2")
            mapping.drain()
            assert images() == {"staging": "none-yet", "production": "none-yet"}

            end_migration("staged-staging", repository)
            mapping.drain()
            assert images() == {"staging": "v2", "production": "none-yet"}

            end_rollout("staged-staging", "staged")
            mapping.drain()
            asked = function.invoke({"explain": {"repository": repository, "tag": "v2"}})
            assert reasons(asked) == {"staged-staging": "same-image", "staged-production": "approval"}

            approved = function.invoke({"approve": {"repository": repository, "tag": "v2", "by": "me"}})
            assert reasons(approved["pushes"][0])["staged-production"] == "task"

            end_migration("staged-production", repository)
            mapping.drain()
            assert images() == {"staging": "v2", "production": "v2"}


def reasons(push: Mapping[str, Any]) -> dict[str, str]:
    """Why a push does not deploy, by cluster, as answers say it."""
    return {service["cluster"]: service["reason_kind"] for service in push["services"]}


def end_migration(cluster: str, repository: str) -> None:
    """End the one task of a cluster well, which moto would run for good."""
    ecs = boto3.client("ecs")
    [arn] = ecs.list_tasks(cluster=cluster)["taskArns"]
    [task] = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
    definition = ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])["taskDefinition"]
    [container] = definition["containerDefinitions"]
    assert f"/{repository}:v2@sha256:" in container["image"]
    ended = {"lastStatus": "STOPPED", "containers": [{"name": container["name"], "exitCode": 0}]}
    detail = {name: task[name] for name in ("taskArn", "clusterArn", "taskDefinitionArn", "startedBy")} | ended
    put_event({"source": "aws.ecs", "detail-type": "ECS Task State Change", "resources": [arn], "detail": detail})


def end_rollout(cluster: str, name: str) -> None:
    """Announce that the rollout of a service is live: moto, which sends no such event, has it so at once."""
    [service] = boto3.client("ecs").describe_services(cluster=cluster, services=[name])["services"]
    [deployment] = service["deployments"]
    detail = {"eventName": "SERVICE_DEPLOYMENT_COMPLETED", "eventType": "INFO", "deploymentId": deployment["id"]}
    about = {"source": "aws.ecs", "detail-type": "ECS Deployment State Change", "resources": [service["serviceArn"]]}
    put_event({**about, "detail": detail})
