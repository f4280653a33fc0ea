"""The fleet on ECS: clusters, services and what they run, many at once."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from itertools import chain
from math import inf
from typing import Any, NamedTuple

from ecr_deploy.aws.calls import UNKNOWN_OPERATION, Shape, batched, next_page
from ecr_deploy.aws.ecs import PER_DESCRIBE, Ecs
from ecr_deploy.aws.ecs_services import TAGS, tags_of
from ecr_deploy.core import images, rollouts
from ecr_deploy.core.errors import CallError, EcrDeployError
from ecr_deploy.core.fleet import Service, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rules import Rules, matches

logger = logging.getLogger("ecr_deploy")

_SERVICES_PER_PAGE = 100
_SERVICES_PER_DESCRIBE = 10
_CLUSTERS_PER_DESCRIBE = 100
_OUTDATED_SECONDS = 300
_ROLLING_BACK = Reason(
    "rolling-back", "it is being rolled back, and an update now would leave it nothing to fall back to"
)


class EcsFleet(Ecs):
    """The account's ECS in one region, and all that is in scope there."""

    def clusters(self, rules: Rules) -> tuple[str, ...]:
        """The names of the clusters in scope."""
        named = rules.exact_clusters()
        return tuple(name for name in self._clusters() if rules.in_scope(name)) if named is None else named

    def services(self, rules: Rules, since: datetime | None = None) -> Iterator[Service]:
        """All ACTIVE services that any rule reaches, as they become known, each described now, or `since` a time."""
        known = self._seen.since(since.timestamp()) if since else {}
        return (service for service, _ in self._read(_Query(rules, known, is_new=True)))

    def progress(self) -> int:
        """How much is known: it grows with all that is read, so that a reading can go on in another invocation."""
        return len(self._revisions) + len(self._seen.since(0))

    def known_services(self, rules: Rules) -> Iterator[tuple[Service, bool]]:
        """All ACTIVE services that any rule reaches, and whether each was described just now, as they become known.

        Others are as ECS described them within the last five minutes, or before that where ECS's pace would make this
        wait. What runs, and the tags of a service, may have changed since: `describe` what is to be acted on.
        """
        spare = self._api.pacer.spare("DescribeServices") - self._seen.pages(_SERVICES_PER_PAGE)
        return self._read(_Query(rules, self._seen.usable(spare * _SERVICES_PER_DESCRIBE), is_new=False))

    def describe(self, services: Sequence[Service]) -> dict[Target, Service]:
        """Services as they are now, without those that are gone."""
        tags = {service.cluster: service.cluster_tags for service in services}
        names: dict[str, list[str]] = {}
        for service in services:
            names.setdefault(service.cluster, []).append(service.name)
        answers = [
            self._pool.submit(self._describe_services, cluster, batch)
            for cluster, found in names.items()
            for batch in batched(found, _SERVICES_PER_DESCRIBE)
        ]
        return {
            service.target: service._replace(cluster_tags=tags[service.cluster])
            for answer in answers
            for service in answer.result()
        }

    def repositories(self, services: Iterable[Service]) -> list[tuple[Service, tuple[Repository, ...] | CallError]]:
        """The services, each with the ECR repositories that it runs; where ECS does not say, why."""
        known: list[Service] = []
        unknown: dict[str, CallError | None] = {}

        def unknown_service_revisions() -> Iterator[str]:
            for service in services:
                known.append(service)
                if service.revision not in self._repositories and service.revision not in unknown:
                    unknown[service.revision] = None
                    yield from service.service_revisions

        batches = batched(unknown_service_revisions(), PER_DESCRIBE)
        for answer in [self._pool.submit(self._try_service_revisions, batch) for batch in batches]:
            self._repositories.update(answer.result())
        untold = [arn for arn in unknown if arn not in self._repositories]
        for arn, revision in zip(untold, self._pool.map(self._try_revision, untold), strict=True):
            unknown[arn] = revision if isinstance(revision, CallError) else None
        # What nobody runs any more would only pile up.
        run = {service.revision for service in known} | self._seen.revisions()
        self._revisions = {arn: revision for arn, revision in self._revisions.items() if arn in run}
        return [(service, unknown.get(service.revision) or self._repositories[service.revision]) for service in known]

    def families(self, globs: Sequence[str]) -> list[str]:
        """The active families whose name any of the globs matches."""
        pages = self._api.pages("ListTaskDefinitionFamilies", "the account", {"families": [str]}, status="ACTIVE")
        return [family for page in pages for family in page["families"] if matches(family, globs)]

    def running(self, services: Iterable[Service]) -> dict[str, Revision | CallError]:
        """The revisions that the services run, by ARN; where ECS refuses one, why."""
        arns = list(dict.fromkeys(service.revision for service in services))
        return dict(zip(arns, self._pool.map(self._try_revision, arns), strict=True))

    def waiting(self, services: Iterable[Service]) -> dict[Target, Reason]:
        """Why services must not be updated now: those that are being rolled back."""
        suspects = [service for service in services if rollouts.is_rolling_out(service.deployments)]
        arns = [service.service_deployment for service in suspects if service.service_deployment]
        batches = list(batched(arns, PER_DESCRIBE))
        status_of = {
            deployment["serviceDeploymentArn"]: deployment["status"]
            for found in self._pool.map(self._try_service_deployments, batches)
            for deployment in found
        }
        return {
            service.target: _ROLLING_BACK
            for service in suspects
            if rollouts.is_rolling_back(service.deployments, status_of.get(service.service_deployment or ""))
        }

    def all_newest(self, families: Iterable[str]) -> dict[str, Revision | EcrDeployError | None]:
        """The newest ACTIVE revision of each family, if it has one; where ECS does not say it, why."""
        families = list(families)
        return dict(zip(families, self._pool.map(self._try_newest, families), strict=True))

    def moved(self, families: Iterable[str]) -> dict[str, tuple[Repository, ...]]:
        """The ECR repositories of the newest revision of each family, as of the last five minutes.

        Of as many families as need not wait for ECS's pace, those first that were not asked for longest.
        """
        now = self._api.pacer.now()
        asked = {family: self._newest.get(family, (-inf, ())) for family in families}
        old = sorted((at, family) for family, (at, _) in asked.items() if at < now - _OUTDATED_SECONDS)
        again = [family for _, family in old[: self._api.pacer.spare("DescribeTaskDefinition")]]
        for family, revision in self.all_newest(again).items():
            self._newest[family] = (now, revision.repositories if isinstance(revision, Revision) else ())
        return {family: self._newest[family][1] for family in asked if family in self._newest}

    def _read(self, query: "_Query") -> Iterator[tuple[Service, bool]]:
        """List services, and describe those that are not known; gives whether each was."""
        if query.is_new:
            self._seen.forget_lists()
        clusters = self.clusters(query.rules)
        described_clusters = self._pool.submit(self._described_clusters, clusters)
        pages = deque(self._pool.submit(self._list_services, query, cluster, _FIRST) for cluster in clusters)
        while pages:
            listing = pages.popleft().result()
            if listing.more:
                pages.append(listing.more)
            described = ((service, True) for batch in listing.batches for service in batch.result())
            for service, is_new in chain(((service, False) for service in listing.known), described):
                cluster = described_clusters.result().get(service.cluster)
                yield (service._replace(cluster_tags=cluster.tags) if cluster else service), is_new

    def _clusters(self) -> list[str]:
        names: list[str] | None = self._seen.listed("clusters")
        if names is None:
            pages = self._api.pages("ListClusters", "clusters", {"clusterArns": [str]})
            names = [_last_part(arn) for page in pages for arn in page["clusterArns"]]
            self._seen.note_listed("clusters", names)
        return names

    def _described_clusters(self, clusters: Sequence[str]) -> dict[str, "Cluster"]:
        """The clusters that there are, by name."""
        found: dict[str, Cluster] | None = self._seen.listed(("described", clusters))
        if found is None:
            found = {}
            for names in batched(clusters, _CLUSTERS_PER_DESCRIBE):
                needs: Shape = {"clusters": [{"clusterName": str, "clusterArn": str, "tags": TAGS}]}
                answer = self._api.call("DescribeClusters", "the clusters", needs, clusters=names, include=["TAGS"])
                for cluster in answer["clusters"]:
                    found[cluster["clusterName"]] = Cluster(cluster["clusterArn"], tags_of(cluster))
            self._seen.note_listed(("described", clusters), found)
        return found

    def _list_services(self, query: "_Query", cluster: str, page: "_Page") -> "_Listing":
        """List a page of a cluster; start to list the next, and to describe its services."""
        names: list[str] | None = None if page.token else self._seen.listed(cluster)
        token = None
        if names is None:
            token, names = self._service_names(cluster, page.token)
            if token is None:
                everyone = [*page.before, *names]
                self._seen.keep(cluster, set(everyone))
                self._seen.note_listed(cluster, everyone)
        reached = [target for name in names if query.rules.reaches(target := Target(cluster, name))]
        known = [query.known[target] for target in reached if target in query.known]
        unknown = [*page.rest, *(target.name for target in reached if target not in query.known)]
        more = None
        if token:
            whole = len(unknown) // _SERVICES_PER_DESCRIBE * _SERVICES_PER_DESCRIBE
            following = _Page(token, (*page.before, *names), unknown[whole:])
            more = self._pool.submit(self._list_services, query, cluster, following)
            unknown = unknown[:whole]
        batches = batched(unknown, _SERVICES_PER_DESCRIBE)
        return _Listing(known, [self._pool.submit(self._describe_services, cluster, batch) for batch in batches], more)

    def _service_names(self, cluster: str, token: str | None) -> tuple[str | None, list[str]]:
        """A page of the names of a cluster's services, and what leads to the next, if there is one."""
        operation, subject = "ListServices", f"cluster {cluster}"
        page: dict[str, Any] = {"nextToken": token} if token else {}
        try:
            answer = self._api.call(
                operation,
                subject,
                {"serviceArns": [str]},
                cluster=cluster,
                maxResults=_SERVICES_PER_PAGE,
                **page,
            )
        except CallError as error:
            if error.code != "ClusterNotFoundException":
                raise
            # One that is gone, or never was, must not keep pushes from all others.
            logger.warning("there is no cluster %s", cluster)
            return None, []
        return next_page(answer, operation, subject), [_last_part(arn) for arn in answer["serviceArns"]]

    def _try_service_deployments(self, arns: list[str]) -> list[dict[str, Any]]:
        try:
            return self._describe_service_deployments(arns)
        except CallError as error:
            # What DescribeServices says of each service has to do.
            if error.code != UNKNOWN_OPERATION:
                raise
            return []

    def _try_service_revisions(self, arns: list[str]) -> dict[str, tuple[Repository, ...]]:
        """The ECR repositories that service revisions run, by the ARN of their task definition; none if refused."""
        try:
            found = self._service_revisions(arns)
        except CallError:
            # Task definitions say the same, one by one.
            return {}
        return {
            revision["taskDefinition"]: images.repositories(
                container["image"] for container in revision["containerImages"]
            )
            for revision in found
            if revision.get("containerImages")
        }

    def _try_newest(self, family: str) -> Revision | EcrDeployError | None:
        try:
            return self.newest(family)
        except EcrDeployError as error:
            return error

    def _try_revision(self, arn: str) -> Revision | CallError:
        try:
            return self.revision(arn)
        except CallError as error:
            return error


class Cluster(NamedTuple):
    """A cluster: its ARN and its tags."""

    arn: str
    tags: Mapping[str, str]


class _Query(NamedTuple):
    """Which services are asked for, and those that need not be described; `is_new` if no earlier list will do."""

    rules: Rules
    known: Mapping[Target, Service]
    is_new: bool


class _Page(NamedTuple):
    """A page of a listing: what leads to it, all names before it, and those of them that are still to be described."""

    token: str | None
    before: Sequence[str]
    rest: Sequence[str]


_FIRST = _Page(None, (), ())


class _Listing(NamedTuple):
    """The services of a page, known or as they are described, and the next page, if there is one."""

    known: list[Service]
    batches: list[Future[list[Service]]]
    more: "Future[_Listing] | None"


def _last_part(arn: str) -> str:
    return arn.rpartition("/")[2]
