"""The fleet: services, families, and the revisions that they run."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Revision

if TYPE_CHECKING:
    from ecr_deploy.core.outcomes import Reason


class Target(NamedTuple):
    """What a push may reach: a service of a cluster, or, with no cluster, a family that no service runs."""

    cluster: str | None
    name: str


# The deployment controller of services that CodeDeploy rolls out.
CODE_DEPLOY = "CODE_DEPLOY"


class Deployment(NamedTuple):
    """One of a service's `deployments`, or one of its service deployments: both tell what a rollout came to.

    `revision` is the ARN of the task definition; `status` and `rollout_state` are ECS's own words, the latter None for
    service deployments.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
    """

    id: str
    revision: str
    status: str
    rollout_state: str | None
    reason: str | None


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
    """An ACTIVE service: where it is, what it is told to run (a revision's ARN), and who rolls it out.

    `tags` are its own, `cluster_tags` those of its cluster. `service_revisions` are ECS's own ARNs for what it runs, of
    which there are several while it rolls out, and none where ECS keeps none. `deployments` are those that ECS tells
    with the service, `task_sets` the revisions of its task sets, and `service_deployment` is the ARN of the newest
    deployment, where ECS keeps it. `reverts` says whether the service goes back by itself where a rollout fails.
    `task_set` is for CodeDeploy alone. `waits` says why it must not be updated now.
    """

    cluster: str
    name: str
    arn: str
    revision: str
    controller: str = "ECS"
    tags: Mapping[str, str] = MappingProxyType({})
    cluster_tags: Mapping[str, str] = MappingProxyType({})
    service_revisions: tuple[str, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    task_sets: tuple[str, ...] = ()
    service_deployment: str | None = None
    reverts: bool = False
    task_set: TaskSet | None = None
    waits: "Reason | None" = None

    @property
    def target(self) -> Target:
        """The service as the rules see it."""
        return Target(self.cluster, self.name)

    @property
    def runs(self) -> str:
        """Its revision as ECS names it for people: `family:number`."""
        return self.revision.rpartition("/")[2]

    @property
    def family(self) -> str:
        """The family of its revision."""
        return self.runs.rpartition(":")[0]


class Member(NamedTuple):
    """A service and the revision that it runs; without a service, a family that none runs, and its newest revision."""

    service: Service | None
    running: Revision

    @property
    def target(self) -> Target:
        """The member as the rules see it."""
        return self.service.target if self.service else Target(None, self.running.family)

    @property
    def arn(self) -> str:
        """What tells the member from all others."""
        return self.service.arn if self.service else self.running.family


class Family(NamedTuple):
    """A task definition family: its newest ACTIVE revision, the services that run it, and older revisions."""

    newest: Revision
    members: tuple[Member, ...]
    older: tuple[Revision, ...] = ()

    @property
    def revisions(self) -> tuple[Revision, ...]:
        """All revisions at hand."""
        return (self.newest, *(member.running for member in self.members), *self.older)

    @property
    def records(self) -> set[Record]:
        """Every push that any of the revisions at hand records."""
        return {record for revision in self.revisions for record in revision.records.values()}
