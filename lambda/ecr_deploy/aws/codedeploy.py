"""CodeDeploy: the only module that talks to it. It rolls out the services that ECS leaves to it."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ecr_deploy.aws.calls import Api, Maybe, Shape, batched
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry
from ecr_deploy.core.fleet import Service, Target, TaskSet
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import End, State

_BUSY = "DeploymentLimitExceededException"
_GONE = frozenset({"ApplicationDoesNotExistException", "DeploymentGroupDoesNotExistException"})
_UNFINISHED = ["Created", "Queued", "InProgress", "Baking", "Ready"]
_APPLICATIONS_PER_GET = 100
_DEPLOYMENTS_PER_GET = 25
_GROUP: Shape = {
    "deploymentGroupInfo": {
        "applicationName": str,
        "deploymentGroupName": str,
        "ecsServices": Maybe([{"clusterName": str, "serviceName": str}]),
    }
}
_DEPLOYMENTS: Shape = {
    "deploymentsInfo": [
        {
            "deploymentId": str,
            "status": str,
            "createTime": datetime,
            "rollbackInfo": Maybe(dict),
            "errorInformation": Maybe(dict),
        }
    ]
}


class Group(NamedTuple):
    """A deployment group and its application."""

    application: str
    name: str

    def __str__(self) -> str:
        """Name the group for people."""
        return f"deployment group {self.application}/{self.name}"


def groups_of(groups: Iterable[Mapping[str, Any]]) -> dict[Target, Group]:
    """Which deployment group deploys which service; CodeDeploy allows a service no second one.

    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_DeploymentGroupInfo.html
    """
    return {
        Target(service["clusterName"], service["serviceName"]): Group(
            group["applicationName"], group["deploymentGroupName"]
        )
        for group in groups
        for service in group.get("ecsServices") or ()
    }


def app_spec(task_set: TaskSet, revision: str) -> dict[str, Any]:
    """The AppSpec that brings a revision (an ARN) to a service and keeps what else CodeDeploy would reset.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html
    """
    properties: dict[str, Any] = {
        "TaskDefinition": revision,
        "LoadBalancerInfo": {"ContainerName": task_set.container, "ContainerPort": task_set.port},
    }
    if task_set.platform_version:
        properties["PlatformVersion"] = task_set.platform_version
    if task_set.capacity_providers:
        properties["CapacityProviderStrategy"] = [
            {
                "CapacityProvider": provider["capacityProvider"],
                "Base": provider.get("base", 0),
                "Weight": provider.get("weight", 0),
            }
            for provider in task_set.capacity_providers
        ]
    return {
        "version": 0.0,
        "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}],
    }


def end_of(revision: Revision, deployments: Iterable[Mapping[str, Any]]) -> End | None:
    """What came of the newest of our deployments of a revision; None while it runs, or if there is none.

    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_DeploymentInfo.html
    """
    ours = [deployment for deployment in deployments if deployment.get("description") == _describe(revision)]
    newest = max(ours, key=lambda deployment: deployment["createTime"], default=None)
    if newest is None or newest["status"] in _UNFINISHED:
        return None
    if newest["status"] == "Succeeded":
        return End(State.LIVE, None)
    went_back = (newest.get("rollbackInfo") or {}).get("rollbackDeploymentId")
    reason = (newest.get("errorInformation") or {}).get("message") or "its CodeDeploy deployment was stopped"
    return End(State.ROLLED_BACK if went_back else State.FAILED, reason)


class CodeDeploy:
    """The account's CodeDeploy in one region: the controller of the services that it rolls out.

    Methods that don't give errors raise CallError where CodeDeploy refuses or does not answer, and OutOfTimeError
    where the invocation would end first.
    """

    shows_target = False

    def __init__(self, api: Api) -> None:
        self._api = api
        self._groups: dict[Target, Group] = {}
        # Families are rolled out by several threads; only one of them looks for groups.
        self._lock = threading.Lock()

    def busy(self, service: Service) -> Reason | None:
        """Why a service has to wait: its group deploys already."""
        group, _ = self._prepare(service)
        running = self._running(group)
        if not running:
            return None
        return Reason("deploying", f"its CodeDeploy deployment {running[0]['deploymentId']} is not over")

    def update(self, services: Iterable[Service], revision: Revision, *, force: bool) -> list[str | EcrDeployError]:
        """Begin to deploy a revision to services; for each the deployment's id, or the error."""
        del force
        return [self._try_deploy(service, revision) for service in services]

    def end(self, service: Service, revision: Revision, since: datetime) -> End | None:
        """What came of our newest deployment of a revision to a service; None while it runs, or if there is none."""
        group = self._find(service)
        return end_of(revision, self._deployments(group, createTimeRange={"start": since})) if group else None

    def services(self, application: str, name: str) -> list[Target]:
        """The services that a deployment group deploys; none if it is no more."""
        group = {"applicationName": application, "deploymentGroupName": name}
        try:
            info = self._call("GetDeploymentGroup", str(Group(application, name)), _GROUP, **group)[
                "deploymentGroupInfo"
            ]
        except CallError as error:
            if error.code in _GONE:
                return []
            raise
        return list(groups_of([info]))

    def _try_deploy(self, service: Service, revision: Revision) -> str | EcrDeployError:
        try:
            group, task_set = self._prepare(service)
            return self._create(group, task_set, revision)
        except EcrDeployError as error:
            return error

    def _create(self, group: Group, task_set: TaskSet, revision: Revision) -> str:
        content = json.dumps(app_spec(task_set, revision.arn))
        try:
            answer = self._call(
                "CreateDeployment",
                str(group),
                {"deploymentId": str},
                applicationName=group.application,
                deploymentGroupName=group.name,
                description=_describe(revision),
                revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
            )
        except CallError as error:
            # A try that got no answer may have gone through; else somebody was quicker.
            running = self._running(group) if error.code == _BUSY else []
            ours = next(
                (deployment for deployment in running if deployment.get("description") == _describe(revision)), None
            )
            if ours is None:
                raise
            answer = ours
        return str(answer["deploymentId"])

    def _prepare(self, service: Service) -> tuple[Group, TaskSet]:
        """What a deployment to a service needs."""
        group, where = self._find(service), f"service {service.name} in cluster {service.cluster}"
        if group is None:
            message = f"no deployment group of CodeDeploy names {where}, so that nothing can be deployed to it"
            raise CallError(message, "GetDeploymentGroup", "NoDeploymentGroup", Retry.NEVER)
        if service.task_set is None:
            message = f"{where} has no load balancer, which CodeDeploy needs"
            raise CallError(message, "CreateDeployment", "NoLoadBalancer", Retry.NEVER)
        return group, service.task_set

    def _find(self, service: Service) -> Group | None:
        with self._lock:
            if service.target not in self._groups:
                self._groups = groups_of(self._all_groups())
            return self._groups.get(service.target)

    def _all_groups(self) -> Iterator[dict[str, Any]]:
        needs: Shape = {"applicationsInfo": [{"applicationName": str}]}
        for names in batched(self._names("ListApplications", "the account", "applications"), _APPLICATIONS_PER_GET):
            found = self._call("BatchGetApplications", "the account", needs, applicationNames=names)["applicationsInfo"]
            for application in (info["applicationName"] for info in found if info.get("computePlatform") == "ECS"):
                subject = f"application {application}"
                for name in self._names(
                    "ListDeploymentGroups", subject, "deploymentGroups", applicationName=application
                ):
                    group = {"applicationName": application, "deploymentGroupName": name}
                    yield self._call("GetDeploymentGroup", str(Group(application, name)), _GROUP, **group)[
                        "deploymentGroupInfo"
                    ]

    def _running(self, group: Group) -> list[dict[str, Any]]:
        return self._deployments(group, includeOnlyStatuses=_UNFINISHED)

    def _deployments(self, group: Group, **filters: Any) -> list[dict[str, Any]]:
        """The deployments of a group that pass the filters of ListDeployments."""
        named = {"applicationName": group.application, "deploymentGroupName": group.name}
        identifiers = self._names("ListDeployments", str(group), "deployments", **named, **filters)
        return [
            deployment
            for batch in batched(identifiers, _DEPLOYMENTS_PER_GET)
            for deployment in self._call("BatchGetDeployments", str(group), _DEPLOYMENTS, deploymentIds=batch)[
                "deploymentsInfo"
            ]
        ]

    def _names(self, operation: str, subject: str, member: str, **arguments: Any) -> list[str]:
        """All that a List operation names, page after page."""
        needs: Shape = {member: Maybe([str])}
        try:
            pages = self._api.pages(operation, subject, needs, **arguments)
            return [name for page in pages for name in page.get(member) or ()]
        except CallError as error:
            raise self._passing(error) from error.__cause__

    def _call(self, operation: str, subject: str, needs: Shape, **arguments: Any) -> dict[str, Any]:
        try:
            return self._api.call(operation, subject, needs, **arguments)
        except CallError as error:
            raise self._passing(error) from error.__cause__

    def _passing(self, error: CallError) -> CallError:
        """The error, to be tried again where what it says passes by itself."""
        if error.code in _GONE:
            # Next time it is looked for.
            self._groups = {}
        if error.code in _GONE | {_BUSY}:
            error.retry = Retry.LATER
        return error


def _describe(revision: Revision) -> str:
    """What the description of a deployment says: BatchGetDeployments does not return its AppSpec.

    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_GetDeployment.html
    """
    return f"ecr-deploy: {revision}"
