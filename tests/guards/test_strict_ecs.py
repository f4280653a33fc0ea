"""The strict ECS double refuses what ECS refuses, and answers in the words of botocore's model."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import parsers
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests.harness.strict_ecs import (
    BUCKETS,
    DEPLOYMENT_OPERATIONS,
    OPERATIONS,
    Died,
    EcsError,
    FakeClock,
    Fault,
    StrictEcs,
)
from tests.harness.strict_ecs.validation import operation_model, problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.client import BaseClient

Json = dict[str, Any]

DIGEST = f"sha256:{'a' * 64}"
NEWER_DIGEST = f"sha256:{'b' * 64}"
UNMODELLED_ERRORS = {"ThrottlingException", "SerializationException", "UnknownOperationException"}
FARGATE: Json = {"requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512", "networkMode": "awsvpc"}


def definition(image: str = "app:v1", family: str = "app", **members: object) -> Json:
    return {"family": family, "containerDefinitions": [{"name": "main", "image": image}], **members}


def tag(key: str, value: str = "x") -> Json:
    return {"key": key, "value": value}


@pytest.fixture
def ecs() -> StrictEcs:
    """Two clusters; in `prod` a service on the older of two revisions."""
    double = StrictEcs(clock=FakeClock(), digests={"app:v1": DIGEST})
    double.add_cluster("staging")
    arn = double.register(definition(), {"team": "a"})
    double.register(definition("app:v2"))
    double.add_service("prod", "api", arn, tags={"tier": "web"}, service_revisions=True)
    return double


@pytest.fixture(scope="module")
def shared_client() -> BaseClient:
    return StrictEcs().client()


@pytest.fixture
def client(ecs: StrictEcs, shared_client: BaseClient) -> BaseClient:
    ecs.attach(shared_client)
    return shared_client


def refused(call: Callable[..., object], **request: object) -> tuple[str, str]:
    """Give the code and message of a refusal, whose code botocore's model must know."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    modelled = {shape.name for shape in operation_model(caught.value.operation_name).error_shapes}
    assert error["Code"] in modelled | UNMODELLED_ERRORS
    return error["Code"], error["Message"]


def on_the_wire(ecs: StrictEcs, operation: str, request: object) -> tuple[int, Json]:
    """Call without botocore, which would not send members or types that it does not know."""
    answer = ecs.handle(operation, json.dumps(request).encode())
    return answer.status, json.loads(answer.body)


class TestPages:
    def test_services_come_ten_at_a_time(self, ecs: StrictEcs, client: BaseClient) -> None:
        for number in range(24):
            ecs.add_service("prod", f"worker-{number}", "app")
        pages = list(client.get_paginator("list_services").paginate(cluster="prod"))
        assert [len(page["serviceArns"]) for page in pages] == [10, 10, 5]
        assert len({arn for page in pages for arn in page["serviceArns"]}) == 25
        assert len(client.list_services(cluster="prod", maxResults=100)["serviceArns"]) == 25

    @pytest.mark.parametrize("size", [0, 101])
    def test_size_has_bounds(self, client: BaseClient, size: int) -> None:
        code, _ = refused(client.list_services, cluster="prod", maxResults=size)
        assert code == "InvalidParameterException"

    @pytest.mark.parametrize("token", ["no base64", "Y2x1c3RlckFybnMgMTA="])
    def test_foreign_token_is_refused(self, client: BaseClient, token: str) -> None:
        assert refused(client.list_services, cluster="prod", nextToken=token)[0] == "InvalidParameterException"

    @pytest.mark.parametrize(
        ("method", "member"),
        [
            ("list_clusters", "clusterArns"),
            ("list_task_definitions", "taskDefinitionArns"),
            ("list_task_definition_families", "families"),
        ],
    )
    def test_the_rest_comes_a_hundred_at_a_time(
        self, ecs: StrictEcs, client: BaseClient, method: str, member: str
    ) -> None:
        for number in range(110):
            ecs.add_cluster(f"cluster-{number}")
            ecs.register(definition(family=f"family-{number}"))
        sizes = [len(page[member]) for page in client.get_paginator(method).paginate()]
        assert sizes[0] == 100
        assert len(sizes) == 2

    def test_filters(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.add_service("prod", "express", "app", members={"resourceManagementType": "ECS"})
        ecs.add_service("prod", "gone", "app", status="INACTIVE")
        ecs.deregister(ecs.register(definition(family="old")))
        services = client.list_services(cluster="prod", resourceManagementType="ECS")["serviceArns"]
        assert [arn.rpartition("/")[2] for arn in services] == ["express"]
        assert len(client.list_services(cluster="prod")["serviceArns"]) == 2
        assert client.list_task_definition_families()["families"] == ["app", "old"]
        assert client.list_task_definition_families(status="ACTIVE")["families"] == ["app"]
        assert client.list_task_definition_families(familyPrefix="o")["families"] == ["old"]
        newest_first = client.list_task_definitions(familyPrefix="app", sort="DESC")["taskDefinitionArns"]
        assert newest_first == ecs.revisions("app")[::-1]
        assert client.list_task_definitions(status="INACTIVE")["taskDefinitionArns"] == ecs.revisions("old")


class TestDescribeServices:
    def test_ten_at_most(self, client: BaseClient) -> None:
        names = [f"service-{number}" for number in range(11)]
        refusal = refused(client.describe_services, cluster="prod", services=names)
        assert refusal == ("InvalidParameterException", "service names can have at most 10 items.")
        assert refused(client.describe_services, cluster="prod", services=[])[0] == "InvalidParameterException"

    def test_missing_is_no_error(self, client: BaseClient) -> None:
        answer = client.describe_services(cluster="prod", services=["api", "nobody"])
        assert [service["serviceName"] for service in answer["services"]] == ["api"]
        arn = "arn:aws:ecs:eu-west-1:123456789012:service/prod/nobody"
        assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]

    def test_deleted_services_and_another_order(self, ecs: StrictEcs, client: BaseClient) -> None:
        arn = ecs.add_service("prod", "gone", "app")
        ecs.delete_service("prod", "gone")
        services = client.describe_services(cluster="prod", services=["api", arn])["services"]
        assert [(service["serviceName"], service["status"]) for service in services] == [
            ("gone", "INACTIVE"),
            ("api", "ACTIVE"),
        ]

    def test_tags_only_when_asked(self, client: BaseClient) -> None:
        def api(**include: object) -> Json:
            [service] = client.describe_services(cluster="prod", services=["api"], **include)["services"]
            return dict(service)

        assert "tags" not in api()
        assert api(include=["TAGS"])["tags"] == [tag("tier", "web")]

    def test_clusters(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.add_cluster("closed")
        ecs.delete_cluster("closed")
        for cluster in ("nowhere", "closed"):
            refusal = refused(client.describe_services, cluster=cluster, services=["api"])
            assert refusal == ("ClusterNotFoundException", "Cluster not found.")
        assert refused(client.list_services)[0] == "ClusterNotFoundException"  # there is no `default`
        arn = client.list_services(cluster="prod")["serviceArns"][0]
        assert refused(client.describe_services, cluster="staging", services=[arn])[0] == "InvalidParameterException"
        described = client.describe_clusters(clusters=["prod", "nowhere"], include=["TAGS"])
        assert [cluster["activeServicesCount"] for cluster in described["clusters"]] == [1]
        assert [failure["reason"] for failure in described["failures"]] == ["MISSING"]

    def test_controller_is_named_only_where_one_was_chosen(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.add_service("prod", "green", "app", deployment_controller="CODE_DEPLOY")
        ecs.add_service("prod", "foreign", None, deployment_controller="EXTERNAL")
        foreign, green, api = client.describe_services(cluster="prod", services=["api", "green", "foreign"])["services"]
        assert "deploymentController" not in api
        assert green["deploymentController"] == {"type": "CODE_DEPLOY"}
        assert "taskDefinition" not in foreign


class TestUpdateExpressGatewayService:
    EXPRESS: Mapping[str, object] = {"resourceManagementType": "ECS"}

    def test_gives_the_revision_and_nothing_else(self, ecs: StrictEcs, client: BaseClient) -> None:
        arn = ecs.add_service("prod", "express", "app:1", members=self.EXPRESS)
        target = ecs.revisions("app")[1]
        client.update_express_gateway_service(serviceArn=arn, taskDefinitionArn=target)
        assert ecs.task_definition("prod", "express") == target
        _, message = refused(client.update_express_gateway_service, serviceArn=arn, cpu="512")
        assert "must not be given cpu" in message

    def test_each_kind_of_service_has_its_own_operation(self, ecs: StrictEcs, client: BaseClient) -> None:
        arn = ecs.add_service("prod", "express", "app:1", members=self.EXPRESS)
        assert refused(client.update_service, cluster="prod", service="express", taskDefinition="app:2")
        usual = arn.replace("express", "api")
        assert refused(client.update_express_gateway_service, serviceArn=usual, taskDefinitionArn="app:2")
        code, _ = refused(client.update_express_gateway_service, serviceArn=f"{arn}-gone", taskDefinitionArn="app:2")
        assert code == "ServiceNotFoundException"


class TestUpdateService:
    def test_new_deployment_only_for_a_change(self, ecs: StrictEcs, client: BaseClient) -> None:
        def deployments(**request: object) -> list[Json]:
            return list(client.update_service(cluster="prod", service="api", **request)["service"]["deployments"])

        old, new = ecs.revisions("app")
        unchanged = deployments(taskDefinition=old)
        assert [deployment["status"] for deployment in unchanged] == ["PRIMARY"]
        primary, former = deployments(taskDefinition=new)
        assert (primary["status"], primary["taskDefinition"]) == ("PRIMARY", new)
        assert former == unchanged[0] | {"status": "ACTIVE"}
        assert primary["id"].startswith("ecs-svc/")
        assert primary["id"] != former["id"]
        assert len(deployments(taskDefinition=new)) == 2
        assert len(deployments(forceNewDeployment=True)) == 3
        assert ecs.running("prod", "api") == definition("app:v2")

    def test_bare_family_is_the_newest_active(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.deregister(ecs.register(definition("app:v3")))
        client.update_service(cluster="prod", service="api", taskDefinition="app")
        assert ecs.task_definition("prod", "api") == ecs.revisions("app")[1]

    def test_task_definition_must_be_active(self, ecs: StrictEcs, client: BaseClient) -> None:
        arn = ecs.revisions("app")[1]
        ecs.deregister(arn)
        for identifier, message in [
            (arn, "TaskDefinition is inactive"),
            ("app:9", "TaskDefinition not found."),
            ("nobody", "TaskDefinition not found."),
            ("no:such:thing", "TaskDefinition not found."),
        ]:
            refusal = refused(client.update_service, cluster="prod", service="api", taskDefinition=identifier)
            assert refusal == ("ClientException", message)

    def test_a_service_may_go_on_with_an_inactive_revision(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.deregister(ecs.revisions("app")[0])
        client.update_service(cluster="prod", service="api", forceNewDeployment=True)
        assert ecs.running("prod", "api") == definition()

    @pytest.mark.parametrize(
        ("cluster", "service", "code"),
        [
            ("prod", "nobody", "ServiceNotFoundException"),
            ("prod", "gone", "ServiceNotActiveException"),
            ("prod", "draining", "ServiceNotActiveException"),
            ("nowhere", "api", "ClusterNotFoundException"),
        ],
    )
    def test_service_must_be_active(
        self, ecs: StrictEcs, client: BaseClient, cluster: str, service: str, code: str
    ) -> None:
        ecs.add_service("prod", "gone", "app", status="INACTIVE")
        ecs.add_service("prod", "draining", "app", status="DRAINING")
        assert refused(client.update_service, cluster=cluster, service=service, taskDefinition="app")[0] == code

    def test_other_controllers(self, ecs: StrictEcs, client: BaseClient) -> None:
        for controller in ("CODE_DEPLOY", "EXTERNAL"):
            ecs.add_service("prod", controller, "app", deployment_controller=controller)
            changes: list[tuple[str, Json]] = [
                ("update task definition", {"taskDefinition": "app"}),
                ("force a new deployment", {"forceNewDeployment": True}),
            ]
            for what, change in changes:
                code, message = refused(client.update_service, cluster="prod", service=controller, **change)
                assert code == "InvalidParameterException"
                assert message.startswith(f"Unable to {what} on services with a {controller} deployment controller.")

    def test_nothing_else_may_be_set(self, ecs: StrictEcs, client: BaseClient) -> None:
        code, message = refused(client.update_service, cluster="prod", service="api", desiredCount=3)
        assert code == "InvalidParameterException"
        assert message == "House rule of the strict ECS double: UpdateService must not be given desiredCount."
        assert ecs.writes == []


class TestRegister:
    def test_json_survives_and_ecs_adds_its_own(self, ecs: StrictEcs, client: BaseClient) -> None:
        request = definition("app:v9", invented={"deep": [1, None, ""]}, **FARGATE)
        request["containerDefinitions"][0] |= {"environment": [{"name": "EMPTY", "value": ""}], "invented": True}
        status, answer = on_the_wire(ecs, "RegisterTaskDefinition", request | {"tags": [tag("a")]})
        assert status == 200
        assert answer["tags"] == [tag("a")]
        described = on_the_wire(ecs, "DescribeTaskDefinition", {"taskDefinition": "app"})[1]["taskDefinition"]
        assert described == answer["taskDefinition"]
        added = {name: described.pop(name) for name in described.keys() - request.keys()}
        assert described == request
        assert ecs.definition("app") == request
        assert ecs.tags("app") == {"a": "x"}
        assert added == {
            "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/app:3",
            "revision": 3,
            "status": "ACTIVE",
            "registeredAt": ecs.clock.time(),
            "registeredBy": "arn:aws:sts::123456789012:assumed-role/ecr-deploy-eu-west-1/ecr-deploy",
            "compatibilities": ["EC2", "FARGATE"],
            "requiresAttributes": added["requiresAttributes"],
        }
        assert client.describe_task_definition(taskDefinition="app")["taskDefinition"]["registeredAt"].timestamp()

    @pytest.mark.parametrize(
        ("change", "code", "message"),
        [
            ({"tags": []}, "ClientException", "Tags can not be empty."),
            ({"family": None}, "ClientException", "Family can not be blank."),
            ({"family": ""}, "ClientException", "Family can not be blank."),
            ({"family": "app.web"}, "ClientException", "Family contains invalid characters."),
            ({"family": "a" * 256}, "ClientException", "Family contains invalid characters."),
            ({"containerDefinitions": []}, "ClientException", "Container list cannot be empty."),
            ({"containerDefinitions": [{"name": "main"}]}, "ClientException", "Container.image should not be null"),
            ({"containerDefinitions": [{"image": "a:b"}] * 11}, "ClientException", "Too many containers"),
            ({"containerDefinitions": [{"image": "a" * 256}]}, "ClientException", "Container.image should be at most"),
            ({"volumes": [{"name": "é" * 33_000}]}, "ClientException", "Actual length: '66"),
            ({"cpu": 256}, "SerializationException", "cpu has a value of the wrong type."),
            ({"enableFaultInjection": 1}, "SerializationException", "enableFaultInjection has"),
            ({"revision": 7, "status": "ACTIVE"}, "InvalidParameterException", "revision, status can not be set"),
            (FARGATE | {"cpu": None}, "ClientException", "Fargate requires that 'cpu' be defined at the task level."),
            (FARGATE | {"memory": None}, "ClientException", "Fargate requires that 'memory' be defined"),
            (FARGATE | {"networkMode": "bridge"}, "ClientException", "Fargate only supports network mode"),
            (
                {"containerDefinitions": [{"image": "a:b", "secrets": [{"name": "token"}]}]},
                "ClientException",
                "ContainerDefinitions[0].secrets[0].valueFrom can not be blank.",
            ),
        ],
    )
    def test_refusals(self, ecs: StrictEcs, change: Json, code: str, message: str) -> None:
        status, answer = on_the_wire(ecs, "RegisterTaskDefinition", definition() | change)
        assert status == 400
        assert answer["__type"] == code
        assert answer["message"].startswith(message)
        assert ecs.writes == []
        assert len(ecs.revisions("app")) == 2

    def test_a_digest_may_make_a_long_image_longer(self, ecs: StrictEcs, client: BaseClient) -> None:
        client.register_task_definition(**definition(f"{'a' * 255}@{DIGEST}"))
        assert len(ecs.revisions("app")) == 3

    @pytest.mark.parametrize(
        "tags",
        [
            [tag(f"key-{number}") for number in range(51)],
            [tag("a"), tag("a", "y")],
            [tag("k" * 129)],
            [tag("a", "v" * 257)],
            [tag("a,b")],
            [tag("a", "v!")],
            [{"value": "keyless"}],
            [tag("aws:cloudformation:stack-name")],
            [tag("AWS:x")],
            [tag("a", "aws:x")],
        ],
    )
    def test_bad_tags(self, ecs: StrictEcs, tags: list[Json]) -> None:
        for operation, request in [
            ("RegisterTaskDefinition", definition(tags=tags)),
            ("TagResource", {"resourceArn": ecs.revisions("app")[1], "tags": tags}),
        ]:
            status, answer = on_the_wire(ecs, operation, request)
            assert status == 400
            assert answer["__type"] == "InvalidParameterException"

    def test_good_tags(self, client: BaseClient) -> None:
        tags = [tag(f"{number} é_.:/=+-@".ljust(128, "k"), "v" * 256) for number in range(50)]
        assert client.register_task_definition(**definition(), tags=tags)["tags"] == tags

    def test_only_an_owner_has_reserved_tags(self, ecs: StrictEcs) -> None:
        tags = {"aws:cloudformation:stack-name": "s"} | {f"key-{number}": "x" for number in range(50)}
        assert ecs.tags(ecs.register(definition(), tags)) == tags
        with pytest.raises(EcsError, match="limit of 50"):
            ecs.register(definition(), tags | {"key-50": "x"})

    def test_an_owner_is_held_to_the_same_rules(self, ecs: StrictEcs) -> None:
        with pytest.raises(EcsError, match="Fargate requires"):
            ecs.register(definition(requiresCompatibilities=["FARGATE"]))


class TestTaskDefinitions:
    def test_by_family_revision_and_arn(self, ecs: StrictEcs, client: BaseClient) -> None:
        old, new = ecs.revisions("app")
        for identifier, arn in [("app", new), ("app:1", old), (old, old)]:
            described = client.describe_task_definition(taskDefinition=identifier)
            assert described["taskDefinition"]["taskDefinitionArn"] == arn
            assert "tags" not in described
        described = client.describe_task_definition(taskDefinition=old, include=["TAGS"])
        assert described["tags"] == [tag("team", "a")]
        assert "tags" not in described["taskDefinition"]
        assert client.describe_task_definition(taskDefinition=new, include=["TAGS"])["tags"] == []

    def test_deregistered(self, ecs: StrictEcs, client: BaseClient) -> None:
        old, new = ecs.revisions("app")
        assert refused(client.deregister_task_definition, taskDefinition="app")[0] == "ClientException"
        client.deregister_task_definition(taskDefinition=new)
        assert client.describe_task_definition(taskDefinition="app")["taskDefinition"]["taskDefinitionArn"] == old
        described = client.describe_task_definition(taskDefinition=new)["taskDefinition"]
        assert described["status"] == "INACTIVE"
        assert "deregisteredAt" in described
        client.deregister_task_definition(taskDefinition=old)
        assert refused(client.describe_task_definition, taskDefinition="app")[0] == "ClientException"
        assert ecs.register(definition()).endswith(":3")

    @pytest.mark.parametrize(
        "identifier", ["nobody", "app:9", "app:0", "arn:aws:ecs:eu-west-1:999999999999:task-definition/app:1"]
    )
    def test_unknown(self, client: BaseClient, identifier: str) -> None:
        refusal = refused(client.describe_task_definition, taskDefinition=identifier)
        assert refusal == ("ClientException", "Unable to describe task definition.")


def test_tags_of_resources(ecs: StrictEcs, client: BaseClient) -> None:
    cluster = client.list_clusters()["clusterArns"][0]
    service = client.list_services(cluster="prod")["serviceArns"][0]
    for arn, before in [(cluster, []), (service, [tag("tier", "web")]), (ecs.revisions("app")[0], [tag("team", "a")])]:
        client.tag_resource(resourceArn=arn, tags=[tag("new")])
        assert client.list_tags_for_resource(resourceArn=arn)["tags"] == [*before, tag("new")]
    assert refused(client.list_tags_for_resource, resourceArn="arn:x")[0] == "InvalidParameterException"
    assert refused(client.tag_resource, resourceArn="arn:x", tags=[tag("a")])[0] == "ResourceNotFoundException"


class TestServiceDeployments:
    def test_digest_is_resolved_when_the_deployment_begins(self) -> None:
        digests = {"app:v1": DIGEST}
        ecs = StrictEcs(digests=digests)
        client = ecs.client()
        ecs.add_service("prod", "api", ecs.register(definition(f"app@{NEWER_DIGEST}")), service_revisions=True)
        client.update_service(cluster="prod", service="api", taskDefinition=ecs.register(definition("app:v1")))
        digests["app:v1"] = NEWER_DIGEST
        client.update_service(cluster="prod", service="api", taskDefinition=ecs.register(definition("other")))
        service = client.describe_services(cluster="prod", services=["api"])["services"][0]
        arns = [revision["arn"] for revision in service["currentServiceRevisions"]]
        described = client.describe_service_revisions(serviceRevisionArns=[*arns, "arn:x"])
        assert [revision["containerImages"] for revision in described["serviceRevisions"]] == [
            [{"containerName": "main", "image": f"app@{NEWER_DIGEST}", "imageDigest": NEWER_DIGEST}],
            [{"containerName": "main", "image": "app:v1", "imageDigest": DIGEST}],
            [{"containerName": "main", "image": "other"}],
        ]
        assert [revision["taskDefinition"] for revision in described["serviceRevisions"]] == ecs.revisions("app")
        assert described["failures"] == [{"arn": "arn:x", "reason": "MISSING"}]

    def test_status_and_rollback(self, ecs: StrictEcs, client: BaseClient) -> None:
        old, new = ecs.revisions("app")
        client.update_service(cluster="prod", service="api", taskDefinition=new)
        ecs.update_service("prod", "api")

        def statuses() -> list[str]:
            listed = client.list_service_deployments(cluster="prod", service="api")
            arns = [brief["serviceDeploymentArn"] for brief in listed["serviceDeployments"]]
            described = client.describe_service_deployments(serviceDeploymentArns=arns)
            return [deployment["status"] for deployment in described["serviceDeployments"]]

        assert statuses() == ["IN_PROGRESS", "STOPPED", "SUCCESSFUL"]
        ecs.move_deployment("prod", "api", "ROLLBACK_IN_PROGRESS", reason="circuit breaker")
        assert ecs.task_definition("prod", "api") == old
        assert statuses()[0] == "ROLLBACK_IN_PROGRESS"
        service = client.describe_services(cluster="prod", services=["api"])["services"][0]
        assert [rollout["rolloutState"] for rollout in service["deployments"]][:2] == ["IN_PROGRESS", "FAILED"]
        (deployment,) = client.describe_service_deployments(
            serviceDeploymentArns=[service["currentServiceDeployment"]]
        )["serviceDeployments"]
        assert deployment["rollback"]["reason"] == "circuit breaker"
        ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")
        service = client.describe_services(cluster="prod", services=["api"])["services"][0]
        assert [rollout["taskDefinition"] for rollout in service["deployments"]] == [old]
        assert len(service["currentServiceRevisions"]) == 1

    def test_list_filters(self, ecs: StrictEcs, client: BaseClient) -> None:
        def listed(**filters: object) -> int:
            return len(client.list_service_deployments(cluster="prod", service="api", **filters)["serviceDeployments"])

        now = ecs.clock.time()
        assert listed(status=["SUCCESSFUL"], createdAt={"after": now - 1, "before": now + 1}) == 1
        assert listed(status=["PENDING"]) == 0
        assert listed(createdAt={"after": now + 1}) == 0

    def test_bounds(self, ecs: StrictEcs, client: BaseClient) -> None:
        arns = [f"arn:{number}" for number in range(21)]
        for asked in (arns, []):
            for call, member in [
                (client.describe_service_revisions, "serviceRevisionArns"),
                (client.describe_service_deployments, "serviceDeploymentArns"),
            ]:
                assert refused(call, **{member: asked})[0] == "InvalidParameterException"
        ecs.add_service("prod", "green", "app", deployment_controller="CODE_DEPLOY")
        list_deployments = client.list_service_deployments
        assert refused(list_deployments, cluster="prod", service="green")[0] == "UnsupportedFeatureException"
        assert refused(list_deployments, cluster="prod", service="nobody")[0] == "ServiceNotFoundException"

    def test_older_services_have_none(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.add_service("prod", "old", "app")
        service = client.describe_services(cluster="prod", services=["old"])["services"][0]
        assert not {"currentServiceDeployment", "currentServiceRevisions"} & service.keys()
        assert client.list_service_deployments(cluster="prod", service="old")["serviceDeployments"] == []


class TestCallers:
    def test_registered_by_tells_who(self, ecs: StrictEcs) -> None:
        client = ecs.client()

        def registered_by(arn: str) -> str:
            return str(client.describe_task_definition(taskDefinition=arn)["taskDefinition"]["registeredBy"])

        client.register_task_definition(**definition())
        ecs.client(caller="staging-eu-west-1/staging").register_task_definition(**definition())
        ecs.caller = "other-eu-west-1/other"
        client.register_task_definition(**definition())
        principals = [registered_by(arn).rpartition(":")[2] for arn in ecs.revisions("app")]
        assert principals == [
            "user/owner",
            "user/owner",
            "assumed-role/ecr-deploy-eu-west-1/ecr-deploy",
            "assumed-role/staging-eu-west-1/staging",
            "assumed-role/other-eu-west-1/other",
        ]

    def test_denied_for_all(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.deny(*DEPLOYMENT_OPERATIONS)
        service = client.describe_services(cluster="prod", services=["api"])["services"][0]
        deployment, revision = service["currentServiceDeployment"], service["currentServiceRevisions"][0]["arn"]
        calls: list[tuple[Callable[..., Json], Json]] = [
            (client.list_service_deployments, {"cluster": "prod", "service": "api"}),
            (client.describe_service_deployments, {"serviceDeploymentArns": [deployment]}),
            (client.describe_service_revisions, {"serviceRevisionArns": [revision]}),
            (client.stop_service_deployment, {"serviceDeploymentArn": deployment}),
        ]
        for code, unknown in (("AccessDeniedException", False), ("UnknownOperationException", True)):
            ecs.allow()
            ecs.deny(*DEPLOYMENT_OPERATIONS, unknown=unknown)
            assert [refused(call, **request)[0] for call, request in calls] == [code] * 4
            ecs.allow()
            ecs.deny(*DEPLOYMENT_OPERATIONS, cluster="prod", service="api", unknown=unknown)
            assert [refused(call, **request)[0] for call, request in calls] == [code] * 4
        ecs.allow()
        assert client.list_service_deployments(cluster="prod", service="api")["serviceDeployments"]

    def test_denied_for_one_service(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.add_service("prod", "web", "app", service_revisions=True)
        ecs.add_service("staging", "api", "app", service_revisions=True)
        ecs.deny("UpdateService", *DEPLOYMENT_OPERATIONS, cluster="prod", service="api")
        for cluster, service in (("prod", "web"), ("staging", "api")):
            client.update_service(cluster=cluster, service=service, taskDefinition="app")
            listed = client.list_service_deployments(cluster=cluster, service=service)["serviceDeployments"]
            arns = [one["serviceDeploymentArn"] for one in listed]
            assert client.describe_service_deployments(serviceDeploymentArns=arns)["failures"] == []
        code, message = refused(client.update_service, cluster="prod", service="api", taskDefinition="app")
        assert code == "AccessDeniedException"
        assert "assumed-role/ecr-deploy-eu-west-1/ecr-deploy is not authorized" in message
        assert ecs.writes[-1].request["service"] == "api"
        assert ecs.writes[-1].request["cluster"] == "staging"


class TestShortArns:
    """`service/NAME`, of services that were made before 2021, with the same name in two clusters."""

    SHORT = "arn:aws:ecs:eu-west-1:123456789012:service/web"

    @pytest.fixture
    def ecs(self, ecs: StrictEcs) -> StrictEcs:
        for cluster in ("prod", "staging"):
            assert ecs.add_service(cluster, "web", "app:1", short_arn=True, service_revisions=True) == self.SHORT
        return ecs

    def test_name_or_arn_within_a_cluster(self, ecs: StrictEcs, client: BaseClient) -> None:
        assert self.SHORT in client.list_services(cluster="prod")["serviceArns"]
        assert client.list_services(cluster="staging")["serviceArns"] == [self.SHORT]
        for identifier in ("web", self.SHORT):
            for cluster in ("prod", "staging"):
                [service] = client.describe_services(cluster=cluster, services=[identifier])["services"]
                assert service["clusterArn"].endswith(f"cluster/{cluster}")
                assert service["serviceArn"] == self.SHORT
        client.update_service(cluster="staging", service=self.SHORT, taskDefinition="app:2")
        assert ecs.running("staging", "web") == definition("app:v2")
        assert ecs.running("prod", "web") == definition()

    def test_the_other_format_is_another_arn(self, client: BaseClient) -> None:
        for arn in ("arn:aws:ecs:eu-west-1:123456789012:service/prod/web", self.SHORT.replace("web", "api")):
            answer = client.describe_services(cluster="prod", services=[arn])
            assert (answer["services"], answer["failures"]) == ([], [{"arn": arn, "reason": "MISSING"}])

    def test_no_tags(self, client: BaseClient) -> None:
        [service] = client.describe_services(cluster="prod", services=["web"], include=["TAGS"])["services"]
        assert "tags" not in service
        expected = ("InvalidParameterException", "Long arn format must be used for tagging operations")
        assert refused(client.list_tags_for_resource, resourceArn=self.SHORT) == expected
        assert refused(client.tag_resource, resourceArn=self.SHORT, tags=[tag("a")]) == expected

    def test_denial_names_the_short_arn(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.deny("UpdateService", cluster="staging", service="web")
        client.update_service(cluster="prod", service=self.SHORT, taskDefinition="app:2")
        message = refused(client.update_service, cluster="staging", service=self.SHORT, taskDefinition="app:2")[1]
        assert f"on resource: {self.SHORT} because" in message


class TestHooks:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html"""

    @pytest.fixture
    def deployment(self, ecs: StrictEcs, client: BaseClient) -> Callable[[], Json]:
        ecs.update_service("prod", "api", "app:2")

        def newest() -> Json:
            [service] = client.describe_services(cluster="prod", services=["api"])["services"]
            arns = [service["currentServiceDeployment"]]
            return dict(client.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"][0])

        return newest

    def test_waits_for_a_person(self, ecs: StrictEcs, deployment: Callable[[], Json]) -> None:
        assert "lifecycleHookDetails" not in deployment()
        hook = ecs.pause("prod", "api", seconds=600)
        ecs.end_deployments()
        described = deployment()
        assert (described["status"], described["lifecycleStage"]) == ("IN_PROGRESS", "POST_TEST_TRAFFIC_SHIFT")
        [details] = described["lifecycleHookDetails"]
        assert details.pop("expiresAt").timestamp() == ecs.clock.time() + 600
        assert details == {
            "hookId": hook,
            "targetType": "PAUSE",
            "status": "AWAITING_ACTION",
            "timeoutAction": "ROLLBACK",
        }

    @pytest.mark.parametrize(
        ("action", "status"),
        [
            ({}, "IN_PROGRESS"),
            ({"action": "CONTINUE"}, "IN_PROGRESS"),
            ({"action": "ROLLBACK"}, "ROLLBACK_IN_PROGRESS"),
        ],
    )
    def test_somebody_acts(self, ecs: StrictEcs, deployment: Callable[[], Json], action: Json, status: str) -> None:
        client = ecs.client()
        request = {"serviceDeploymentArn": deployment()["serviceDeploymentArn"], "hookId": ecs.pause("prod", "api")}
        client.continue_service_deployment(**request, **action)
        assert deployment()["status"] == status
        assert deployment()["lifecycleHookDetails"][0]["status"] == "SUCCEEDED"
        assert ecs.running("prod", "api") == definition("app:v2" if status == "IN_PROGRESS" else "app:v1")
        assert refused(client.continue_service_deployment, **request)[0] == "InvalidParameterException"
        unknown = request | {"serviceDeploymentArn": "arn:x"}
        assert refused(client.continue_service_deployment, **unknown)[0] == "ServiceDeploymentNotFoundException"

    @pytest.mark.parametrize(
        ("timeout_action", "status"), [("ROLLBACK", "ROLLBACK_IN_PROGRESS"), ("CONTINUE", "IN_PROGRESS")]
    )
    def test_nobody_acts(
        self, ecs: StrictEcs, deployment: Callable[[], Json], timeout_action: str, status: str
    ) -> None:
        ecs.pause("prod", "api", seconds=600, timeout_action=timeout_action)
        ecs.clock.sleep(599)
        assert deployment()["lifecycleHookDetails"][0]["status"] == "AWAITING_ACTION"
        ecs.clock.sleep(1)
        assert (deployment()["status"], deployment()["lifecycleHookDetails"][0]["status"]) == (status, "TIMED_OUT")

    def test_a_newer_deployment_overtakes(self, ecs: StrictEcs, deployment: Callable[[], Json]) -> None:
        ecs.pause("prod", "api", seconds=600)
        ecs.update_service("prod", "api", "app:1")
        ecs.clock.sleep(600)
        assert deployment()["status"] == "IN_PROGRESS"
        ecs.end_deployments()
        assert ecs.running("prod", "api") == definition()


class TestOwner:
    """What others do to a service."""

    @pytest.fixture
    def api(self, client: BaseClient) -> Callable[[], Json]:
        return lambda: dict(client.describe_services(cluster="prod", services=["api"])["services"][0])

    def test_circuit_breaker(self, ecs: StrictEcs, client: BaseClient, api: Callable[[], Json]) -> None:
        ecs.update_service("prod", "api", "app:2")
        ecs.break_circuit("prod", "api")
        assert [rollout["taskDefinition"] for rollout in api()["deployments"]] == ecs.revisions("app")[:1]
        [newest, _] = client.list_service_deployments(cluster="prod", service="api")["serviceDeployments"]
        assert newest["status"] == "ROLLBACK_SUCCESSFUL"
        assert newest["statusReason"] == "ECS deployment circuit breaker: task failed to start."

    def test_a_person_rolls_back(self, ecs: StrictEcs, client: BaseClient, api: Callable[[], Json]) -> None:
        def statuses() -> list[str]:
            listed = client.list_service_deployments(cluster="prod", service="api")["serviceDeployments"]
            return [deployment["status"] for deployment in listed]

        ecs.update_service("prod", "api", "app:2")
        ecs.roll_back("prod", "api")
        assert statuses() == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
        ecs.update_service("prod", "api", "app:2")
        ecs.end_deployments()
        ecs.roll_back("prod", "api")
        assert statuses() == ["IN_PROGRESS", "SUCCESSFUL", "ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
        assert api()["taskDefinition"] == ecs.revisions("app")[0]

    def test_a_service_made_anew(self, ecs: StrictEcs, client: BaseClient, api: Callable[[], Json]) -> None:
        before = api()
        ecs.update_service("prod", "api", "app:2")
        ecs.clock.sleep(10)
        ecs.recreate_service("prod", "api", "app:1")
        after = api()
        assert (after["createdAt"] - before["createdAt"]).total_seconds() == 10
        assert after["serviceArn"] == before["serviceArn"]
        assert after["taskDefinition"] == ecs.revisions("app")[0]
        assert len(client.list_service_deployments(cluster="prod", service="api")["serviceDeployments"]) == 1
        assert ecs.client().list_tags_for_resource(resourceArn=after["serviceArn"])["tags"] == [tag("tier", "web")]

    def test_deleted_revisions(self, ecs: StrictEcs, client: BaseClient) -> None:
        old, new = ecs.revisions("app")
        ecs.delete_revision(new, done=False)
        described = client.describe_task_definition(taskDefinition=new)["taskDefinition"]
        assert described["status"] == "DELETE_IN_PROGRESS"
        assert "deleteRequestedAt" in described
        refusal = refused(client.update_service, cluster="prod", service="api", taskDefinition=new)
        assert refusal == ("ClientException", "TaskDefinition is inactive")
        ecs.delete_revision(new)
        assert refused(client.describe_task_definition, taskDefinition=new)[0] == "ClientException"
        assert refused(client.update_service, cluster="prod", service="api", taskDefinition=new) == (
            "ClientException",
            "TaskDefinition not found.",
        )
        assert ecs.revisions("app") == [old]
        ecs.delete_revision(old)
        assert client.list_task_definition_families()["families"] == []
        assert ecs.register(definition()).endswith(":3")


class TestSameRevisionAnew:
    def test_tags_are_resolved_anew(self) -> None:
        digests = {"app:v1": DIGEST}
        ecs = StrictEcs(digests=digests, clock=FakeClock())
        client = ecs.client()
        arn = ecs.register(definition())
        ecs.add_service("prod", "api", arn, service_revisions=True)
        [first] = client.describe_services(cluster="prod", services=["api"])["services"]
        digests["app:v1"] = NEWER_DIGEST
        ecs.clock.sleep(5)

        answer = client.update_service(cluster="prod", service="api", taskDefinition=arn, forceNewDeployment=True)

        primary, former = answer["service"]["deployments"]
        assert (primary["status"], primary["taskDefinition"]) == ("PRIMARY", arn)
        assert former["id"] == first["deployments"][0]["id"] != primary["id"]
        assert (primary["createdAt"] - former["createdAt"]).total_seconds() == 5
        assert answer["service"]["currentServiceDeployment"] != first["currentServiceDeployment"]
        arns = [revision["arn"] for revision in answer["service"]["currentServiceRevisions"]]
        revisions = client.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"]
        assert [revision["containerImages"][0]["imageDigest"] for revision in revisions] == [DIGEST, NEWER_DIGEST]


class TestTasks:
    """Single tasks, such as migrations."""

    def described(self, client: BaseClient, *identifiers: str) -> list[Json]:
        return list(client.describe_tasks(cluster="prod", tasks=list(identifiers))["tasks"])

    def test_life_of_a_task(self, ecs: StrictEcs, client: BaseClient) -> None:
        answer = client.run_task(cluster="prod", taskDefinition="app:2", startedBy="x" * 36)
        [task] = answer["tasks"]
        assert answer["failures"] == []
        assert (task["lastStatus"], task["startedBy"], task["group"]) == ("PROVISIONING", "x" * 36, "family:app")
        assert task["taskDefinitionArn"] == ecs.revisions("app")[1]
        assert [(one["name"], one["image"]) for one in task["containers"]] == [("main", "app:v2")]
        arn = task["taskArn"]
        assert ecs.tasks() == [arn]
        ecs.begin_task(arn)
        assert self.described(client, arn.rpartition("/")[2])[0]["lastStatus"] == "RUNNING"
        ecs.end_task(arn, 3)
        [stopped] = self.described(client, arn)
        assert (stopped["lastStatus"], stopped["stopCode"]) == ("STOPPED", "EssentialContainerExited")
        assert stopped["stoppedReason"] == "Essential container in task exited"
        assert [container["exitCode"] for container in stopped["containers"]] == [3]
        assert ecs.tasks() == []
        ecs.clock.sleep(3601)
        gone = client.describe_tasks(cluster="prod", tasks=[arn])
        assert (gone["tasks"], gone["failures"]) == ([], [{"arn": arn, "reason": "MISSING"}])

    def test_one_that_can_not_start_has_no_exit_code(self, ecs: StrictEcs, client: BaseClient) -> None:
        [task] = client.run_task(cluster="prod", taskDefinition="app")["tasks"]
        ecs.end_task(task["taskArn"], None, reason="CannotPullContainerError: not found")
        [stopped] = self.described(client, task["taskArn"])
        assert (stopped["stopCode"], stopped["stoppedReason"]) == (
            "TaskFailedToStart",
            "CannotPullContainerError: not found",
        )
        assert "exitCode" not in stopped["containers"][0]

    def test_somebody_stops_it(self, ecs: StrictEcs, client: BaseClient) -> None:
        [task] = client.run_task(cluster="prod", taskDefinition="app")["tasks"]
        stopping = client.stop_task(cluster="prod", task=task["taskArn"], reason="too late")["task"]
        assert (stopping["lastStatus"], stopping["desiredStatus"]) == ("PROVISIONING", "STOPPED")
        ecs.end_task(task["taskArn"], {"main": 137})
        [stopped] = self.described(client, task["taskArn"])
        assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "too late")
        assert refused(client.stop_task, cluster="prod", task="nobody")[0] == "InvalidParameterException"

    def test_a_token_is_idempotent_in_its_cluster(self, ecs: StrictEcs, client: BaseClient) -> None:
        request = {"cluster": "prod", "taskDefinition": "app:1", "clientToken": "token"}
        [first] = client.run_task(**request)["tasks"]
        [again] = client.run_task(**request)["tasks"]
        assert first["taskArn"] == again["taskArn"]
        with pytest.raises(ClientError) as caught:
            client.run_task(**(request | {"taskDefinition": "app:2"}))
        assert caught.value.response["Error"]["Code"] == "ConflictException"
        assert caught.value.response["resourceIds"] == [first["taskArn"]]
        client.run_task(**(request | {"cluster": "staging"}))
        assert len(ecs.tasks()) == 2
        ecs.clock.sleep(86400)
        client.run_task(**request)
        assert len(ecs.tasks()) == 3

    def test_a_token_is_free_an_hour_after_the_end(self, ecs: StrictEcs, client: BaseClient) -> None:
        request = {"cluster": "prod", "taskDefinition": "app:1", "clientToken": "token"}
        client.run_task(**request)
        ecs.end_task(ecs.tasks()[0])
        client.run_task(**request)
        assert ecs.tasks() == []
        ecs.clock.sleep(3600)
        client.run_task(**request)
        assert len(ecs.tasks()) == 1

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"startedBy": "x" * 37}, "InvalidParameterException"),
            ({"count": 11}, "InvalidParameterException"),
            ({"count": 0}, "InvalidParameterException"),
            ({"clientToken": "x" * 65}, "InvalidParameterException"),
            ({"clientToken": "a b"}, "InvalidParameterException"),
            ({"taskDefinition": "nobody"}, "ClientException"),
            ({"cluster": "nowhere"}, "ClusterNotFoundException"),
        ],
    )
    def test_refusals(self, ecs: StrictEcs, client: BaseClient, change: Json, code: str) -> None:
        assert refused(client.run_task, **{"cluster": "prod", "taskDefinition": "app", **change})[0] == code
        assert ecs.tasks(running=False) == []
        ecs.deregister("app:2")
        refusal = refused(client.run_task, cluster="prod", taskDefinition="app:2")
        assert refusal == ("ClientException", "TaskDefinition is inactive")
        many = [f"task-{number}" for number in range(101)]
        assert refused(client.describe_tasks, cluster="prod", tasks=many)[0] == "InvalidParameterException"


class TestThrottling:
    @pytest.mark.parametrize(("burst", "rate", "operation"), [(b, r, ops[0]) for b, r, ops in BUCKETS.values()])
    def test_burst_and_rate(self, burst: int, rate: int, operation: str) -> None:
        clock = FakeClock()
        ecs = StrictEcs(clock=clock, throttle=True)

        def admitted(calls: int) -> int:
            answers = [on_the_wire(ecs, operation, {})[1] for _ in range(calls)]
            return sum(answer.get("__type") != "ThrottlingException" for answer in answers)

        assert admitted(burst + 5) == burst
        assert ecs.throttled == {operation: 5}
        for _ in range(10):
            clock.sleep(0.1)
        assert admitted(rate + 5) == rate
        clock.sleep(1000)
        assert admitted(burst + 5) == burst

    def test_operations_share_a_bucket(self, ecs: StrictEcs) -> None:
        assert {name for _, _, operations in BUCKETS.values() for name in operations} == OPERATIONS.keys()
        ecs = StrictEcs(clock=FakeClock(), throttle=True)
        for _ in range(20):
            on_the_wire(ecs, "RegisterTaskDefinition", definition())
        refusal = refused(ecs.client().deregister_task_definition, taskDefinition="app:1")
        assert refusal == ("ThrottlingException", "Rate exceeded")
        assert len(ecs.writes) == 20

    def test_latency_passes_on_the_clock(self) -> None:
        ecs = StrictEcs(clock=FakeClock(now=100), latency=0.5)
        on_the_wire(ecs, "ListClusters", {})
        on_the_wire(ecs, "ListClusters", {})
        assert ecs.clock.time() == 101

    def test_threads(self) -> None:
        ecs = StrictEcs(clock=FakeClock(now=0), latency=0.01)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: on_the_wire(ecs, "RegisterTaskDefinition", definition()), range(100)))
        assert len(ecs.revisions("app")) == len(set(ecs.revisions("app"))) == ecs.count("RegisterTaskDefinition") == 100
        assert 0.25 <= ecs.clock.time() <= 1.001


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [
            (Fault.THROTTLING, 400, "ThrottlingException"),
            (Fault.INTERNAL, 500, "ServerException"),
            (Fault.ACCESS_DENIED, 400, "AccessDeniedException"),
        ],
    )
    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_refusals_of_any_operation(
        self, ecs: StrictEcs, operation: str, fault: Fault, status: int, code: str
    ) -> None:
        ecs.inject(operation, fault)
        answered, answer = on_the_wire(ecs, operation, {})
        assert (answered, answer["__type"]) == (status, code)
        assert ecs.writes == []

    def test_nth_call_and_order(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.inject("ListClusters", Fault.THROTTLING, nth=2, times=2)
        ecs.inject("ListClusters", Fault.INTERNAL, nth=3)
        client.list_services(cluster="prod")
        client.list_clusters()
        codes = [refused(client.list_clusters)[0] for _ in range(3)]
        assert codes == ["ThrottlingException", "ThrottlingException", "ServerException"]
        assert client.list_clusters()["clusterArns"]

    def test_access_denied_names_the_resource(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.inject("UpdateService", Fault.ACCESS_DENIED)
        _, message = refused(client.update_service, cluster="prod", service="api", taskDefinition="app:2")
        assert message == (
            "User: arn:aws:sts::123456789012:assumed-role/ecr-deploy-eu-west-1/ecr-deploy is not authorized to "
            "perform: ecs:UpdateService on resource: arn:aws:ecs:eu-west-1:123456789012:service/prod/api because no "
            "identity-based policy allows the ecs:UpdateService action"
        )

    def test_pass_role(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.inject("RegisterTaskDefinition", Fault.PASS_ROLE_DENIED)
        role = "arn:aws:iam::123456789012:role/task"
        code, message = refused(client.register_task_definition, **definition(taskRoleArn=role))
        assert code == "AccessDeniedException"
        assert f"iam:PassRole on resource: {role} because" in message

    def test_concurrent_register(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.inject("RegisterTaskDefinition", Fault.CONCURRENT_REGISTER)
        assert refused(client.register_task_definition, **definition()) == (
            "ClientException",
            "Too many concurrent attempts to create a new revision of the specified family.",
        )

    def test_lost_connection_before_and_after_the_write(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.inject("RegisterTaskDefinition", Fault.CONNECTION_RESET)
        ecs.inject("RegisterTaskDefinition", Fault.TIMEOUT_AFTER_WRITE)
        with pytest.raises(ConnectionClosedError):
            client.register_task_definition(**definition("app:v3"))
        assert len(ecs.revisions("app")) == 2
        with pytest.raises(ReadTimeoutError):
            client.register_task_definition(**definition("app:v3"))
        assert len(ecs.revisions("app")) == 3
        assert ecs.count("RegisterTaskDefinition") == 2
        assert len(ecs.writes) == 1

    def test_malformed_answer_after_the_write(self, ecs: StrictEcs, client: BaseClient) -> None:
        ecs.inject("UpdateService", Fault.MALFORMED)
        answer = client.update_service(cluster="prod", service="api", taskDefinition="app:2")
        assert answer.keys() == {"ResponseMetadata"}  # botocore takes a broken answer for an empty one
        assert ecs.running("prod", "api") == definition("app:v2")

    def test_missing(self, ecs: StrictEcs, client: BaseClient) -> None:
        for operation in OPERATIONS:
            if Fault.MISSING.can_hit(operation):
                ecs.inject(operation, Fault.MISSING)
        answers: list[tuple[Callable[..., Json], Json]] = [
            (client.describe_services, {"cluster": "prod", "services": ["api"]}),
            (client.describe_clusters, {"clusters": ["prod"]}),
            (client.describe_service_revisions, {"serviceRevisionArns": ["arn:x"]}),
            (client.describe_service_deployments, {"serviceDeploymentArns": ["arn:x"]}),
        ]
        for call, request in answers:
            assert [failure["reason"] for failure in call(**request)["failures"]] == ["MISSING"]
        refusals: list[tuple[Callable[..., Json], Json, str]] = [
            (client.update_service, {"cluster": "prod", "service": "api"}, "ServiceNotFoundException"),
            (client.list_service_deployments, {"service": "api"}, "ServiceNotFoundException"),
            (client.list_services, {"cluster": "prod"}, "ClusterNotFoundException"),
            (client.describe_task_definition, {"taskDefinition": "app"}, "ClientException"),
            (client.deregister_task_definition, {"taskDefinition": "app:1"}, "ClientException"),
        ]
        for call, request, code in refusals:
            assert refused(call, **request)[0] == code

    def test_inactive(self, ecs: StrictEcs, client: BaseClient) -> None:
        for operation in ("DescribeTaskDefinition", "UpdateService"):
            ecs.inject(operation, Fault.INACTIVE)
        assert client.describe_task_definition(taskDefinition="app")["taskDefinition"]["status"] == "INACTIVE"
        refusal = refused(client.update_service, cluster="prod", service="api", taskDefinition="app:2")
        assert refusal == ("ClientException", "TaskDefinition is inactive")

    def test_impossible_faults_are_refused(self, ecs: StrictEcs) -> None:
        with pytest.raises(ValueError, match="ECS never answers ListClusters with inactive"):
            ecs.inject("ListClusters", Fault.INACTIVE)


class TestDeath:
    @pytest.mark.parametrize(("before", "revisions"), [(True, 2), (False, 3)])
    def test_before_or_after_the_call(
        self, ecs: StrictEcs, client: BaseClient, *, before: bool, revisions: int
    ) -> None:
        ecs.die(2, before=before)
        client.list_clusters()
        with pytest.raises(Died, match="RegisterTaskDefinition"):
            client.register_task_definition(**definition())
        for _ in range(2):
            with pytest.raises(Died, match="dead already"):
                client.list_clusters()
        assert len(ecs.revisions("app")) == revisions
        ecs.revive()
        assert client.list_clusters()["clusterArns"]
        assert ecs.count("ListClusters") == 2

    def test_no_retry_and_no_except_exception_brings_it_back(self, ecs: StrictEcs) -> None:
        client = ecs.client(config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
        ecs.die(1, before=True)
        with pytest.raises(Died):
            client.list_clusters()
        assert not issubclass(Died, Exception)
        assert ecs.calls == []


class TestTransports:
    def test_http(self, ecs: StrictEcs) -> None:
        with ecs.serve() as url:
            client = boto3.client(
                "ecs",
                region_name="eu-west-1",
                endpoint_url=url,
                aws_access_key_id="a",
                aws_secret_access_key="b",  # noqa: S106 - no secret
                config=Config(retries={"total_max_attempts": 1}),
            )
            assert client.describe_services(cluster="prod", services=["api"])["services"][0]["status"] == "ACTIVE"
            assert refused(client.list_services, cluster="nowhere")[0] == "ClusterNotFoundException"
            ecs.inject("RegisterTaskDefinition", Fault.TIMEOUT_AFTER_WRITE)
            with pytest.raises(ConnectionClosedError):
                client.register_task_definition(**definition())
            client.close()
        assert ecs.count("DescribeServices") == 1
        assert len(ecs.writes) == 1
        assert not [thread for thread in threading.enumerate() if "serve_forever" in thread.name]

    def test_a_client_can_move_to_another_double(self, ecs: StrictEcs, client: BaseClient) -> None:
        other = StrictEcs()
        other.attach(client)
        assert client.list_clusters()["clusterArns"] == []
        assert (ecs.calls, other.count("ListClusters")) == ([], 1)

    def test_other_partitions(self) -> None:
        ecs = StrictEcs(partition="aws-cn", region="cn-north-1", account_id="210987654321")
        ecs.add_cluster("prod")
        assert ecs.client().list_clusters()["clusterArns"] == ["arn:aws-cn:ecs:cn-north-1:210987654321:cluster/prod"]

    @pytest.mark.parametrize(
        ("operation", "body", "code"),
        [
            ("CreateService", b"{}", "UnknownOperationException"),
            ("ListClusters", b"{", "SerializationException"),
            ("ListClusters", b"[]", "SerializationException"),
            ("ListClusters", b'{"invented": 1}', "InvalidParameterException"),
            ("DescribeServices", b'{"services": "api"}', "SerializationException"),
            ("DescribeServices", b'{"cluster": "prod"}', "InvalidParameterException"),
        ],
    )
    def test_bad_requests(self, ecs: StrictEcs, operation: str, body: bytes, code: str) -> None:
        status, _, content = ecs.handle(operation, body)
        assert (status, json.loads(content)["__type"]) == (400, code)


def test_calls_are_recorded_in_order(ecs: StrictEcs, client: BaseClient) -> None:
    client.list_clusters(maxResults=5)
    refused(client.update_service, cluster="prod", service="nobody")
    client.update_service(cluster="prod", service="api", taskDefinition="app")
    assert ecs.calls == [
        ("ListClusters", {"maxResults": 5}),
        ("UpdateService", {"cluster": "prod", "service": "nobody"}),
        ("UpdateService", {"cluster": "prod", "service": "api", "taskDefinition": "app"}),
    ]
    assert ecs.writes == ecs.calls[-1:]
    assert ecs.count("UpdateService") == 2


def daemon_requests(ecs: StrictEcs) -> dict[str, Json]:
    """Give a request for every operation on daemons."""
    first = ecs.daemons.register(definition(family="agent"), {"a": "b"})
    ecs.daemons.register(definition(family="agent"))
    arn = ecs.daemons.add("prod", "agent", first)
    ecs.daemons.add("prod", "other", first)
    ecs.daemons.update("prod", "agent", "agent:2")
    ecs.daemons.move("prod", "agent", "ROLLBACK_SUCCESSFUL", reason="circuit breaker")
    client = ecs.client()
    if not hasattr(client, "describe_daemon"):
        return {}
    daemon = client.describe_daemon(daemonArn=arn)["daemon"]
    providers = [provider["arn"] for provider in daemon["currentRevisions"][0]["capacityProviders"]]
    return {
        "DescribeDaemon": {"daemonArn": arn},
        "DescribeDaemonDeployments": {"daemonDeploymentArns": [daemon["deploymentArn"], "arn:x"]},
        "DescribeDaemonRevisions": {"daemonRevisionArns": [daemon["currentRevisions"][0]["arn"], "arn:x"]},
        "DescribeDaemonTaskDefinition": {"daemonTaskDefinition": "agent"},
        "ListDaemonDeployments": {"daemonArn": arn, "maxResults": 1},
        "ListDaemonTaskDefinitions": {"family": "agent", "maxResults": 1},
        "ListDaemons": {"clusterArn": daemon["clusterArn"], "maxResults": 1},
        "RegisterDaemonTaskDefinition": definition(family="agent", tags=[tag("a")]),
        "UpdateDaemon": {"daemonArn": arn, "daemonTaskDefinitionArn": first, "capacityProviderArns": providers},
    }


class TestDaemons:
    @pytest.fixture
    def update(self, ecs: StrictEcs) -> Json:
        """A request that gives a daemon another definition."""
        first = ecs.daemons.register(definition(family="agent"))
        arn = ecs.daemons.add("prod", "agent", first, critical=False, configuration={"drainPercent": 5.0})
        ecs.daemons.register(definition(family="agent"))
        provider = "arn:aws:ecs:eu-west-1:123456789012:capacity-provider/agents"
        return {"daemonArn": arn, "daemonTaskDefinitionArn": "agent:2", "capacityProviderArns": [provider]}

    def test_what_an_update_leaves_out_is_reset(self, ecs: StrictEcs, client: BaseClient, update: Json) -> None:
        client.update_daemon(**update)
        assert ecs.daemons.settings("prod", "agent") == {
            "propagateTags": "NONE",
            "enableECSManagedTags": False,
            "enableExecuteCommand": False,
            "critical": True,
            "providers": update["capacityProviderArns"],
            "configuration": {"drainPercent": 25.0, "bakeTimeInMinutes": 0},
        }

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"capacityProviderArns": []}, "InvalidParameterException"),
            ({"capacityProviderArns": ["agents"]}, "InvalidParameterException"),
            ({"daemonTaskDefinitionArn": "agent:9"}, "ClientException"),
            ({"daemonTaskDefinitionArn": "app:1"}, "ClientException"),
            ({"daemonArn": "arn:aws:ecs:eu-west-1:123456789012:daemon/prod/gone"}, "DaemonNotFoundException"),
        ],
    )
    def test_what_is_refused(self, client: BaseClient, update: Json, change: Json, code: str) -> None:
        assert refused(client.update_daemon, **(update | change))[0] == code

    def test_a_retired_definition_and_a_daemon_that_goes(
        self, ecs: StrictEcs, client: BaseClient, update: Json
    ) -> None:
        ecs.daemons.retire("agent:2")
        assert refused(client.update_daemon, **update)[0] == "ClientException"
        ecs.daemons.delete("prod", "agent")
        code, _ = refused(client.update_daemon, **(update | {"daemonTaskDefinitionArn": "agent:1"}))
        assert code == "DaemonNotActiveException"

    @pytest.mark.parametrize("foreign", ["revision", "daemonTaskDefinitionArn", "registeredBy"])
    def test_what_only_ecs_sets_is_refused(self, ecs: StrictEcs, foreign: str) -> None:
        body = json.dumps({**definition(family="agent"), foreign: 1}).encode()
        assert ecs.handle("RegisterDaemonTaskDefinition", body).status == 400

    def test_a_definition_does_not_say_its_tags(self, ecs: StrictEcs, client: BaseClient) -> None:
        arn = ecs.daemons.register(definition(family="agent"), {"a": "b"})
        assert "tags" not in client.describe_daemon_task_definition(daemonTaskDefinition=arn)
        assert client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "a", "value": "b"}]


def example_requests(ecs: StrictEcs) -> dict[str, Json]:
    """Give a request for every operation, whose answer has as many members as possible."""
    service = ecs.client().describe_services(cluster="prod", services=["api"])["services"][0]
    revisions = [revision["arn"] for revision in service["currentServiceRevisions"]]
    return {
        "ContinueServiceDeployment": {
            "serviceDeploymentArn": service["currentServiceDeployment"],
            "hookId": ecs.pause("prod", "api"),
        },
        "DeregisterTaskDefinition": {"taskDefinition": "app:2"},
        **daemon_requests(ecs),
        "DescribeClusters": {"clusters": ["prod", "nowhere"], "include": ["TAGS"]},
        "DescribeServiceDeployments": {"serviceDeploymentArns": [service["currentServiceDeployment"], "arn:x"]},
        "DescribeServiceRevisions": {"serviceRevisionArns": [*revisions, "arn:x"]},
        "DescribeServices": {"cluster": "prod", "services": ["api", "green", "nobody"], "include": ["TAGS"]},
        "DescribeTaskDefinition": {"taskDefinition": "app:1", "include": ["TAGS"]},
        "DescribeTasks": {"cluster": "prod", "tasks": [*ecs.tasks(running=False), "nobody"]},
        "ListClusters": {"maxResults": 1},
        "ListServiceDeployments": {"cluster": "prod", "service": "api", "maxResults": 1},
        "ListServices": {"cluster": "prod", "maxResults": 1},
        "ListTagsForResource": {"resourceArn": ecs.revisions("app")[0]},
        "ListTaskDefinitionFamilies": {"maxResults": 1},
        "ListTaskDefinitions": {"maxResults": 1},
        "ListTasks": {"cluster": "prod", "maxResults": 1},
        "RegisterTaskDefinition": definition(tags=[tag("a")], **FARGATE),
        "RunTask": {"cluster": "prod", "taskDefinition": "app:1", "startedBy": "me", "clientToken": "token"},
        "StopServiceDeployment": {"serviceDeploymentArn": service["currentServiceDeployment"], "stopType": "ROLLBACK"},
        "StopTask": {"cluster": "prod", "task": ecs.tasks(running=False)[0], "reason": "late"},
        "TagResource": {"resourceArn": ecs.revisions("app")[0], "tags": [tag("a")]},
        "UntagResource": {"resourceArn": ecs.revisions("app")[0], "tagKeys": ["a"]},
        "UpdateExpressGatewayService": {
            "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/prod/express",
            "taskDefinitionArn": "app:2",
        },
        "UpdateService": {"cluster": "prod", "service": "api", "forceNewDeployment": True},
    }


@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_are_what_the_model_says(ecs: StrictEcs, operation: str) -> None:
    ecs.add_service("prod", "green", "app", deployment_controller="CODE_DEPLOY")
    ecs.add_service("prod", "express", "app:1", members={"resourceManagementType": "ECS"})
    ecs.update_service("prod", "api", "app:2")
    ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL", reason="circuit breaker")
    ecs.register(definition(family="other"))
    for _ in range(3):
        ecs.client().run_task(cluster="prod", taskDefinition="app:1")
    ecs.begin_task(ecs.tasks()[0])
    ecs.end_task(ecs.tasks()[0])
    if operation in ("ContinueServiceDeployment", "StopServiceDeployment"):
        ecs.update_service("prod", "api", "app:1")
    status, headers, body = ecs.handle(operation, json.dumps(example_requests(ecs)[operation]).encode())
    assert status == 200
    answer = json.loads(body)
    shape = operation_model(operation).output_shape
    assert list(problems(shape, answer)) == []
    parsed = parsers.create_parser("json").parse({"status_code": 200, "headers": headers, "body": body}, shape)
    del parsed["ResponseMetadata"]
    assert member_names(parsed) == member_names(answer)
    assert ("nextToken" in answer) == ("nextToken" in shape.members)


def member_names(value: object, path: str = "") -> set[str]:
    """Give the path of every member, at every depth."""
    if isinstance(value, dict):
        return {path}.union(*(member_names(item, f"{path}.{name}") for name, item in value.items()))
    if isinstance(value, list):
        return {path}.union(*(member_names(item, f"{path}[{index}]") for index, item in enumerate(value)))
    return {path}


def test_wire_ids_look_like_those_of_aws(ecs: StrictEcs) -> None:
    service = ecs.client().describe_services(cluster="prod", services=["api"])["services"][0]
    assert re.fullmatch(r"ecs-svc/\d{19}", service["deployments"][0]["id"])
    assert "/prod/api/" in service["currentServiceDeployment"]
