"""What the account holds: clusters, services, deployments, task definitions; and how ECS describes them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import errors
from .validation import Json, check_definition, check_tags

if TYPE_CHECKING:
    from .daemons import Daemon
    from .tasks import Run
    from .throttling import Clock

DigestResolver = Callable[[str], str | None]

AWAITING = "AWAITING_ACTION"
DELETED = "DELETED"
"""No status of ECS's: it does not tell of a revision whose deletion is done."""
_FINAL = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


@dataclass
class Revision:
    """One revision of a family. The definition is the JSON that was registered, without its tags."""

    arn: str
    family: str
    number: int
    definition: Json
    tags: dict[str, str]
    registered_at: float
    registered_by: str
    status: str = "ACTIVE"
    deregistered_at: float | None = None
    delete_requested_at: float | None = None

    def describe(self) -> Json:
        """Give the definition with the members that only ECS can set."""
        described = {
            **self.definition,
            "taskDefinitionArn": self.arn,
            "revision": self.number,
            "status": self.status,
            "requiresAttributes": [{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}],
            "compatibilities": self._compatibilities(),
            "registeredAt": self.registered_at,
            "registeredBy": self.registered_by,
        }
        if self.delete_requested_at is not None:
            described["deleteRequestedAt"] = self.delete_requested_at
        if self.deregistered_at is not None:
            described["deregisteredAt"] = self.deregistered_at
        return described

    def _compatibilities(self) -> list[str]:
        fits_fargate = all(self.definition.get(member) for member in ("cpu", "memory"))
        fits_fargate = fits_fargate and self.definition.get("networkMode") == "awsvpc"
        return ["EC2", "FARGATE"] if fits_fargate else ["EC2"]


@dataclass(frozen=True)
class ServiceRevision:
    """What one deployment of a service runs, with the digests that its tags resolved to."""

    arn: str
    task_definition: str
    images: list[Json]
    created_at: float


@dataclass
class ServiceDeployment:
    """A change of a service from the revisions that it ran to another."""

    arn: str
    target: ServiceRevision
    sources: list[ServiceRevision]
    started_at: float
    updated_at: float
    status: str = "IN_PROGRESS"
    reason: str | None = None
    rollback: Json | None = None
    hooks: list[Json] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether ECS is done with it."""
        return self.status in _FINAL

    @property
    def waits(self) -> bool:
        """Whether it stands at a hook, until somebody acts."""
        return bool(self.hooks) and self.hooks[-1]["status"] == AWAITING

    @property
    def running(self) -> list[ServiceRevision]:
        """The service revisions that have tasks, the oldest first."""
        if not self.finished:
            return [*self.sources, self.target]
        return [self.target] if self.rollback is None else self.sources[:1]


@dataclass
class Service:
    """A service. `members` are whatever else DescribeServices shall tell of it; `rollouts` its `deployments`."""

    cluster: Cluster
    name: str
    arn: str
    task_definition: str | None
    created_at: float
    status: str = "ACTIVE"
    controller: str | None = None
    desired_count: int = 1
    tags: dict[str, str] = field(default_factory=dict)
    members: Json = field(default_factory=dict)
    rollouts: list[Json] = field(default_factory=list)
    deployments: list[ServiceDeployment] = field(default_factory=list)
    has_revisions: bool = False
    events: list[Json] = field(default_factory=list)

    @property
    def is_express(self) -> bool:
        """Whether ECS manages all of it."""
        return self.members.get("resourceManagementType") == "ECS"

    @property
    def is_taggable(self) -> bool:
        """Whether the ARN is long: before 2021 it could be without the cluster.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html#ecs-resource-ids
        """
        return self.arn.endswith(f"/{self.cluster.name}/{self.name}")

    def describe(self, *, with_tags: bool) -> Json:
        """Give what DescribeServices tells. A service without a deployment controller of its own names none."""
        count = self.desired_count
        described: Json = {
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": self.cluster.arn,
            "loadBalancers": [],
            "serviceRegistries": [],
            "status": self.status,
            "desiredCount": count,
            "runningCount": count,
            "pendingCount": 0,
            "launchType": "FARGATE",
            "deployments": self.rollouts,
            "events": self.events,
            "createdAt": self.created_at,
            "placementConstraints": [],
            "placementStrategy": [],
            "schedulingStrategy": "REPLICA",
            "enableECSManagedTags": False,
            "propagateTags": "NONE",
            "enableExecuteCommand": False,
            **self.members,
        }
        if self.task_definition is not None:
            described["taskDefinition"] = self.task_definition
        if self.controller is not None:
            described["deploymentController"] = {"type": self.controller}
        if with_tags and self.is_taggable:
            described["tags"] = describe_tags(self.tags)
        if self.has_revisions and self.deployments:
            current = self.deployments[-1]
            described["currentServiceDeployment"] = current.arn
            described["currentServiceRevisions"] = [_summary(revision, count) for revision in current.running]
        return described

    def describe_deployment(self, deployment: ServiceDeployment) -> Json:
        """Give what DescribeServiceDeployments tells."""
        described: Json = {
            **self._deployment_outline(deployment),
            "updatedAt": deployment.updated_at,
            "sourceServiceRevisions": [_summary(source, self.desired_count) for source in deployment.sources],
            "targetServiceRevision": _summary(deployment.target, self.desired_count),
        }
        if deployment.rollback is not None:
            described["rollback"] = deployment.rollback
        if deployment.hooks:
            described["lifecycleHookDetails"] = [
                {name: value for name, value in hook.items() if name != "stage"} for hook in deployment.hooks
            ]
            described["lifecycleStage"] = deployment.hooks[-1]["stage"]
        return described

    def describe_deployment_briefly(self, deployment: ServiceDeployment) -> Json:
        """Give what ListServiceDeployments tells."""
        return {**self._deployment_outline(deployment), "targetServiceRevisionArn": deployment.target.arn}

    def _deployment_outline(self, deployment: ServiceDeployment) -> Json:
        outline: Json = {
            "serviceDeploymentArn": deployment.arn,
            "serviceArn": self.arn,
            "clusterArn": self.cluster.arn,
            "createdAt": deployment.started_at,
            "startedAt": deployment.started_at,
            "status": deployment.status,
        }
        if deployment.finished:
            outline["finishedAt"] = deployment.updated_at
        if deployment.reason is not None:
            outline["statusReason"] = deployment.reason
        return outline

    def describe_revision(self, revision: ServiceRevision) -> Json:
        """Give what DescribeServiceRevisions tells."""
        return {
            "serviceRevisionArn": revision.arn,
            "serviceArn": self.arn,
            "clusterArn": self.cluster.arn,
            "taskDefinition": revision.task_definition,
            "launchType": "FARGATE",
            "containerImages": revision.images,
            "createdAt": revision.created_at,
        }


@dataclass
class Cluster:
    """A cluster and its services, deleted ones included."""

    name: str
    arn: str
    tags: dict[str, str] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    status: str = "ACTIVE"

    def describe(self, *, with_tags: bool) -> Json:
        """Give what DescribeClusters tells."""
        described: Json = {
            "clusterArn": self.arn,
            "clusterName": self.name,
            "status": self.status,
            "activeServicesCount": sum(service.status == "ACTIVE" for service in self.services.values()),
        }
        if with_tags:
            described["tags"] = describe_tags(self.tags)
        return described


def describe_tags(tags: Mapping[str, str]) -> list[Json]:
    """Give tags as ECS writes them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def _summary(revision: ServiceRevision, count: int) -> Json:
    return {
        "arn": revision.arn,
        "requestedTaskCount": count,
        "runningTaskCount": count,
        "pendingTaskCount": 0,
    }


class Account:
    """One account in one region."""

    def __init__(self, *, account_id: str, region: str, partition: str, clock: Clock, resolve: DigestResolver) -> None:
        self.prefix = f"arn:{partition}:ecs:{region}:{account_id}:"
        self.caller = ""
        self.owner = f"arn:{partition}:iam::{account_id}:user/owner"
        self.clock = clock
        self.clusters: dict[str, Cluster] = {}
        self.families: dict[str, list[Revision]] = {}
        self.daemons: dict[str, Daemon] = {}
        self.daemon_families: dict[str, list[Revision]] = {}
        self.tasks: dict[str, Json] = {}
        self.runs: dict[tuple[str, str | None], Run] = {}
        self.paused: list[tuple[Service, ServiceDeployment]] = []
        self._resolve = resolve
        self._numbers = itertools.count(1)

    def add_cluster(self, name: str, tags: Mapping[str, str]) -> Cluster:
        """Create a cluster, or give the one of that name."""
        cluster = Cluster(name, f"{self.prefix}cluster/{name}", dict(tags))
        return self.clusters.setdefault(name, cluster)

    def cluster(self, identifier: str | None) -> Cluster:
        """Find an ACTIVE cluster by name or ARN; without either it is the one called `default`."""
        name = (identifier or "default").removeprefix(f"{self.prefix}cluster/")
        cluster = self.clusters.get(name)
        if cluster is None or cluster.status != "ACTIVE":
            raise errors.cluster_not_found()
        return cluster

    def service(self, cluster: Cluster, identifier: str) -> Service | None:
        """Find a service of a cluster by name or ARN, whatever its status. A short ARN names no cluster."""
        if not identifier.startswith("arn:"):
            return cluster.services.get(identifier)
        of_cluster, slash, name = identifier.removeprefix(f"{self.prefix}service/").rpartition("/")
        if slash and of_cluster != cluster.name:
            message = f"Identifier is for cluster {of_cluster}. Your cluster is {cluster.name}"
            raise errors.invalid_parameter(message)
        service = cluster.services.get(name)
        return service if service is not None and service.arn == identifier else None

    def services(self) -> Iterable[Service]:
        """Give every service of every cluster."""
        return itertools.chain.from_iterable(cluster.services.values() for cluster in self.clusters.values())

    def revision(self, identifier: str) -> Revision | None:
        """Find a revision: exactly by `family:revision` or ARN; by a bare family its newest ACTIVE one."""
        parts = re.fullmatch(r"([\w-]+)(?::(\d+))?", identifier.removeprefix(f"{self.prefix}task-definition/"))
        if parts is None:
            return None
        family, number = parts.groups()
        revisions = self.families.get(family, [])
        if number is None:
            return next((revision for revision in reversed(revisions) if revision.status == "ACTIVE"), None)
        found = revisions[int(number) - 1] if 1 <= int(number) <= len(revisions) else None
        return None if found is None or found.status == DELETED else found

    def register(self, definition: Json, tags: list[Json] | None, *, owner: bool, daemon: bool = False) -> Revision:
        """Make the next revision of a family, or of one of daemon task definitions. Numbers are never used twice."""
        check_definition(definition)
        checked_tags = {} if tags is None else check_tags(tags, owner=owner)
        families, kind = self.families, "task-definition"
        if daemon:
            families, kind = self.daemon_families, "daemon-task-definition"
        revisions = families.setdefault(definition["family"], [])
        number = len(revisions) + 1
        revision = Revision(
            arn=f"{self.prefix}{kind}/{definition['family']}:{number}",
            family=definition["family"],
            number=number,
            definition=definition,
            tags=checked_tags,
            registered_at=self.clock.time(),
            registered_by=self.owner if owner else self.caller,
        )
        revisions.append(revision)
        return revision

    def launchable(self, identifier: str) -> Revision:
        """Find a revision that a service may be given."""
        revision = self.revision(identifier)
        if revision is None:
            raise errors.task_definition_not_found()
        if revision.status != "ACTIVE":
            raise errors.task_definition_inactive()
        return revision

    def deploy(self, service: Service, revision: Revision) -> None:
        """Begin a deployment, which stops the one that runs."""
        now = self.clock.time()
        self._begin_rollout(service, revision.arn, outgoing="IN_PROGRESS")
        sources: list[ServiceRevision] = []
        if service.deployments:
            current = service.deployments[-1]
            sources = current.running
            if not current.finished:
                current.status, current.updated_at = "STOPPED", now
        images = [self._container_image(container) for container in revision.definition["containerDefinitions"]]
        path = f"{service.cluster.name}/{service.name}"
        target = ServiceRevision(f"{self.prefix}service-revision/{path}/{self.number()}", revision.arn, images, now)
        arn = f"{self.prefix}service-deployment/{path}/{self.number()}"
        service.deployments.append(ServiceDeployment(arn, target, sources, now, now))

    def move_deployment(self, service: Service, status: str, reason: str | None) -> None:
        """Take a service's newest deployment to another status; one that rolls back takes the service back too."""
        now = self.clock.time()
        deployment = service.deployments[-1]
        if status.startswith("ROLLBACK_") and status != "ROLLBACK_REQUESTED" and deployment.rollback is None:
            target = deployment.sources[0]
            deployment.rollback = {"startedAt": now, "serviceRevisionArn": target.arn}
            if reason is not None:
                deployment.rollback["reason"] = reason
            self._begin_rollout(service, target.task_definition, outgoing="FAILED")
        deployment.status, deployment.reason, deployment.updated_at = status, reason, now
        if deployment.finished:
            del service.rollouts[1:]
            service.rollouts[0].update(rolloutState="COMPLETED", runningCount=service.desired_count, updatedAt=now)

    def pause(self, service: Service, stage: str, seconds: float, timeout_action: str) -> str:
        """Let a service's newest deployment wait at a hook; give the hook's id.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html
        """
        deployment = service.deployments[-1]
        hook = {
            "hookId": f"ecs-pause-{self.number()}",
            "targetType": "PAUSE",
            "status": AWAITING,
            "expiresAt": self.clock.time() + seconds,
            "timeoutAction": timeout_action,
            "stage": stage,
        }
        deployment.hooks.append(hook)
        self.paused.append((service, deployment))
        return str(hook["hookId"])

    def end_hook(self, service: Service, hook: Json, status: str, action: str) -> None:
        """Let a deployment that waits at a hook go on, or roll back."""
        hook["status"] = status
        service.deployments[-1].updated_at = self.clock.time()
        self.paused = [one for one in self.paused if one[0] is not service]
        if action == "ROLLBACK":
            self.move_deployment(service, "ROLLBACK_IN_PROGRESS", None)

    def expire_hooks(self) -> None:
        """Do what a hook says shall be done when nobody acts in time."""
        for service, deployment in self.paused:
            hook = deployment.hooks[-1]
            if deployment is not service.deployments[-1] or deployment.finished:
                self.paused = [one for one in self.paused if one[1] is not deployment]
            elif hook["expiresAt"] <= self.clock.time():
                self.end_hook(service, hook, "TIMED_OUT", hook["timeoutAction"])

    def _begin_rollout(self, service: Service, task_definition: str, *, outgoing: str) -> None:
        now = self.clock.time()
        for rollout in service.rollouts:
            rollout["status"] = "ACTIVE"
            if rollout["rolloutState"] == "IN_PROGRESS":
                rollout["rolloutState"] = outgoing
        rollout = {
            "id": f"ecs-svc/{self.number()}",
            "status": "PRIMARY",
            "taskDefinition": task_definition,
            "desiredCount": service.desired_count,
            "pendingCount": 0,
            "runningCount": 0,
            "failedTasks": 0,
            "createdAt": now,
            "updatedAt": now,
            "rolloutState": "IN_PROGRESS",
        }
        service.rollouts.insert(0, rollout)
        service.task_definition = task_definition

    def _container_image(self, container: Json) -> Json:
        image = container["image"]
        described = {"containerName": container.get("name", ""), "image": image}
        digest = image.partition("@")[2] or self._resolve(image)
        return {**described, "imageDigest": digest} if digest else described

    def number(self) -> str:
        """Give an id that was not given before, as long as those of AWS."""
        return str(10**18 + next(self._numbers))
