"""The fleet: services, families, and the revisions that they run."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from ecr_deploy.core import revisions
from ecr_deploy.core.revisions import DAEMON, Revision


class Target(NamedTuple):
    """What a push may reach: a service of a cluster, or, with no cluster, a family that no service runs.

    A daemon counts as a service whose name begins with `daemon/`.
    """

    cluster: str | None
    name: str

    @property
    def is_daemon(self) -> bool:
        """Whether it is a daemon."""
        return self.cluster is not None and self.name.startswith(DAEMON)


# Deployment controllers, as ECS names them.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentController.html
ECS = "ECS"
CODE_DEPLOY = "CODE_DEPLOY"
# ECS has no name for it among the controllers: such a service has `resourceManagementType` ECS.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-overview.html
EXPRESS_MODE = "ECS Express Mode"
# Daemons have a rolling deployment of their own, and always one that ECS takes back when it fails.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/managed-daemons-deployments.html
DAEMONS = "ECS Managed Daemons"


class Deployment(NamedTuple):
    """One of a service's `deployments`, or one of its service deployments: both say what a rollout came to.

    `revision` is the ARN of the task definition; `status` and `rollout_state` are ECS's own words, the latter None for
    service deployments. `started_at` is when it was created.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
    """

    id: str
    revision: str
    status: str
    rollout_state: str | None
    reason: str | None
    started_at: datetime | None = None


class TaskSet(NamedTuple):
    """What the next task set of a service takes over from the one that runs: CodeDeploy keeps nothing by itself.

    `container` and `port` are where its load balancer sends what comes in; `capacity_providers` is the strategy as ECS
    writes it.
    """

    container: str
    port: int
    platform_version: str | None = None
    capacity_providers: tuple[Mapping[str, Any], ...] = ()


class Service(NamedTuple):
    """An ACTIVE service: where it is, the revision that it is to run (an ARN), and who rolls it out.

    `tags` are its own, `cluster_tags` those of its cluster. `service_revisions` are ECS's own ARNs for what it runs, of
    which there are several while it rolls out, and none where ECS keeps none. `deployments` are those of
    DescribeServices, `task_sets` the revisions of its task sets, and `service_deployment` is the ARN of the newest
    deployment, where ECS keeps it. `reverts` says whether ECS rolls a failed deployment back. `task_set` is for
    CodeDeploy alone. `created_at` distinguishes a service from an earlier one of its name. `repeated` is what an update
    of a daemon has to say again, because ECS would reset it.
    """

    cluster: str
    name: str
    arn: str
    revision: str
    controller: str = ECS
    tags: Mapping[str, str] = MappingProxyType({})
    cluster_tags: Mapping[str, str] = MappingProxyType({})
    service_revisions: tuple[str, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    task_sets: tuple[str, ...] = ()
    service_deployment: str | None = None
    reverts: bool = False
    task_set: TaskSet | None = None
    created_at: datetime | None = None
    repeated: Mapping[str, Any] = MappingProxyType({})

    @property
    def target(self) -> Target:
        """The service as the rules see it."""
        return Target(self.cluster, self.name)

    @property
    def runs(self) -> str:
        """Its revision as ECS names it for people: `family:number`."""
        return revisions.name_of(self.revision)

    @property
    def family(self) -> str:
        """The family of its revision."""
        return revisions.family_of(self.revision)


class Member(NamedTuple):
    """A service and the revision that it runs; without a service, a family that none runs, and its newest revision."""

    service: Service | None
    running: Revision

    @property
    def target(self) -> Target:
        """The member as the rules see it."""
        return self.service.target if self.service else Target(None, self.running.family)


class Family(NamedTuple):
    """A task definition family: its newest revision that a new one may start from, and the services that run it.

    `is_hidden` says that others registered it after the base of one of ours that is newer still. `spare` are other
    ACTIVE revisions that we may have registered without a service getting them, `begun` are the bases of updates that
    were begun and not finished. `origin` is the newest revision of its owner below one of ours, if that is the newest.
    """

    newest: Revision
    members: tuple[Member, ...]
    spare: tuple[Revision, ...] = ()
    is_hidden: bool = False
    begun: Mapping[Target, Revision] = MappingProxyType({})
    origin: Revision | None = None
