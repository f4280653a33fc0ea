"""Daemons: what the account holds of them, the operations on them, and what tests may set up and look at.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/managed-daemons.html
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import errors
from .listing import describe, page
from .validation import Json, check_request

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .state import Account, Revision

_FINAL = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
# What an update without them sets: what is not documented to be kept is reset.
_DEFAULTS: Json = {
    "propagateTags": "NONE",
    "enableECSManagedTags": False,
    "enableExecuteCommand": False,
    "critical": True,
}
_CONFIGURATION: Json = {"drainPercent": 25.0, "bakeTimeInMinutes": 0}


@dataclass
class DaemonRevision:
    """What one deployment of a daemon runs, and where."""

    arn: str
    definition: str
    providers: list[str]
    flags: Json
    images: list[Json]
    created_at: float


@dataclass
class DaemonDeployment:
    """A change of a daemon from the revision that it ran to another."""

    arn: str
    target: DaemonRevision
    source: DaemonRevision | None
    configuration: Json
    created_at: float
    status: str = "PENDING"
    reason: str | None = None
    rollback: Json | None = None

    @property
    def current(self) -> list[DaemonRevision]:
        """The daemon revisions that have tasks, that which leaves first."""
        if self.status not in _FINAL and self.source:
            return [self.source, self.target]
        return [self.source] if self.rollback and self.source else [self.target]


@dataclass
class Daemon:
    """A daemon and all its deployments."""

    cluster: str
    cluster_arn: str
    name: str
    arn: str
    tags: dict[str, str]
    created_at: float
    status: str = "ACTIVE"
    tells_deployments: bool = True
    deployments: list[DaemonDeployment] = field(default_factory=list)


def find(account: Account, arn: str) -> Daemon:
    """Find a daemon by its ARN."""
    daemon = account.daemons.get(arn)
    if daemon is None:
        code, message = "DaemonNotFoundException", "The specified daemon wasn't found."
        raise errors.EcsError(code, message)
    return daemon


def definition_of(account: Account, identifier: str) -> Revision:
    """Find a daemon task definition: by ARN or `family:revision`, or by a bare family its newest ACTIVE one."""
    name = identifier.removeprefix(f"{account.prefix}daemon-task-definition/")
    family, _, number = name.partition(":")
    for revision in reversed(account.daemon_families.get(family, [])):
        if str(revision.number) == number or (not number and revision.status == "ACTIVE"):
            return revision
    message = "Unable to describe daemon task definition."
    raise errors.client(message)


def list_daemons(account: Account, request: Json) -> Json:
    """Outline the daemons of a cluster."""
    cluster = account.cluster(request.get("clusterArn"))
    outlines = [
        {
            "daemonArn": daemon.arn,
            "status": daemon.status,
            "createdAt": daemon.created_at,
            "updatedAt": daemon.deployments[-1].created_at,
        }
        for daemon in account.daemons.values()
        if daemon.cluster == cluster.name
    ]
    return page("daemonSummariesList", outlines, request)


def describe_daemon(account: Account, request: Json) -> Json:
    """Describe one daemon."""
    daemon = find(account, request["daemonArn"])
    newest = daemon.deployments[-1]
    current = [
        {
            "arn": revision.arn,
            "capacityProviders": [
                {"arn": arn, "runningCount": 1, "withoutDaemonCount": 0} for arn in revision.providers
            ],
            "totalRunningCount": len(revision.providers),
            "totalWithoutDaemonCount": 0,
        }
        for revision in newest.current
    ]
    described = {
        "daemonArn": daemon.arn,
        "clusterArn": daemon.cluster_arn,
        "status": daemon.status,
        "currentRevisions": current,
        "deploymentArn": newest.arn,
        "createdAt": daemon.created_at,
        "updatedAt": newest.created_at,
    }
    return {"daemon": described}


def update_daemon(account: Account, request: Json) -> Json:
    """Begin a deployment of a daemon, which stops the one that runs. What the request leaves out is reset."""
    daemon = find(account, request["daemonArn"])
    if daemon.status != "ACTIVE":
        code, message = "DaemonNotActiveException", "The specified daemon isn't active."
        raise errors.EcsError(code, message)
    revision = definition_of(account, request["daemonTaskDefinitionArn"])
    if revision.status != "ACTIVE":
        message = "The daemon task definition is not ACTIVE."
        raise errors.client(message)
    _check_providers(account, request["capacityProviderArns"])
    flags = {**_DEFAULTS, **{name: request[name] for name in _DEFAULTS if name in request}}
    configuration = {**_CONFIGURATION, **(request.get("deploymentConfiguration") or {})}
    deploy(account, daemon, revision, request["capacityProviderArns"], flags, configuration)
    return {
        "daemonArn": daemon.arn,
        "status": daemon.status,
        "createdAt": daemon.created_at,
        "updatedAt": daemon.deployments[-1].created_at,
        "deploymentArn": daemon.deployments[-1].arn,
    }


def _check_providers(account: Account, arns: Sequence[str]) -> None:
    if not arns:
        message = "capacityProviderArns cannot be empty."
        raise errors.invalid_parameter(message)
    for arn in arns:
        if not arn.startswith(f"{account.prefix}capacity-provider/"):
            message = f"The capacity provider {arn} does not exist."
            raise errors.invalid_parameter(message)


def deploy(  # noqa: PLR0913, PLR0917 - all that a deployment is
    account: Account, daemon: Daemon, revision: Revision, providers: Sequence[str], flags: Json, configuration: Json
) -> None:
    """Begin a deployment."""
    now, path = account.clock.time(), f"{daemon.cluster}/{daemon.name}"
    source = None
    if daemon.deployments:
        newest = daemon.deployments[-1]
        source = newest.current[0]
        if newest.status not in _FINAL:
            newest.status = "STOPPED"
    images = [
        {"containerName": container["name"], "image": container["image"], "imageDigest": "sha256:" + "0" * 64}
        for container in revision.definition["containerDefinitions"]
    ]
    arn = f"{account.prefix}daemon-revision/{path}/{account.number()}"
    target = DaemonRevision(arn, revision.arn, list(providers), copy.deepcopy(flags), images, now)
    arn = f"{account.prefix}daemon-deployment/{path}/{account.number()}"
    daemon.deployments.append(DaemonDeployment(arn, target, source, copy.deepcopy(configuration), now))


def describe_daemon_revisions(account: Account, request: Json) -> Json:
    """Describe up to 20 daemon revisions."""
    known = {
        revision.arn: (daemon, revision)
        for daemon in account.daemons.values()
        for deployment in daemon.deployments
        for revision in (deployment.target,)
    }

    def outline(daemon: Daemon, revision: DaemonRevision) -> Json:
        return {
            "daemonRevisionArn": revision.arn,
            "clusterArn": daemon.cluster_arn,
            "daemonArn": daemon.arn,
            "daemonTaskDefinitionArn": revision.definition,
            "createdAt": revision.created_at,
            "containerImages": revision.images,
            **revision.flags,
        }

    return describe("daemonRevisions", "daemonRevisionArns", request, known, outline)


def list_daemon_deployments(account: Account, request: Json) -> Json:
    """Outline the deployments of a daemon, the newest first."""
    daemon = find(account, request["daemonArn"])
    outlines = [
        {
            "daemonDeploymentArn": deployment.arn,
            "daemonArn": daemon.arn,
            "clusterArn": daemon.cluster_arn,
            "status": deployment.status,
            **({"statusReason": deployment.reason} if deployment.reason else {}),
            "targetDaemonRevisionArn": deployment.target.arn,
            "createdAt": deployment.created_at,
        }
        for deployment in reversed(daemon.deployments)
    ]
    return page("daemonDeployments", outlines, request)


def describe_daemon_deployments(account: Account, request: Json) -> Json:
    """Describe up to 20 deployments of daemons."""
    known = {
        deployment.arn: (daemon, deployment)
        for daemon in account.daemons.values()
        if daemon.tells_deployments
        for deployment in daemon.deployments
    }

    def detail(revision: DaemonRevision) -> Json:
        providers = [{"arn": arn, "runningInstanceCount": 1} for arn in revision.providers]
        return {"arn": revision.arn, "capacityProviders": providers, "totalRunningInstanceCount": len(providers)}

    def outline(daemon: Daemon, deployment: DaemonDeployment) -> Json:
        described = {
            "daemonDeploymentArn": deployment.arn,
            "clusterArn": daemon.cluster_arn,
            "status": deployment.status,
            "targetDaemonRevision": detail(deployment.target),
            "sourceDaemonRevisions": [detail(deployment.source)] if deployment.source else [],
            "deploymentConfiguration": deployment.configuration,
            "createdAt": deployment.created_at,
        }
        if deployment.reason:
            described["statusReason"] = deployment.reason
        if deployment.rollback:
            described["rollback"] = deployment.rollback
        return described

    return describe("daemonDeployments", "daemonDeploymentArns", request, known, outline)


def register_daemon_task_definition(account: Account, request: Json) -> Json:
    """Make the next revision of a family of daemon task definitions, of the JSON as it came."""
    definition = {name: value for name, value in request.items() if name != "tags"}
    return {"daemonTaskDefinitionArn": account.register(definition, request.get("tags"), owner=False, daemon=True).arn}


def describe_daemon_task_definition(account: Account, request: Json) -> Json:
    """Describe a daemon task definition, which has no word on its tags."""
    revision = definition_of(account, request["daemonTaskDefinition"])
    described = {
        **revision.definition,
        "daemonTaskDefinitionArn": revision.arn,
        "revision": revision.number,
        "status": revision.status,
        "registeredAt": revision.registered_at,
        "registeredBy": revision.registered_by,
    }
    return {"daemonTaskDefinition": described}


def list_daemon_task_definitions(account: Account, request: Json) -> Json:
    """Outline the daemon task definitions of a family, or of all."""
    status = request.get("status") or "ACTIVE"
    found = [
        {
            "arn": revision.arn,
            "registeredAt": revision.registered_at,
            "registeredBy": revision.registered_by,
            "status": revision.status,
        }
        for name in sorted(account.daemon_families)
        if request.get("family") in (None, name)
        for revision in account.daemon_families[name]
        if status in ("ALL", revision.status)
    ]
    return page("daemonTaskDefinitions", found[::-1] if request.get("sort") == "DESC" else found, request)


OPERATIONS: dict[str, Callable[[Account, Json], Json]] = {
    "DescribeDaemon": describe_daemon,
    "DescribeDaemonDeployments": describe_daemon_deployments,
    "DescribeDaemonRevisions": describe_daemon_revisions,
    "DescribeDaemonTaskDefinition": describe_daemon_task_definition,
    "ListDaemonDeployments": list_daemon_deployments,
    "ListDaemonTaskDefinitions": list_daemon_task_definitions,
    "ListDaemons": list_daemons,
    "RegisterDaemonTaskDefinition": register_daemon_task_definition,
    "UpdateDaemon": update_daemon,
}


class DaemonOwner:
    """What the owner of an account does with daemons, not recorded and never refused by a fault."""

    def __init__(self, account: Account, lock: threading.RLock) -> None:
        self._account = account
        self._lock = lock

    def register(self, definition: Mapping[str, object], tags: Mapping[str, str] | None = None) -> str:
        """Register a daemon task definition and give its ARN."""
        tag_list = [{"key": key, "value": value} for key, value in tags.items()] if tags else None
        with self._lock:
            own = check_request("RegisterDaemonTaskDefinition", copy.deepcopy(dict(definition)))
            return self._account.register(own, tag_list, owner=True, daemon=True).arn

    def add(  # noqa: PLR0913 - all but what makes a daemon by name
        self,
        cluster: str,
        name: str,
        definition: str,
        *,
        providers: Iterable[str] = ("agents",),
        tags: Mapping[str, str] | None = None,
        configuration: Json | None = None,
        **flags: object,
    ) -> str:
        """Create a daemon whose first deployment is done, in a cluster that is made if need be; give its ARN."""
        with self._lock:
            account = self._account
            of_cluster = account.add_cluster(cluster, {})
            arn, now = f"{account.prefix}daemon/{cluster}/{name}", account.clock.time()
            daemon = Daemon(cluster, of_cluster.arn, name, arn, dict(tags or {}), now)
            account.daemons[arn] = daemon
            arns = [f"{account.prefix}capacity-provider/{provider}" for provider in providers]
            rollout = {**_CONFIGURATION, **(configuration or {})}
            deploy(account, daemon, definition_of(account, definition), arns, {**_DEFAULTS, **flags}, rollout)
            daemon.deployments[-1].status = "SUCCESSFUL"
            return arn

    def update(self, cluster: str, name: str, definition: str) -> None:
        """Begin a deployment as somebody else would, with all settings as they are."""
        with self._lock:
            daemon, newest = self._daemon(cluster, name), self._daemon(cluster, name).deployments[-1]
            revision, target = definition_of(self._account, definition), newest.target
            deploy(self._account, daemon, revision, target.providers, target.flags, newest.configuration)

    def move(self, cluster: str, name: str, status: str, *, reason: str | None = None) -> None:
        """Take a daemon's newest deployment to a status; one that rolls back takes the daemon back."""
        with self._lock:
            deployment = self._daemon(cluster, name).deployments[-1]
            if status.startswith(("ROLLBACK_", "STOP_REQUESTED")) and deployment.source and not deployment.rollback:
                back = {
                    "rollbackTargetDaemonRevisionArn": deployment.source.arn,
                    "startedAt": self._account.clock.time(),
                }
                deployment.rollback = {**back, **({"reason": reason} if reason else {})}
            deployment.status, deployment.reason = status, reason

    def forget_deployments(self, cluster: str, name: str) -> None:
        """Let ECS describe a daemon's deployments no more, as it does with services' after 90 days."""
        with self._lock:
            self._daemon(cluster, name).tells_deployments = False

    def delete(self, cluster: str, name: str) -> None:
        """Begin to delete a daemon."""
        with self._lock:
            self._daemon(cluster, name).status = "DELETE_IN_PROGRESS"

    def running(self, cluster: str, name: str) -> Json:
        """Give the definition that a daemon is to run, as it was registered."""
        with self._lock:
            deployment = self._daemon(cluster, name).deployments[-1]
            revision = deployment.source if deployment.rollback and deployment.source else deployment.target
            return copy.deepcopy(definition_of(self._account, revision.definition).definition)

    def settings(self, cluster: str, name: str) -> Json:
        """Give all that a daemon's newest deployment was begun with, but for what it runs."""
        with self._lock:
            newest = self._daemon(cluster, name).deployments[-1]
            providers = list(newest.target.providers)
            return copy.deepcopy({**newest.target.flags, "providers": providers, "configuration": newest.configuration})

    def revisions(self, family: str) -> list[str]:
        """Give the ARNs of all daemon task definitions of a family, the oldest first."""
        with self._lock:
            return [revision.arn for revision in self._account.daemon_families.get(family, [])]

    def tags(self, definition: str) -> dict[str, str]:
        """Give the tags of a daemon task definition."""
        with self._lock:
            return dict(definition_of(self._account, definition).tags)

    def retire(self, definition: str) -> None:
        """Begin to delete a daemon task definition."""
        with self._lock:
            definition_of(self._account, definition).status = "DELETE_IN_PROGRESS"

    def retag(self, cluster: str, name: str, tags: Mapping[str, str]) -> None:
        """Write tags on a daemon."""
        with self._lock:
            self._daemon(cluster, name).tags.update(tags)

    def _daemon(self, cluster: str, name: str) -> Daemon:
        return find(self._account, f"{self._account.prefix}daemon/{cluster}/{name}")
