"""ECS: single calls of it, and all that write. Its JSON stays whole."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ecr_deploy.aws import ecs_services
from ecr_deploy.aws.calls import UNKNOWN_OPERATION, WORKERS, Api, Maybe, Shape, batched
from ecr_deploy.aws.known_services import KnownServices
from ecr_deploy.core import revisions
from ecr_deploy.core.errors import CallError, OutOfTimeError
from ecr_deploy.core.fleet import Deployment, Service, Target
from ecr_deploy.core.revisions import Revision

if TYPE_CHECKING:
    from ecr_deploy.core.images import Repository

# How many DescribeServiceRevisions and DescribeServiceDeployments take at once.
PER_DESCRIBE = 20
_OLDER_REVISIONS = 20
_DEFINITION: Shape = {
    "taskDefinition": {
        "taskDefinitionArn": str,
        "family": str,
        "revision": int,
        "containerDefinitions": Maybe([{"name": str, "image": str}]),
    },
    "tags": Maybe([{"key": str}]),
}
_REVISIONS = {"taskDefinitionArns": [str]}


class Ecs:
    """The account's ECS in one region: one thing at a time.

    Every method raises CallError where ECS refuses or does not answer, and OutOfTimeError where the invocation would
    end first.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="ecs")
        # A revision is immutable but for its status and tags.
        self._revisions: dict[str, Revision] = {}
        self._repositories: dict[str, tuple[Repository, ...]] = {}
        self._seen = KnownServices(api.pacer.now)
        # When the newest revisions of families were asked for, and the repositories that they run.
        self._newest: dict[str, tuple[float, tuple[Repository, ...]]] = {}
        api.keep_whole("RegisterTaskDefinition", {"family": "-", "containerDefinitions": []})

    def service(self, target: Target) -> Service | None:
        """One service as it is now; None if it is gone."""
        found = self._describe_services(target.cluster or "", [target.name])
        return found[0] if found else None

    def forget(self, target: Target) -> None:
        """Describe a service again when it is next needed: it has changed."""
        self._seen.forget(target)

    def service_deployments(self, service: Service) -> list[Deployment]:
        """The newest deployments of a service, newest first, as far as ECS keeps them: 90 days; none if it can't."""
        try:
            listed = self._api.call(
                "ListServiceDeployments",
                f"service {service.name} in cluster {service.cluster}",
                {"serviceDeployments": [{"serviceDeploymentArn": str, "targetServiceRevisionArn": str, "status": str}]},
                service=service.arn,
                cluster=service.cluster,
                maxResults=PER_DESCRIBE,
            )["serviceDeployments"]
            if not listed:
                return []
            arns = [listing["serviceDeploymentArn"] for listing in listed]
            described = {found["serviceDeploymentArn"]: found for found in self._describe_service_deployments(arns)}
            targets = list(dict.fromkeys(listing["targetServiceRevisionArn"] for listing in listed))
            revision_of = {
                service_revision["serviceRevisionArn"]: service_revision["taskDefinition"]
                for service_revision in self._service_revisions(targets)
            }
        except CallError as error:
            if error.code != UNKNOWN_OPERATION:
                raise
            return []
        return [
            Deployment(
                arn,
                revision_of[listing["targetServiceRevisionArn"]],
                listing["status"],
                None,
                (described.get(arn, {}).get("rollback") or {}).get("reason") or listing.get("statusReason"),
            )
            for arn, listing in zip(arns, listed, strict=True)
            if listing["targetServiceRevisionArn"] in revision_of
        ]

    def stop(self, service_deployment: str) -> None:
        """Make ECS roll a running deployment back."""
        self._api.call(
            "StopServiceDeployment",
            service_deployment,
            {"serviceDeploymentArn": str},
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

    def revisions(self, family: str) -> Iterator[Revision]:
        """All ACTIVE revisions of a family, newest first."""
        for arns in self._list(family):
            yield from self._pool.map(self.revision, arns)

    def older(self, newest: Revision) -> Iterator[Revision]:
        """The ACTIVE revisions before the newest, one by one, newest first."""
        for arns in self._list(newest.family, maxResults=_OLDER_REVISIONS):
            yield from (self.revision(arn) for arn in arns if _number(arn) < newest.number)

    def revision(self, arn: str, *, fresh: bool = False) -> Revision:
        """One revision by its ARN, asked for once; `fresh` as it is now, because it may have been deregistered."""
        known = None if fresh else self._revisions.get(arn)
        return known or self._remember(self._describe(arn))

    def register(self, family: str, request: Mapping[str, Any], newest: int) -> Revision:
        """Register a revision, once: where it is unclear whether a try went through, the family is asked first.

        `newest` is the number of the family's newest revision before.
        """

        def registered() -> dict[str, Any] | None:
            answer = self._describe(family)
            revision = revisions.read(answer)
            return answer if revision.number > newest and revisions.is_like(revision, request) else None

        return self._remember(self._register(family, request, registered))

    def deregister(self, revision: Revision) -> None:
        """Deregister a revision, so that nothing starts it any more."""
        self._api.call("DeregisterTaskDefinition", str(revision), {"taskDefinition": dict}, taskDefinition=revision.arn)

    def update(
        self, services: Iterable[Service], revision: Revision, *, force: bool = False
    ) -> list[str | CallError | OutOfTimeError]:
        """Update services to a revision; for each the id of its deployment, or the reason why it could not be.

        `force` begins a deployment of the revision that runs already.
        """
        return self._each(services, lambda service: self._update(service, revision, force=force))

    def update_express(self, services: Iterable[Service], revision: Revision) -> list[str | CallError | OutOfTimeError]:
        """Update Express Mode services to a revision; for each the id of its deployment, or why it could not be."""
        return self._each(services, lambda service: self._update_express(service, revision))

    def _describe_services(self, cluster: str, names: list[str]) -> list[Service]:
        answer = self._api.call(
            "DescribeServices",
            f"cluster {cluster}",
            {"services": [dict]},
            cluster=cluster,
            services=names,
            include=["TAGS"],
        )
        # One that is gone since it was listed stands in `failures`, with the reason MISSING.
        active = [
            service
            for service in answer["services"]
            if service.get("status") == "ACTIVE" and "taskDefinition" in service
        ]
        found = [ecs_services.read(cluster, service) for service in ecs_services.whole(active, cluster)]
        self._seen.add(cluster, names, found)
        return found

    def _describe_service_deployments(self, arns: list[str]) -> list[dict[str, Any]]:
        answer = self._api.call(
            "DescribeServiceDeployments",
            "the services",
            {"serviceDeployments": [{"serviceDeploymentArn": str, "status": str, "rollback": Maybe(dict)}]},
            serviceDeploymentArns=arns,
        )
        return list(answer["serviceDeployments"])

    def _service_revisions(self, arns: list[str]) -> list[dict[str, Any]]:
        image = {"image": str, "containerName": str}
        answer = self._api.call(
            "DescribeServiceRevisions",
            "the services",
            {
                "serviceRevisions": [
                    {"serviceRevisionArn": str, "taskDefinition": str, "containerImages": Maybe([image])}
                ]
            },
            serviceRevisionArns=arns,
        )
        return list(answer["serviceRevisions"])

    def sketches(self, services: Iterable[Service]) -> dict[str, Revision]:
        """What services run, by the ARN of their revision, as far as their service revisions say it, 20 at a time.

        Of each revision only its name and its images are there: it is to be looked at, and nothing is made from it.
        """
        arns = [arn for service in services for arn in service.service_revisions]
        found: dict[str, Revision] = {}
        for answer in self._pool.map(self._try_sketches, batched(arns, PER_DESCRIBE)):
            found.update(answer)
        return found

    def _try_sketches(self, arns: list[str]) -> dict[str, Revision]:
        try:
            described = self._service_revisions(arns)
        except CallError:
            # Task definitions say the same, one by one.
            return {}
        return {
            found["taskDefinition"]: revisions.sketch(found["taskDefinition"], found["containerImages"])
            for found in described
            if found.get("containerImages")
        }

    def _describe(self, name: str) -> dict[str, Any]:
        return self._api.call("DescribeTaskDefinition", name, _DEFINITION, taskDefinition=name, include=["TAGS"])

    def _list(self, family: str, **page: int) -> Iterator[list[str]]:
        """The ARNs of the ACTIVE revisions of a family, newest first, by page."""
        more: dict[str, Any] = {"status": "ACTIVE", "sort": "DESC", **page}
        for answer in self._api.pages("ListTaskDefinitions", family, _REVISIONS, familyPrefix=family, **more):
            yield answer["taskDefinitionArns"]

    def _register(
        self, family: str, request: Mapping[str, Any], done: Callable[[], dict[str, Any] | None]
    ) -> dict[str, Any]:
        """Register a revision; gives what describing it would answer, as `done` does where a try went through."""
        answer = self._api.call("RegisterTaskDefinition", family, _DEFINITION, done=done, **request)
        # RegisterTaskDefinition answers with the tags beside the definition, as DescribeTaskDefinition does.
        return {"tags": request.get("tags"), **answer}

    def _remember(self, answer: Mapping[str, Any]) -> Revision:
        revision = revisions.read(answer)
        self._revisions[revision.arn] = revision
        self._repositories[revision.arn] = revision.repositories
        return revision

    def _each(
        self, services: Iterable[Service], update: Callable[[Service], str]
    ) -> list[str | CallError | OutOfTimeError]:
        """Update services; for each what `update` gives, or the error that it raises."""

        def attempt(service: Service) -> str | CallError | OutOfTimeError:
            try:
                return update(service)
            except (CallError, OutOfTimeError) as error:
                return error
            finally:
                self.forget(service.target)

        return list(self._pool.map(attempt, services))

    def _update(self, service: Service, revision: Revision, *, force: bool) -> str:
        # Any further argument would reset something of the service.
        more: dict[str, Any] = {"forceNewDeployment": True} if force else {}
        answer = self._api.call(
            "UpdateService",
            f"service {service.name} in cluster {service.cluster}",
            {"service": {"deployments": Maybe([{"id": str, "status": str}])}},
            cluster=service.cluster,
            service=service.name,
            taskDefinition=revision.arn,
            **more,
        )
        deployments = answer["service"].get("deployments") or ()
        return next((str(deployment["id"]) for deployment in deployments if deployment["status"] == "PRIMARY"), "")

    def _update_express(self, service: Service, revision: Revision) -> str:
        # Any further argument would change something of the service.
        self._api.call(
            "UpdateExpressGatewayService",
            f"service {service.name} in cluster {service.cluster}",
            {"service": dict},
            serviceArn=service.arn,
            taskDefinitionArn=revision.arn,
        )
        # It does not say under which id DescribeServices will list the deployment.
        return ""


def _number(arn: str) -> int:
    return int(arn.rpartition(":")[2])
