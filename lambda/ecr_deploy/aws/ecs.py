"""ECS: the only module that talks to it. Pages, batches, paces, retries, and keeps its JSON whole."""

import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.aws import calls, raw_json
from ecr_deploy.aws.pacing import Pacer
from ecr_deploy.core import images, revisions, rollouts
from ecr_deploy.core.errors import CallError, OutOfTimeError, Retry
from ecr_deploy.core.fleet import CODE_DEPLOY, Deployment, Service, Target, TaskSet
from ecr_deploy.core.images import Repository
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rules import Rules, matches

logger = logging.getLogger("ecr_deploy")

# Calls in flight at once. Enough to use up a burst of 100 within a few round trips.
WORKERS = 32
# Ours are the retries (see `_call`): a RegisterTaskDefinition repeated blindly would make a second revision.
CONFIG = Config(retries={"total_max_attempts": 1}, max_pool_connections=WORKERS, connect_timeout=5, read_timeout=20)

_MOST_FAULTS = 6
_LONGEST_PAUSE = 20.0
_SERVICES_PER_PAGE = 100
_SERVICES_PER_DESCRIBE = 10
_SERVICE_REVISIONS_PER_DESCRIBE = 20
_CLUSTERS_PER_DESCRIBE = 100
_OLDER_REVISIONS = 10
_ROLLING_BACK = Reason(
    "rolling-back", "it is being rolled back, and an update now would leave it nothing to fall back to"
)

_Item = TypeVar("_Item")


class Ecs:
    """The account's ECS in one region, as far as a deployment needs it.

    Every method raises CallError where ECS refuses or does not answer, and OutOfTimeError where the invocation would
    end first.
    """

    def __init__(self, client: Any, pacer: Pacer) -> None:
        self._client = client
        self._pacer = pacer
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="ecs")
        # A revision is immutable but for its status and tags, and nobody but us writes our tags.
        self._revisions: dict[str, Revision] = {}
        self._repositories: dict[str, tuple[Repository, ...]] = {}
        raw_json.keep_whole(client, "RegisterTaskDefinition", {"family": "-", "containerDefinitions": []})

    def clusters(self, rules: Rules) -> tuple[str, ...]:
        """The names of the clusters in scope."""
        named = rules.exact_clusters()
        return tuple(name for name in self._clusters() if rules.in_scope(name)) if named is None else named

    def services(self, rules: Rules) -> Iterator[Service]:
        """All ACTIVE services that any rule reaches, as they become known."""
        clusters = self.clusters(rules)
        tags = self._pool.submit(self._cluster_tags, clusters)
        pages = deque(self._pool.submit(self._list_services, cluster, rules) for cluster in clusters)
        while pages:
            batches, more = pages.popleft().result()
            if more:
                pages.append(more)
            for batch in batches:
                for service in batch.result():
                    yield service._replace(cluster_tags=tags.result().get(service.cluster, {}))

    def repositories(self, services: Iterable[Service]) -> list[tuple[Service, tuple[Repository, ...] | CallError]]:
        """The services, each with the ECR repositories that it runs; where ECS does not tell those, why."""
        known: list[Service] = []
        unknown: dict[str, CallError | None] = {}

        def unknown_service_revisions() -> Iterator[str]:
            for service in services:
                known.append(service)
                if service.revision not in self._repositories and service.revision not in unknown:
                    unknown[service.revision] = None
                    yield from service.service_revisions

        batches = _batched(unknown_service_revisions(), _SERVICE_REVISIONS_PER_DESCRIBE)
        for told in [self._pool.submit(self._try_service_revisions, batch) for batch in batches]:
            self._repositories.update(told.result())
        untold = [arn for arn in unknown if arn not in self._repositories]
        for arn, revision in zip(untold, self._pool.map(self._try_revision, untold), strict=True):
            unknown[arn] = revision if isinstance(revision, CallError) else None
        # What nobody runs any more would only pile up.
        run = {service.revision for service in known}
        self._revisions = {arn: revision for arn, revision in self._revisions.items() if arn in run}
        return [(one, unknown.get(one.revision) or self._repositories[one.revision]) for one in known]

    def families(self, globs: Sequence[str]) -> list[str]:
        """The active families whose name any of the globs matches."""
        pages = self._pages("ListTaskDefinitionFamilies", "the account", "families", status="ACTIVE")
        return [family for page in pages for family in page["families"] if matches(family, globs)]

    def running(self, services: Iterable[Service]) -> dict[str, Revision | CallError]:
        """The revisions that the services run, by ARN; where ECS refuses one, why."""
        arns = list(dict.fromkeys(service.revision for service in services))
        return dict(zip(arns, self._pool.map(self._try_revision, arns), strict=True))

    def service(self, target: Target) -> Service | None:
        """One service as it is now; None if it is gone."""
        found = self._describe_services(target.cluster or "", [target.name])
        return found[0] if found else None

    def service_deployments(self, service: Service) -> list[Deployment]:
        """The newest deployments of a service, newest first, as far as ECS keeps them: 90 days."""
        listed = self._call(
            "ListServiceDeployments",
            f"service {service.name} in cluster {service.cluster}",
            "serviceDeployments",
            service=service.arn,
            cluster=service.cluster,
            maxResults=_SERVICE_REVISIONS_PER_DESCRIBE,
        )["serviceDeployments"]
        if not listed:
            return []
        arns = [one["serviceDeploymentArn"] for one in listed]
        described = {one["serviceDeploymentArn"]: one for one in self._describe_service_deployments(arns)}
        targets = list(dict.fromkeys(one["targetServiceRevisionArn"] for one in listed))
        answer = self._call("DescribeServiceRevisions", "the services", "serviceRevisions", serviceRevisionArns=targets)
        revision_of = {one["serviceRevisionArn"]: one["taskDefinition"] for one in answer["serviceRevisions"]}
        return [
            Deployment(
                arn,
                revision_of[one["targetServiceRevisionArn"]],
                one["status"],
                None,
                described.get(arn, {}).get("rollback", {}).get("reason") or one.get("statusReason"),
            )
            for arn, one in zip(arns, listed, strict=True)
            if one["targetServiceRevisionArn"] in revision_of
        ]

    def waiting(self, services: Iterable[Service]) -> list[Service]:
        """The services, told to wait where one is being rolled back."""
        services = list(services)
        suspects = [one for one in services if rollouts.is_rolling_out(one.deployments)]
        arns = [one.service_deployment for one in suspects if one.service_deployment]
        batches = list(_batched(arns, _SERVICE_REVISIONS_PER_DESCRIBE))
        status_of = {
            one["serviceDeploymentArn"]: one["status"]
            for found in self._pool.map(self._describe_service_deployments, batches)
            for one in found
        }
        back = {
            one.arn
            for one in suspects
            if rollouts.is_rolling_back(one.deployments, status_of.get(one.service_deployment or ""))
        }
        return [one._replace(waits=_ROLLING_BACK) if one.arn in back else one for one in services]

    def read_again(self, arn: str) -> Revision:
        """One revision as it is now: others of us may have tagged it."""
        return self._remember(self._describe(arn))

    def stop(self, service_deployment: str) -> None:
        """Let ECS take a running deployment back."""
        self._call(
            "StopServiceDeployment",
            service_deployment,
            "serviceDeploymentArn",
            serviceDeploymentArn=service_deployment,
            stopType="ROLLBACK",
        )

    def newest(self, family: str) -> Revision | None:
        """The newest ACTIVE revision of a family; None if none is ACTIVE."""
        try:
            return self._remember(self._describe(family))
        except CallError as error:
            # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTaskDefinition.html
            if error.code == "ClientException":
                return None
            raise

    def all_newest(self, families: Iterable[str]) -> list[Revision]:
        """The newest ACTIVE revisions of families that have one."""
        return [revision for revision in self._pool.map(self.newest, families) if revision]

    def revisions(self, family: str) -> Iterator[Revision]:
        """All ACTIVE revisions of a family, newest first."""
        pages = self._pages(
            "ListTaskDefinitions", family, "taskDefinitionArns", familyPrefix=family, status="ACTIVE", sort="DESC"
        )
        for page in pages:
            yield from self._pool.map(self.read_again, page["taskDefinitionArns"])

    def older(self, newest: Revision) -> Iterator[Revision]:
        """The ten ACTIVE revisions before the newest, one by one, newest first."""
        answer = self._call(
            "ListTaskDefinitions",
            newest.family,
            "taskDefinitionArns",
            familyPrefix=newest.family,
            status="ACTIVE",
            sort="DESC",
            maxResults=_OLDER_REVISIONS + 1,
        )
        yield from (self.revision(arn) for arn in answer["taskDefinitionArns"] if arn != newest.arn)

    def revision(self, arn: str) -> Revision:
        """One revision by its ARN, asked for once."""
        return self._revisions.get(arn) or self._remember(self._describe(arn))

    def register(self, request: Mapping[str, Any]) -> Revision:
        """Register a revision, once: where it is unclear whether a try went through, the family is asked first."""
        family = request["family"]

        def registered() -> dict[str, Any] | None:
            answer = self._describe(family)
            return answer if revisions.is_copy(revisions.read(answer), request) else None

        answer = self._call("RegisterTaskDefinition", family, "taskDefinition", done=registered, **request)
        # RegisterTaskDefinition answers with the tags beside the definition, as DescribeTaskDefinition does.
        return self._remember({"tags": request.get("tags"), **answer})

    def tag(self, revision: Revision, tags: Mapping[str, str]) -> None:
        """Write tags of ours on a revision."""
        self._call(
            "TagResource",
            str(revision),
            "ResponseMetadata",
            resourceArn=revision.arn,
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )
        self._revisions[revision.arn] = revisions.with_tags(revision, tags)

    def deregister(self, revision: Revision) -> None:
        """Let a revision be started no more."""
        self._call("DeregisterTaskDefinition", str(revision), "taskDefinition", taskDefinition=revision.arn)

    def update(self, services: Iterable[Service], revision: Revision) -> list[CallError | OutOfTimeError | None]:
        """Update services to a revision; for each the reason why it could not be, or None."""
        return list(self._pool.map(lambda service: self._try_update(service, revision), services))

    def _clusters(self) -> Iterator[str]:
        for page in self._pages("ListClusters", "clusters", "clusterArns"):
            yield from (_last_part(arn) for arn in page["clusterArns"])

    def _cluster_tags(self, clusters: Sequence[str]) -> dict[str, dict[str, str]]:
        tags = {}
        for names in _batched(clusters, _CLUSTERS_PER_DESCRIBE):
            answer = self._call("DescribeClusters", "the clusters", "clusters", clusters=names, include=["TAGS"])
            tags.update({cluster["clusterName"]: _tags(cluster) for cluster in answer["clusters"]})
        return tags

    def _list_services(
        self, cluster: str, rules: Rules, token: str | None = None, rest: Sequence[str] = ()
    ) -> "_Listing":
        """List a page of a cluster; start to list the next and to describe its services, with the rest of the last."""
        page: dict[str, Any] = {"nextToken": token} if token else {}
        try:
            answer = self._call(
                "ListServices",
                f"cluster {cluster}",
                "serviceArns",
                cluster=cluster,
                maxResults=_SERVICES_PER_PAGE,
                **page,
            )
        except CallError as error:
            if error.code != "ClusterNotFoundException":
                raise
            # One that is gone, or never was, must not keep pushes from all others.
            logger.warning("there is no cluster %s", cluster)
            return [], None
        names = [*rest, *map(_last_part, answer["serviceArns"])]
        names = [name for name in names if rules.reaches(Target(cluster, name))]
        more = None
        if token := answer.get("nextToken"):
            whole = len(names) // _SERVICES_PER_DESCRIBE * _SERVICES_PER_DESCRIBE
            more = self._pool.submit(self._list_services, cluster, rules, token, names[whole:])
            names = names[:whole]
        batches = _batched(names, _SERVICES_PER_DESCRIBE)
        return [self._pool.submit(self._describe_services, cluster, batch) for batch in batches], more

    def _describe_services(self, cluster: str, names: list[str]) -> list[Service]:
        answer = self._call(
            "DescribeServices", f"cluster {cluster}", "services", cluster=cluster, services=names, include=["TAGS"]
        )
        # One that is gone since it was listed stands in `failures`, with the reason MISSING.
        found = (one for one in answer["services"] if one["status"] == "ACTIVE" and "taskDefinition" in one)
        return [_service(cluster, service) for service in found]

    def _describe_service_deployments(self, arns: list[str]) -> list[dict[str, Any]]:
        answer = self._call(
            "DescribeServiceDeployments", "the services", "serviceDeployments", serviceDeploymentArns=arns
        )
        return list(answer["serviceDeployments"])

    def _try_service_revisions(self, arns: list[str]) -> dict[str, tuple[Repository, ...]]:
        """The ECR repositories that service revisions run, by the ARN of their task definition; none if refused."""
        try:
            answer = self._call(
                "DescribeServiceRevisions", "the services", "serviceRevisions", serviceRevisionArns=arns
            )
        except CallError:
            # Task definitions tell the same, one by one.
            return {}
        return {
            one["taskDefinition"]: images.repositories(container["image"] for container in one["containerImages"])
            for one in answer["serviceRevisions"]
            if one.get("containerImages")
        }

    def _try_revision(self, arn: str) -> Revision | CallError:
        try:
            return self.revision(arn)
        except CallError as error:
            return error

    def _describe(self, name: str) -> dict[str, Any]:
        return self._call("DescribeTaskDefinition", name, "taskDefinition", taskDefinition=name, include=["TAGS"])

    def _remember(self, answer: Mapping[str, Any]) -> Revision:
        revision = revisions.read(answer)
        self._revisions[revision.arn] = revision
        self._repositories[revision.arn] = revision.repositories
        return revision

    def _try_update(self, service: Service, revision: Revision) -> CallError | OutOfTimeError | None:
        try:
            # Any further argument would reset something of the service.
            self._call(
                "UpdateService",
                f"service {service.name} in cluster {service.cluster}",
                "service",
                cluster=service.cluster,
                service=service.name,
                taskDefinition=revision.arn,
            )
        except (CallError, OutOfTimeError) as error:
            return error
        return None

    def _pages(self, operation: str, subject: str, member: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        answer = self._call(operation, subject, member, **arguments)
        yield answer
        while token := answer.get("nextToken"):
            answer = self._call(operation, subject, member, nextToken=token, **arguments)
            yield answer

    def _call(
        self,
        operation: str,
        subject: str,
        member: str,
        *,
        done: Callable[[], dict[str, Any] | None] = lambda: None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Call an operation until it succeeds or trying again can't help.

        `done` answers for the operation if a try that seemed to fail went through all the same.
        """
        tries = faults = 0
        while True:
            try:
                return self._try(operation, subject, member, **arguments)
            except CallError as error:
                throttled = error.code in calls.THROTTLED
                tries, faults = tries + 1, faults + (not throttled)
                if error.retry is Retry.NEVER or faults == _MOST_FAULTS:
                    raise
                if throttled:
                    self._pacer.refused(operation)
                # Longer each time, and never in step with others.
                self._pacer.pause(random.uniform(0, min(_LONGEST_PAUSE, 0.1 * 2**tries)))  # noqa: S311 - no secret
            if not throttled and (answer := done()):
                return answer

    def _try(self, operation: str, subject: str, member: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation once, in its turn; `member` is what its answer must have."""
        self._pacer.take(operation)
        try:
            answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**arguments)
        except (ClientError, BotoCoreError) as error:
            raise calls.explain(error, operation, subject) from error
        if member not in answer:
            # botocore takes an answer that is no JSON for one without members.
            message = f"{operation} of {subject} was answered without {member}"
            raise CallError(message, operation, "MalformedAnswer", Retry.LATER)
        return answer


# The services of a page, as they are described, and the next page, if there is one.
_Listing = tuple[list[Future[list[Service]]], Future["_Listing"] | None]


def _batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of so many items, each as soon as it is full; `itertools` has it from Python 3.12 on."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _last_part(arn: str) -> str:
    return arn.rpartition("/")[2]


def _tags(resource: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in resource.get("tags", ())}


def _service(cluster: str, service: Mapping[str, Any]) -> Service:
    controller, runs = _controller(service), _primary_task_set(service)
    return Service(
        cluster=cluster,
        name=service["serviceName"],
        arn=service["serviceArn"],
        revision=runs["taskDefinition"],
        controller=controller,
        tags=_tags(service),
        service_revisions=tuple(one["arn"] for one in service.get("currentServiceRevisions", ())),
        deployments=tuple(_deployment(one) for one in service.get("deployments", ())),
        task_sets=tuple(one["taskDefinition"] for one in service.get("taskSets", ())),
        service_deployment=service.get("currentServiceDeployment"),
        reverts=controller == CODE_DEPLOY or _reverts(service.get("deploymentConfiguration", {})),
        task_set=_task_set(service, runs) if controller == CODE_DEPLOY else None,
    )


def _primary_task_set(service: Mapping[str, Any]) -> Mapping[str, Any]:
    """What takes the traffic of a service that CodeDeploy rolls out; the service itself where it has no task sets.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskSet.html
    """
    return next((one for one in service.get("taskSets", ()) if one["status"] == "PRIMARY"), service)


def _task_set(service: Mapping[str, Any], runs: Mapping[str, Any]) -> TaskSet | None:
    balancer = next(iter(service.get("loadBalancers") or runs.get("loadBalancers") or ()), None)
    if balancer is None:
        return None
    providers = tuple(runs.get("capacityProviderStrategy", ()))
    return TaskSet(balancer["containerName"], balancer["containerPort"], runs.get("platformVersion"), providers)


def _deployment(deployment: Mapping[str, Any]) -> Deployment:
    return Deployment(
        deployment["id"],
        deployment["taskDefinition"],
        deployment["status"],
        deployment.get("rolloutState"),
        deployment.get("rolloutStateReason"),
    )


def _reverts(configuration: Mapping[str, Any]) -> bool:
    """Whether the circuit breaker or an alarm takes a failed rollout back."""
    guards = (configuration.get("deploymentCircuitBreaker", {}), configuration.get("alarms", {}))
    return any(guard.get("enable") and guard.get("rollback") for guard in guards)


def _controller(service: Mapping[str, Any]) -> str:
    # Express Mode services are ECS's own to roll out: UpdateService is not for them.
    if service.get("resourceManagementType") == "ECS":
        return "ECS Express Mode"
    return str(service.get("deploymentController", {}).get("type", "ECS"))
