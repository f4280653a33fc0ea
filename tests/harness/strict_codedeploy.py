"""CodeDeploy in memory, as strict as the real one: requests and answers are held against botocore's own model."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from tests.harness.strict_ecs import StrictEcs
from tests.harness.strict_ecs.validation import botocore_session

Json = dict[str, Any]

# Small enough for tests to turn pages.
_PAGE = 2
_OVER = {"Succeeded", "Failed", "Stopped"}
_LIMITS = {"applicationNames": 100, "deploymentIds": 25}
_MODEL = botocore_session().get_service_model("codedeploy")
_OPERATIONS = {xform_name(operation): operation for operation in _MODEL.operation_names}
# What an AppSpec may say of a service here; CodeDeploy would overlook a misspelt one in silence.
_PROPERTIES = {"TaskDefinition", "LoadBalancerInfo", "PlatformVersion", "CapacityProviderStrategy"}


def refusal(code: str, message: str = "No.", operation: str = "CreateDeployment") -> ClientError:
    """An error as boto3 raises it."""
    error = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(error, operation)


class StrictCodeDeploy:
    """The account's CodeDeploy, which is its own boto3 client, and the services on ECS that it rolls out."""

    def __init__(self, ecs: StrictEcs) -> None:
        self.calls: list[tuple[str, Json]] = []
        self.deployments: dict[str, Json] = {}
        self.app_specs: dict[str, Json] = {}
        self.refusals: dict[str, BaseException] = {}
        """What an operation is refused with, by its name, until it is taken out."""
        self.repeated: set[str] = set()
        """Operations whose first answer is lost: boto3 tries again by itself."""
        self.latency = 0.0
        self._ecs = ecs
        self._platforms: dict[str, str] = {}
        self._groups: dict[tuple[str, str], Json] = {}
        self._members: dict[str, Json] = {}
        self._lock = threading.RLock()

    def count(self, operation: str) -> int:
        """How many calls of an operation arrived."""
        return Counter(name for name, _ in self.calls)[operation]

    def add_application(self, name: str, platform: str = "ECS") -> None:
        """Create an application."""
        self._platforms[name] = platform

    def add_group(self, service: str, application: str = "shop") -> None:
        """Create a deployment group for a service of the cluster prod."""
        self._platforms.setdefault(application, "ECS")
        self._groups[application, service] = {
            "applicationName": application,
            "deploymentGroupName": service,
            "computePlatform": "ECS",
            "ecsServices": [{"clusterName": "prod", "serviceName": service}],
        }

    def delete_group(self, service: str, application: str = "shop") -> None:
        """Delete a deployment group."""
        del self._groups[application, service]

    def add_service(self, name: str, revision: str, **members: Any) -> None:
        """Create a service of the cluster prod that CodeDeploy rolls out; `members` are those of its task set, too."""
        balancer = {"targetGroupArn": "arn:blue", "containerName": "main", "containerPort": 8080}
        self._members[name] = {"platformVersion": "1.4.0", "loadBalancers": [balancer], **members}
        self._shift(name, revision)

    def begin(self, service: str, application: str = "shop") -> str:
        """Begin a deployment as somebody else would; gives its id."""
        content = json.dumps({"version": 0.0, "Resources": []})
        revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}
        return self._begin(self._groups[application, service], {"revision": revision})

    def end(self, status: str = "Succeeded", **members: Any) -> None:
        """End the newest deployment; one that succeeds has shifted the traffic."""
        identifier, deployment = list(self.deployments.items())[-1]
        deployment.update(status=status, **members)
        if status == "Succeeded":
            [resource] = self.app_specs[identifier]["Resources"]
            revision = resource["TargetService"]["Properties"]["TaskDefinition"]
            self._shift(deployment["deploymentGroupName"], revision)

    def __getattr__(self, name: str) -> Callable[..., Json]:
        if name not in _OPERATIONS:
            raise AttributeError(name)
        return partial(self._call, _OPERATIONS[name])

    def _shift(self, name: str, revision: str) -> None:
        members = self._members[name]
        primary = {"status": "PRIMARY", "taskDefinition": revision, **members}
        described = {**members, "taskSets": [{**primary, "status": "DRAINING", "taskDefinition": "old:1"}, primary]}
        self._ecs.add_service("prod", name, revision, deployment_controller="CODE_DEPLOY", members=described)

    def _call(self, operation: str, **request: Any) -> Json:
        model = _MODEL.operation_model(operation)
        validate_parameters(request, model.input_shape)
        self._ecs.clock.sleep(self.latency)
        with self._lock:
            self.calls.append((operation, request))
            if operation in self.refusals:
                raise self.refusals[operation]
            for member, limit in _LIMITS.items():
                if len(request.get(member, ())) > limit:
                    code = "BatchLimitExceededException"
                    raise refusal(code, operation=operation)
            perform = getattr(self, f"_{xform_name(operation)}")
            if operation in self.repeated:
                perform(request)
            answer: Json = perform(request)
        validate_parameters(answer, model.output_shape)
        return answer

    def _list_applications(self, request: Json) -> Json:
        return _page("applications", list(self._platforms), request)

    def _batch_get_applications(self, request: Json) -> Json:
        names = request["applicationNames"]
        return {
            "applicationsInfo": [{"applicationName": name, "computePlatform": self._platforms[name]} for name in names]
        }

    def _list_deployment_groups(self, request: Json) -> Json:
        application = request["applicationName"]
        if application not in self._platforms:
            code = "ApplicationDoesNotExistException"
            raise refusal(code, operation="ListDeploymentGroups")
        return _page("deploymentGroups", [name for of, name in self._groups if of == application], request)

    def _get_deployment_group(self, request: Json) -> Json:
        return {"deploymentGroupInfo": self._group(request)}

    def _list_deployments(self, request: Json) -> Json:
        group = self._group(request)
        statuses, start = request.get("includeOnlyStatuses"), request.get("createTimeRange", {}).get("start")
        found = [
            identifier
            for identifier, one in self.deployments.items()
            if one["deploymentGroupName"] == group["deploymentGroupName"]
            and (statuses is None or one["status"] in statuses)
            and (start is None or one["createTime"] >= start)
        ]
        return _page("deployments", found, request)

    def _batch_get_deployments(self, request: Json) -> Json:
        return {"deploymentsInfo": [self.deployments[identifier] for identifier in request["deploymentIds"]]}

    def _create_deployment(self, request: Json) -> Json:
        group = self._group(request)
        name = group["deploymentGroupName"]
        for identifier, one in self.deployments.items():
            if one["deploymentGroupName"] == name and one["status"] not in _OVER:
                code = "DeploymentLimitExceededException"
                message = f"The Deployment Group '{name}' already has an active Deployment '{identifier}'"
                raise refusal(code, message)
        [resource] = json.loads(request["revision"]["appSpecContent"]["content"])["Resources"]
        assert resource["TargetService"]["Type"] == "AWS::ECS::Service"
        assert resource["TargetService"]["Properties"].keys() <= _PROPERTIES
        return {"deploymentId": self._begin(group, request)}

    def _group(self, request: Json) -> Json:
        key = request["applicationName"], request["deploymentGroupName"]
        if key not in self._groups:
            code = "DeploymentGroupDoesNotExistException"
            raise refusal(code)
        return self._groups[key]

    def _begin(self, group: Json, request: Json) -> str:
        identifier = f"d-{len(self.deployments) + 1:09}"
        content = request["revision"]["appSpecContent"]["content"]
        self.app_specs[identifier] = json.loads(content)
        self.deployments[identifier] = {
            "applicationName": group["applicationName"],
            "deploymentGroupName": group["deploymentGroupName"],
            "deploymentId": identifier,
            "status": "Created",
            "createTime": datetime.fromtimestamp(self._ecs.clock.time(), UTC),
            # CodeDeploy never gives the content back here.
            "revision": {
                "revisionType": "AppSpecContent",
                "appSpecContent": {"sha256": sha256(content.encode()).hexdigest()},
            },
            **{name: request[name] for name in ("description",) if name in request},
        }
        return identifier


def _page(member: str, names: Sequence[str], request: Json) -> Json:
    start = int(request.get("nextToken", "0"))
    answer: Json = {member: list(names[start : start + _PAGE])}
    return {**answer, "nextToken": str(start + _PAGE)} if start + _PAGE < len(names) else answer
