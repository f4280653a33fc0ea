"""What DescribeServices answers of a service, read into a Service."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ecr_deploy.aws.calls import Maybe, Shape, lacking, whole_items
from ecr_deploy.core import records
from ecr_deploy.core.fleet import CODE_DEPLOY, EXPRESS_MODE, Deployment, Service, TaskSet

TAGS = Maybe([{"key": str}])
_SERVICE: Shape = {
    "serviceName": str,
    "serviceArn": str,
    "taskDefinition": str,
    "tags": TAGS,
    "currentServiceRevisions": Maybe([{"arn": str}]),
    "deployments": Maybe([{"id": str, "taskDefinition": str, "status": str}]),
    "taskSets": Maybe([{"taskDefinition": str, "status": str}]),
    "loadBalancers": Maybe([dict]),
    "deploymentConfiguration": Maybe({"deploymentCircuitBreaker": Maybe(dict), "alarms": Maybe(dict)}),
    "deploymentController": Maybe(dict),
}


def whole(services: Iterable[dict[str, Any]], cluster: str) -> Iterator[dict[str, Any]]:
    """The services that have all that we need."""
    return whole_items(services, _SERVICE, "DescribeServices", f"the services of cluster {cluster}")


def tags_of(resource: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a service or a cluster."""
    return {tag["key"]: tag.get("value") or "" for tag in resource.get("tags") or ()}


def read(cluster: str, service: Mapping[str, Any]) -> Service:
    """The service, which must be whole."""
    controller, runs = _controller(service), _primary_task_set(service)
    return Service(
        cluster=cluster,
        name=service["serviceName"],
        arn=service["serviceArn"],
        revision=runs["taskDefinition"],
        controller=controller,
        tags=tags_of(service),
        service_revisions=tuple(revision["arn"] for revision in service.get("currentServiceRevisions") or ()),
        deployments=tuple(_deployment(deployment) for deployment in service.get("deployments") or ()),
        task_sets=tuple(task_set["taskDefinition"] for task_set in service.get("taskSets") or ()),
        service_deployment=service.get("currentServiceDeployment"),
        reverts=controller == CODE_DEPLOY or _reverts(service.get("deploymentConfiguration") or {}),
        task_set=_task_set(service, runs) if controller == CODE_DEPLOY else None,
        created_at=time_of(service.get("createdAt")),
    )


def _primary_task_set(service: Mapping[str, Any]) -> Mapping[str, Any]:
    """What takes the traffic of a service that CodeDeploy rolls out; the service itself where it has no task sets.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskSet.html
    """
    return next((task_set for task_set in service.get("taskSets") or () if task_set["status"] == "PRIMARY"), service)


def _task_set(service: Mapping[str, Any], runs: Mapping[str, Any]) -> TaskSet | None:
    balancer = next(iter(service.get("loadBalancers") or runs.get("loadBalancers") or ()), None)
    if balancer is None or lacking(balancer, {"containerName": str, "containerPort": int}):
        return None
    providers = tuple(runs.get("capacityProviderStrategy") or ())
    return TaskSet(balancer["containerName"], balancer["containerPort"], runs.get("platformVersion"), providers)


def _deployment(deployment: Mapping[str, Any]) -> Deployment:
    return Deployment(
        deployment["id"],
        deployment["taskDefinition"],
        deployment["status"],
        deployment.get("rolloutState"),
        deployment.get("rolloutStateReason"),
        time_of(deployment.get("createdAt")),
    )


def time_of(value: object) -> datetime | None:
    """A time as ECS writes it: seconds since the epoch; None where there is none."""
    if isinstance(value, datetime):
        return records.to_milliseconds(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return records.to_milliseconds(datetime.fromtimestamp(value, UTC)) if is_number else None  # type: ignore[arg-type]


def _reverts(configuration: Mapping[str, Any]) -> bool:
    """Whether the circuit breaker or an alarm takes a failed rollout back."""
    guards = (configuration.get("deploymentCircuitBreaker") or {}, configuration.get("alarms") or {})
    return any(guard.get("enable") and guard.get("rollback") for guard in guards)


def _controller(service: Mapping[str, Any]) -> str:
    if service.get("resourceManagementType") == "ECS":
        return EXPRESS_MODE
    return str((service.get("deploymentController") or {}).get("type") or "ECS")
