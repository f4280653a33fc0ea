"""CodeDeploy: the only module that talks to it. It rolls out the services that ECS leaves to it."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.aws import calls
from ecr_deploy.aws.pacing import Pacer
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry
from ecr_deploy.core.fleet import CODE_DEPLOY, Family, Member, Service, Target, TaskSet
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.planner import Plan
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import End, State

# Of CreateDeployment, too, a repetition does no harm: CodeDeploy has one deployment in a group at a time.
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=20)
_BUSY = "DeploymentLimitExceededException"
_GONE = frozenset({"ApplicationDoesNotExistException", "DeploymentGroupDoesNotExistException"})
_UNFINISHED = ["Created", "Queued", "InProgress", "Baking", "Ready"]
_APPLICATIONS_PER_GET = 100
_DEPLOYMENTS_PER_GET = 25

_Item = TypeVar("_Item")


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
            {"CapacityProvider": one["capacityProvider"], "Base": one.get("base", 0), "Weight": one.get("weight", 0)}
            for one in task_set.capacity_providers
        ]
    return {
        "version": 0.0,
        "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}],
    }


def end_of(revision: Revision, deployments: Iterable[Mapping[str, Any]]) -> End | None:
    """What came of the newest of our deployments of a revision; None while it runs, or if there is none.

    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_DeploymentInfo.html
    """
    ours = [one for one in deployments if one.get("description") == _describe(revision)]
    newest = max(ours, key=lambda one: one["createTime"], default=None)
    if newest is None or newest["status"] in _UNFINISHED:
        return None
    if newest["status"] == "Succeeded":
        return End(State.LIVE, None)
    went_back = newest.get("rollbackInfo", {}).get("rollbackDeploymentId")
    reason = newest.get("errorInformation", {}).get("message") or "its CodeDeploy deployment was stopped"
    return End(State.ROLLED_BACK if went_back else State.FAILED, reason)


class CodeDeploy:
    """The account's CodeDeploy in one region; its client is made when it is first needed.

    Methods that don't give errors raise CallError where CodeDeploy refuses or does not answer, and OutOfTimeError
    where the invocation would end first.
    """

    def __init__(self, client: Callable[..., Any], pacer: Pacer) -> None:
        self._make_client = client
        self._pacer = pacer
        self._groups: dict[Target, Group] = {}
        # Families are rolled out by several threads; only one of them looks for groups, and makes the client.
        self._lock = threading.Lock()

    def ask(self, family: Family, plan: Plan) -> tuple[Family, dict[str, EcrDeployError]]:
        """The family, its services told to wait for what CodeDeploy does, or for ever where it can do nothing: and why.

        The reasons are by the services' ARNs. Only services that the plan would update are asked for.
        """
        due = {member.arn for step in plan.steps for member in step.members}
        members: list[Member] = []
        problems: dict[str, EcrDeployError] = {}
        for member in family.members:
            told, service = member, member.service
            if service and service.arn in due and service.controller == CODE_DEPLOY:
                try:
                    told = self._wait(member, service, family.revisions)
                except EcrDeployError as error:
                    problems[service.arn] = error
                    told = member._replace(service=service._replace(waits=Reason.of(error)))
            members.append(told)
        return family._replace(members=tuple(members)), problems

    def update(self, services: Iterable[Service], revision: Revision) -> list[EcrDeployError | None]:
        """Begin to deploy a revision to services; for each the reason why it could not be, or None."""
        return [self._try_deploy(service, revision) for service in services]

    def end(self, service: Service, revision: Revision, since: datetime) -> End | None:
        """What came of our newest deployment of a revision to a service; None while it runs, or if there is none."""
        group = self._find(service)
        return end_of(revision, self._deployments(group, createTimeRange={"start": since})) if group else None

    def services(self, application: str, name: str) -> list[Target]:
        """The services that a deployment group deploys; none if it is no more."""
        group = {"applicationName": application, "deploymentGroupName": name}
        try:
            info = self._call("GetDeploymentGroup", str(Group(application, name)), **group)["deploymentGroupInfo"]
        except CallError as error:
            if error.code in _GONE:
                return []
            raise
        return list(groups_of([info]))

    def _wait(self, member: Member, service: Service, known: Iterable[Revision]) -> Member:
        """The member, told to wait where its group deploys already, and taken to run what that deploys if we know."""
        group, _ = self._prepare(service)
        running = self._running(group)
        if not running:
            return member
        waits = Reason("deploying", f"its CodeDeploy deployment {running[0]['deploymentId']} is not over")
        description = running[0].get("description")
        revision = next((one for one in known if description == _describe(one)), member.running)
        return Member(service._replace(revision=revision.arn, waits=waits), revision)

    def _try_deploy(self, service: Service, revision: Revision) -> EcrDeployError | None:
        try:
            group, task_set = self._prepare(service)
            self._create(group, task_set, revision)
        except EcrDeployError as error:
            return error
        return None

    def _create(self, group: Group, task_set: TaskSet, revision: Revision) -> None:
        content = json.dumps(app_spec(task_set, revision.arn))
        try:
            self._call(
                "CreateDeployment",
                str(group),
                applicationName=group.application,
                deploymentGroupName=group.name,
                description=_describe(revision),
                revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
            )
        except CallError as error:
            # A try that got no answer may have gone through; else somebody was quicker.
            running = self._running(group) if error.code == _BUSY else []
            if all(one.get("description") != _describe(revision) for one in running):
                raise

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
        for names in _batched(self._names("ListApplications", "the account", "applications"), _APPLICATIONS_PER_GET):
            found = self._call("BatchGetApplications", "the account", applicationNames=names)["applicationsInfo"]
            for application in (one["applicationName"] for one in found if one.get("computePlatform") == "ECS"):
                subject = f"application {application}"
                for name in self._names(
                    "ListDeploymentGroups", subject, "deploymentGroups", applicationName=application
                ):
                    group = {"applicationName": application, "deploymentGroupName": name}
                    yield self._call("GetDeploymentGroup", str(Group(application, name)), **group)[
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
            for batch in _batched(identifiers, _DEPLOYMENTS_PER_GET)
            for deployment in self._call("BatchGetDeployments", str(group), deploymentIds=batch)["deploymentsInfo"]
        ]

    def _names(self, operation: str, subject: str, member: str, **arguments: Any) -> list[str]:
        """All that a List operation names, page after page."""
        answer = self._call(operation, subject, **arguments)
        names = list(answer.get(member, ()))
        while token := answer.get("nextToken"):
            answer = self._call(operation, subject, nextToken=token, **arguments)
            names += answer.get(member, ())
        return names

    @cached_property
    def _client(self) -> Any:
        return self._make_client("codedeploy", config=_CONFIG)

    def _call(self, operation: str, subject: str, **arguments: Any) -> dict[str, Any]:
        # It raises OutOfTimeError where the invocation would end first.
        self._pacer.pause(0)
        try:
            answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**arguments)
        except (ClientError, BotoCoreError) as error:
            explained = calls.explain(error, operation, subject)
            if explained.code in _GONE:
                # Next time it is looked for.
                self._groups = {}
            if explained.code in _GONE | {_BUSY}:
                explained.retry = Retry.LATER
            raise explained from error
        return answer


def _describe(revision: Revision) -> str:
    """What the description of a deployment says: BatchGetDeployments does not tell its AppSpec.

    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_GetDeployment.html
    """
    return f"ecr-deploy: {revision}"


def _batched(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
