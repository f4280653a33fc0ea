"""ECS with its daemons: each counts as a service whose name begins with `daemon/`, and so does its family.

Daemons have operations of their own for all that services have; who works with services need not know them.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/managed-daemons.html
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from ecr_deploy.aws import ecs_daemons
from ecr_deploy.aws.calls import Api, Maybe, Shape, batched
from ecr_deploy.aws.ecs import PER_DESCRIBE
from ecr_deploy.aws.ecs_fleet import EcsFleet
from ecr_deploy.aws.ecs_services import TAGS, tags_of
from ecr_deploy.aws.known_services import OUTDATED_SECONDS, KnownServices
from ecr_deploy.core.errors import CallError, Retry
from ecr_deploy.core.fleet import Deployment, Service, Target
from ecr_deploy.core.revisions import DAEMON, Revision
from ecr_deploy.core.rules import Rules

_DEFINITION: Shape = {
    "daemonTaskDefinition": {
        "daemonTaskDefinitionArn": str,
        "family": str,
        "revision": int,
        "containerDefinitions": Maybe([{"name": str, "image": str}]),
    }
}


class EcsWithDaemons(EcsFleet):
    """The account's ECS in one region, and all that is in scope there, daemons included."""

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self._seen_daemons = KnownServices(api.pacer.now)
        api.keep_whole("RegisterDaemonTaskDefinition", {"family": "-", "containerDefinitions": []})

    # What is in scope

    def services(self, rules: Rules, since: datetime | None = None) -> Iterator[Service]:
        """All services and daemons that any rule reaches."""
        known = self._seen_daemons.since(since.timestamp()) if since else {}
        daemons = (daemon for daemon, _ in self._read_daemons(rules, known))
        return chain(super().services(rules, since), daemons)

    def known_services(self, rules: Rules) -> Iterator[tuple[Service, bool]]:
        """All services and daemons that any rule reaches, and whether each was described just now."""
        known = self._seen_daemons.since(self._api.pacer.now() - OUTDATED_SECONDS)
        return chain(super().known_services(rules), self._read_daemons(rules, known))

    def service(self, target: Target) -> Service | None:
        """One service or daemon as it is now; None if it is gone."""
        if not target.is_daemon:
            return super().service(target)
        cluster = self._described_clusters((target.cluster or "",)).get(target.cluster or "")
        if cluster is None:
            return None
        arn = f"{cluster.arn.replace(':cluster/', ':daemon/')}/{target.name.removeprefix(DAEMON)}"
        found = self._describe_daemons([arn])
        return found[0]._replace(cluster_tags=cluster.tags) if found else None

    def describe(self, services: Sequence[Service]) -> dict[Target, Service]:
        """Services and daemons as they are now, without those that are gone."""
        daemons = {service.arn: service for service in services if service.target.is_daemon}
        described = super().describe([service for service in services if not service.target.is_daemon])
        for daemon in self._describe_daemons(list(daemons)):
            described[daemon.target] = daemon._replace(cluster_tags=daemons[daemon.arn].cluster_tags)
        return described

    def forget(self, target: Target) -> None:
        """Describe a service or a daemon again when it is next needed: it has changed."""
        super().forget(target)
        self._seen_daemons.forget(target)

    def _read_daemons(self, rules: Rules, known: Mapping[Target, Service]) -> Iterator[tuple[Service, bool]]:
        """The daemons in scope; those that are not known are described, and said to be."""
        clusters = self._described_clusters(self.clusters(rules))
        listed = list(self._pool.map(lambda cluster: ecs_daemons.arns(self._api, cluster.arn), clusters.values()))
        unknown: list[str] = []
        for cluster, arns in zip(clusters, listed, strict=True):
            self._seen_daemons.keep(cluster, {ecs_daemons.target(arn).name for arn in arns})
            for arn in arns:
                target = ecs_daemons.target(arn)
                if target in known:
                    yield known[target]._replace(cluster_tags=clusters[cluster].tags), False
                elif rules.reaches(target):
                    unknown.append(arn)
        for daemon in self._describe_daemons(unknown):
            yield daemon._replace(cluster_tags=clusters[daemon.cluster].tags), True

    def _describe_daemons(self, arns: Sequence[str]) -> list[Service]:
        """The daemons that are ACTIVE, with what they are to run, which only their newest deployments say."""
        found = [daemon for daemon in self._pool.map(self._describe_daemon, arns) if daemon]
        newest = [daemon["deploymentArn"] for daemon in found if daemon.get("deploymentArn")]
        deployments = self._deployments(newest)
        tags = self._pool.map(self._tags, [daemon["daemonArn"] for daemon in found])
        target_of = {daemon["daemonArn"]: ecs_daemons.to_run(daemon, deployments) for daemon in found}
        targets = [arn for arn in dict.fromkeys(target_of.values()) if arn]
        targeted = self._daemon_revisions(targets)
        services = [
            ecs_daemons.service(
                daemon, deployments.get(daemon.get("deploymentArn") or ""), targeted[revision], tags_of(own)
            )
            for daemon, own in zip(found, tags, strict=True)
            if (revision := target_of[daemon["daemonArn"]] or "") in targeted
        ]
        for service in services:
            self._seen_daemons.add(service.cluster, [service.name], [service])
        return services

    def _describe_daemon(self, arn: str) -> dict[str, Any] | None:
        needs: Shape = {
            "daemon": {
                "daemonArn": str,
                "status": str,
                "deploymentArn": Maybe(str),
                "currentRevisions": Maybe([ecs_daemons.REVISION_OF]),
            }
        }
        try:
            answer = self._api.call("DescribeDaemon", ecs_daemons.target(arn).name, needs, daemonArn=arn)
        except CallError as error:
            if error.code != "DaemonNotFoundException":
                raise
            return None
        daemon: dict[str, Any] = answer["daemon"]
        return daemon if daemon["status"] == "ACTIVE" else None

    def _deployments(self, arns: Sequence[str]) -> dict[str, dict[str, Any]]:
        return self._described("DescribeDaemonDeployments", "daemonDeployment", arns, ecs_daemons.DEPLOYMENT)

    def _daemon_revisions(self, arns: Sequence[str]) -> dict[str, dict[str, Any]]:
        return self._described("DescribeDaemonRevisions", "daemonRevision", arns, ecs_daemons.REVISION)

    def _described(self, operation: str, kind: str, arns: Sequence[str], needs: Shape) -> dict[str, dict[str, Any]]:
        """Deployments or revisions of daemons, 20 at a time, by ARN."""
        found: dict[str, dict[str, Any]] = {}
        for batch in batched(arns, PER_DESCRIBE):
            members: dict[str, Any] = {f"{kind}Arns": batch}
            answer = self._api.call(operation, "the daemons", {f"{kind}s": [needs]}, **members)
            found.update({item[f"{kind}Arn"]: item for item in answer[f"{kind}s"]})
        return found

    def _tags(self, arn: str) -> dict[str, Any]:
        """The `tags` of a daemon or of a daemon task definition, which nothing else says."""
        return self._api.call("ListTagsForResource", arn.rpartition(":")[2], {"tags": TAGS}, resourceArn=arn)

    # Rollouts

    def service_deployments(self, service: Service) -> list[Deployment]:
        """The newest deployments of a service or a daemon, newest first."""
        if not service.target.is_daemon:
            return super().service_deployments(service)
        summary: Shape = {"daemonDeploymentArn": str, "targetDaemonRevisionArn": str, "status": str}
        listed = self._api.call(
            "ListDaemonDeployments",
            f"{service.name} in cluster {service.cluster}",
            {"daemonDeployments": [summary]},
            daemonArn=service.arn,
            maxResults=PER_DESCRIBE,
        )["daemonDeployments"]
        arns = [summary["daemonDeploymentArn"] for summary in listed]
        targets = list(dict.fromkeys(summary["targetDaemonRevisionArn"] for summary in listed))
        described = self._deployments(arns)
        revision_of = self._daemon_revisions(targets)
        newest_first = sorted(listed, key=lambda summary: summary.get("createdAt") or 0, reverse=True)
        return [
            Deployment(
                summary["daemonDeploymentArn"],
                revision_of[summary["targetDaemonRevisionArn"]]["daemonTaskDefinitionArn"],
                summary["status"],
                None,
                ecs_daemons.reason_of(described.get(summary["daemonDeploymentArn"], summary)),
            )
            for summary in newest_first
            if summary["targetDaemonRevisionArn"] in revision_of
        ]

    def _update(self, service: Service, revision: Revision, *, force: bool) -> str:
        if not service.target.is_daemon:
            return super()._update(service, revision, force=force)
        subject = f"{service.name} in cluster {service.cluster}"
        if not service.repeated.get("capacityProviderArns"):
            message = f"UpdateDaemon of {subject} needs its capacity providers, which ECS does not say"
            raise CallError(message, "UpdateDaemon", "NoCapacityProviders", Retry.LATER)
        answer = self._api.call(
            "UpdateDaemon",
            subject,
            {"deploymentArn": Maybe(str)},
            daemonArn=service.arn,
            daemonTaskDefinitionArn=revision.arn,
            **service.repeated,
        )
        return answer.get("deploymentArn") or ""

    # Daemon task definitions

    def _list(self, family: str, **page: int) -> Iterator[list[str]]:
        if not family.startswith(DAEMON):
            yield from super()._list(family, **page)
            return
        needs: Shape = {"daemonTaskDefinitions": [{"arn": str}]}
        more: dict[str, Any] = {"status": "ACTIVE", "sort": "DESC", **page}
        of_family = family.removeprefix(DAEMON)
        for answer in self._api.pages("ListDaemonTaskDefinitions", family, needs, family=of_family, **more):
            yield [definition["arn"] for definition in answer["daemonTaskDefinitions"]]

    def _register(
        self, family: str, request: Mapping[str, Any], done: Callable[[], dict[str, Any] | None]
    ) -> dict[str, Any]:
        if not family.startswith(DAEMON):
            return super()._register(family, request, done)
        needs: Shape = {"daemonTaskDefinitionArn": str}
        answer = self._api.call("RegisterDaemonTaskDefinition", family, needs, done=done, **request)
        return answer if "daemonTaskDefinition" in answer else self._describe(answer["daemonTaskDefinitionArn"])

    def _describe(self, name: str) -> dict[str, Any]:
        if not name.startswith(DAEMON) and ":daemon-task-definition/" not in name:
            return super()._describe(name)
        of_family = name.removeprefix(DAEMON)
        answer = self._api.call("DescribeDaemonTaskDefinition", name, _DEFINITION, daemonTaskDefinition=of_family)
        return {**answer, "tags": self._tags(answer["daemonTaskDefinition"]["daemonTaskDefinitionArn"]).get("tags")}
