"""The operations of ECS: a parsed request and the account in, the answer out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import daemons, errors
from .listing import at_most, describe, missing, page, some
from .state import AWAITING, DELETED, Account, Revision, Service, describe_tags
from .tasks import describe_tasks, list_tasks, run_task, stop_task
from .validation import Json, check_tag_count, check_tags, service_model

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DESCRIBED_CLUSTERS = 100
MAX_DESCRIBED_SERVICES = 10
UPDATE_SERVICE_MEMBERS = frozenset({"cluster", "service", "taskDefinition", "forceNewDeployment"})


def list_clusters(account: Account, request: Json) -> Json:
    """Name the ACTIVE clusters."""
    arns = [cluster.arn for cluster in account.clusters.values() if cluster.status == "ACTIVE"]
    return page("clusterArns", arns, request)


def describe_clusters(account: Account, request: Json) -> Json:
    """Describe up to 100 clusters."""
    asked = request.get("clusters") or ["default"]
    at_most(MAX_DESCRIBED_CLUSTERS, asked, "clusters")
    with_tags = _includes_tags(request)
    clusters, failures = [], []
    for identifier in asked:
        name = identifier.removeprefix(f"{account.prefix}cluster/")
        if name in account.clusters:
            clusters.append(account.clusters[name].describe(with_tags=with_tags))
        else:
            failures.append(missing(f"{account.prefix}cluster/{name}"))
    return {"clusters": clusters, "failures": failures}


def list_services(account: Account, request: Json) -> Json:
    """Name the services of a cluster that are not deleted, 10 to a page unless told otherwise."""
    cluster = account.cluster(request.get("cluster"))
    arns = [
        service.arn
        for service in cluster.services.values()
        if service.status != "INACTIVE" and _matches_filters(service, request)
    ]
    return page("serviceArns", arns, request, default_size=10)


def _matches_filters(service: Service, request: Json) -> bool:
    filters = ("launchType", "schedulingStrategy", "resourceManagementType")
    asked = {name: request[name] for name in filters if request.get(name)}
    # To describe every service for every page would slow down what is measured on the double.
    described = service.describe(with_tags=False) if asked else {}
    return all(described.get(name) == value for name, value in asked.items())


def describe_services(account: Account, request: Json) -> Json:
    """Describe up to 10 services, deleted ones too. AWS promises no order, so it is not the order of the request."""
    cluster = account.cluster(request.get("cluster"))
    some("Services", request["services"])
    at_most(MAX_DESCRIBED_SERVICES, request["services"], "service names")
    with_tags = _includes_tags(request)
    services, failures = [], []
    for identifier in reversed(request["services"]):
        service = account.service(cluster, identifier)
        if service is None:
            failures.append(missing(service_arn(account, request, identifier)))
        else:
            services.append(service.describe(with_tags=with_tags))
    return {"services": services, "failures": failures}


def update_service(account: Account, request: Json) -> Json:
    """Give a service another revision, or the same once more. Anything else would reset what the owner set."""
    foreign = sorted(request.keys() - UPDATE_SERVICE_MEMBERS)
    if foreign:
        message = f"UpdateService must not be given {', '.join(foreign)}."
        raise errors.house_rule(message)
    service = account.service(account.cluster(request.get("cluster")), request["service"])
    if service is None:
        raise errors.service_not_found()
    if service.status != "ACTIVE":
        raise errors.service_not_active()
    force = request.get("forceNewDeployment") or False
    _check_controller(service, request, force=force)
    if request.get("taskDefinition"):
        revision = account.launchable(request["taskDefinition"])
        if force or revision.arn != service.task_definition:
            account.deploy(service, revision)
    elif force:
        # The revision that a service runs already may be INACTIVE.
        account.deploy(service, _known_revision(account, service.task_definition or ""))
    return {"service": service.describe(with_tags=False)}


def update_express_gateway_service(account: Account, request: Json) -> Json:
    """Give a service in Express Mode another revision; one that it runs already begins no deployment."""
    foreign = sorted(request.keys() - {"serviceArn", "taskDefinitionArn"})
    if foreign:
        message = f"UpdateExpressGatewayService must not be given {', '.join(foreign)}."
        raise errors.house_rule(message)
    service = next((service for service in account.services() if service.arn == request["serviceArn"]), None)
    if service is None:
        raise errors.service_not_found()
    if service.status != "ACTIVE":
        raise errors.service_not_active()
    if not service.is_express:
        message = "The service is not an Express Gateway service."
        raise errors.invalid_parameter(message)
    revision = account.launchable(request["taskDefinitionArn"])
    if revision.arn != service.task_definition:
        account.deploy(service, revision)
    outline = {"serviceArn": service.arn, "cluster": service.cluster.name, "serviceName": service.name}
    return {"service": {**outline, "targetConfiguration": {"taskDefinitionArn": revision.arn}}}


def _check_controller(service: Service, request: Json, *, force: bool) -> None:
    if service.is_express:
        # The wording is not publicly known.
        message = "The service is managed by Amazon ECS: use UpdateExpressGatewayService."
        raise errors.invalid_parameter(message)
    if service.controller in (None, "ECS"):
        return
    remedy = "Use AWS CodeDeploy to trigger a new deployment." if service.controller == "CODE_DEPLOY" else ""
    # The wording for EXTERNAL is not publicly known; this is the one for CODE_DEPLOY without its remedy.
    where = f"on services with a {service.controller} deployment controller. {remedy}".rstrip()
    if request.get("taskDefinition"):
        message = f"Unable to update task definition {where}"
        raise errors.invalid_parameter(message)
    if force:
        message = f"Unable to force a new deployment {where}"
        raise errors.invalid_parameter(message)


def register_task_definition(account: Account, request: Json) -> Json:
    """Make the next revision of a family, of the JSON as it came."""
    definition = {name: value for name, value in request.items() if name != "tags"}
    revision = account.register(definition, request.get("tags"), owner=False)
    answer = {"taskDefinition": revision.describe()}
    return {**answer, "tags": describe_tags(revision.tags)} if revision.tags else answer


def describe_task_definition(account: Account, request: Json) -> Json:
    """Describe a revision; its tags only where they are asked for."""
    revision = _known_revision(account, request["taskDefinition"])
    answer = {"taskDefinition": revision.describe()}
    return {**answer, "tags": describe_tags(revision.tags)} if _includes_tags(request) else answer


def deregister_task_definition(account: Account, request: Json) -> Json:
    """Make a revision INACTIVE. It must be named exactly."""
    revision = _known_revision(account, request["taskDefinition"])
    if not request["taskDefinition"].endswith(f":{revision.number}"):
        message = "Invalid revision number. Number: null"
        raise errors.client(message)
    revision.status, revision.deregistered_at = "INACTIVE", account.clock.time()
    return {"taskDefinition": revision.describe()}


def list_task_definitions(account: Account, request: Json) -> Json:
    """Name the revisions of one family, or of all."""
    status, family = request.get("status") or "ACTIVE", request.get("familyPrefix")
    arns = [
        revision.arn
        for name in sorted(account.families)
        if family in (None, name)
        for revision in account.families[name]
        if revision.status == status
    ]
    return page("taskDefinitionArns", arns[::-1] if request.get("sort") == "DESC" else arns, request)


def list_task_definition_families(account: Account, request: Json) -> Json:
    """Name the families, by default those without an ACTIVE revision too."""
    status, prefix = request.get("status") or "ALL", request.get("familyPrefix") or ""
    families = [
        name
        for name in sorted(account.families)
        if any(revision.status != DELETED for revision in account.families[name])
        if name.startswith(prefix) and status in ("ALL", _family_status(account.families[name]))
    ]
    return page("families", families, request)


def _family_status(revisions: list[Revision]) -> str:
    return "ACTIVE" if any(revision.status == "ACTIVE" for revision in revisions) else "INACTIVE"


def list_tasks_by_page(account: Account, request: Json) -> Json:
    """Name the tasks of a cluster."""
    return page("taskArns", list_tasks(account, request), request)


def list_tags_for_resource(account: Account, request: Json) -> Json:
    """Give the tags of a cluster, a service or a revision."""
    tags = _tags_of(account, request["resourceArn"])
    if tags is None:
        message = "The specified resource was not found."
        raise errors.invalid_parameter(message)
    return {"tags": describe_tags(tags)}


def tag_resource(account: Account, request: Json) -> Json:
    """Add tags to a cluster, a service or a revision."""
    tags = _tags_of(account, request["resourceArn"])
    if tags is None:
        code, message = "ResourceNotFoundException", "The specified resource was not found."
        raise errors.EcsError(code, message)
    new = check_tags(request["tags"])
    check_tag_count({**tags, **new})
    tags.update(new)
    return {}


def untag_resource(account: Account, request: Json) -> Json:
    """Remove tags from a cluster, a service or a revision."""
    tags = _tags_of(account, request["resourceArn"])
    if tags is None:
        code, message = "ResourceNotFoundException", "The specified resource was not found."
        raise errors.EcsError(code, message)
    for key in request["tagKeys"]:
        tags.pop(key, None)
    return {}


def _tags_of(account: Account, arn: str) -> dict[str, str] | None:
    for cluster in account.clusters.values():
        if cluster.arn == arn:
            return cluster.tags
    for service in account.services():
        if service.arn == arn:
            if not service.is_taggable:
                message = "Long arn format must be used for tagging operations"
                raise errors.invalid_parameter(message)
            return service.tags
    if arn in account.daemons:
        return account.daemons[arn].tags
    if ":daemon-task-definition/" in arn:
        return daemons.definition_of(account, arn).tags
    revision = account.revision(arn) if ":task-definition/" in arn else None
    return None if revision is None else revision.tags


def describe_service_revisions(account: Account, request: Json) -> Json:
    """Describe up to 20 service revisions, with the digests that run."""
    known = {
        deployment.target.arn: (service, deployment.target)
        for service in account.services()
        if service.has_revisions
        for deployment in service.deployments
    }
    return describe("serviceRevisions", "serviceRevisionArns", request, known, Service.describe_revision)


def list_service_deployments(account: Account, request: Json) -> Json:
    """Outline the deployments of a service, the newest first."""
    service = account.service(account.cluster(request.get("cluster")), request["service"])
    if service is None:
        raise errors.service_not_found()
    if service.controller not in (None, "ECS"):
        code, message = "UnsupportedFeatureException", "The deployment controller has no service deployments."
        raise errors.EcsError(code, message)
    created = request.get("createdAt") or {}
    outlines = [
        service.describe_deployment_briefly(deployment)
        for deployment in reversed(service.deployments if service.has_revisions else [])
        if not request.get("status") or deployment.status in request["status"]
        if created.get("after", 0) <= deployment.started_at <= created.get("before", float("inf"))
    ]
    return page("serviceDeployments", outlines, request)


def describe_service_deployments(account: Account, request: Json) -> Json:
    """Describe up to 20 deployments of services."""
    known = {
        deployment.arn: (service, deployment)
        for service in account.services()
        if service.has_revisions
        for deployment in service.deployments
    }
    return describe("serviceDeployments", "serviceDeploymentArns", request, known, Service.describe_deployment)


def stop_service_deployment(account: Account, request: Json) -> Json:
    """Begin to take a running deployment back to what the service ran before."""
    arn = request["serviceDeploymentArn"]
    service = next((one for one in account.services() if any(item.arn == arn for item in one.deployments)), None)
    if service is None:
        code, message = "ServiceDeploymentNotFoundException", "The service deployment doesn't exist."
        raise errors.EcsError(code, message)
    if service.deployments[-1].arn != arn or service.deployments[-1].status != "IN_PROGRESS":
        code, message = "ConflictException", "The service deployment is not in progress."
        raise errors.EcsError(code, message)
    if request.get("stopType", "ROLLBACK") != "ROLLBACK":
        message = "A deployment is only ever stopped to go back."
        raise errors.house_rule(message)
    account.move_deployment(service, "ROLLBACK_IN_PROGRESS", None)
    return {"serviceDeploymentArn": arn}


def continue_service_deployment(account: Account, request: Json) -> Json:
    """Let a deployment that waits at a PAUSE hook go on, or roll back.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContinueServiceDeployment.html
    """
    arn = request["serviceDeploymentArn"]
    service = next((one for one in account.services() if any(item.arn == arn for item in one.deployments)), None)
    if service is None:
        code, message = "ServiceDeploymentNotFoundException", "The service deployment doesn't exist."
        raise errors.EcsError(code, message)
    deployment = service.deployments[-1]
    waits = deployment.arn == arn and deployment.status == "IN_PROGRESS" and deployment.hooks
    hook = deployment.hooks[-1] if waits else {}
    if hook.get("status") != AWAITING or hook["hookId"] != request["hookId"]:
        message = "The service deployment does not wait at this hook."
        raise errors.invalid_parameter(message)
    account.end_hook(service, hook, "SUCCEEDED", request.get("action") or "CONTINUE")
    return {"serviceDeploymentArn": arn}


def service_arn(account: Account, request: Json, identifier: str) -> str:
    """Give the ARN of a service, of one that does not exist, too."""
    if identifier.startswith("arn:"):
        return identifier
    cluster = (request.get("cluster") or "default").removeprefix(f"{account.prefix}cluster/")
    if cluster in account.clusters and identifier in account.clusters[cluster].services:
        return account.clusters[cluster].services[identifier].arn
    return f"{account.prefix}service/{cluster}/{identifier}"


def _known_revision(account: Account, identifier: str) -> Revision:
    revision = account.revision(identifier)
    if revision is None:
        raise errors.task_definition_unknown()
    return revision


def _includes_tags(request: Json) -> bool:
    return "TAGS" in (request.get("include") or [])


_OPERATIONS: dict[str, Callable[[Account, Json], Json]] = {
    **daemons.OPERATIONS,
    "ContinueServiceDeployment": continue_service_deployment,
    "DeregisterTaskDefinition": deregister_task_definition,
    "DescribeClusters": describe_clusters,
    "DescribeServiceDeployments": describe_service_deployments,
    "DescribeServiceRevisions": describe_service_revisions,
    "DescribeServices": describe_services,
    "DescribeTaskDefinition": describe_task_definition,
    "DescribeTasks": describe_tasks,
    "ListClusters": list_clusters,
    "ListServiceDeployments": list_service_deployments,
    "ListServices": list_services,
    "ListTagsForResource": list_tags_for_resource,
    "ListTaskDefinitionFamilies": list_task_definition_families,
    "ListTaskDefinitions": list_task_definitions,
    "ListTasks": list_tasks_by_page,
    "RegisterTaskDefinition": register_task_definition,
    "RunTask": run_task,
    "StopServiceDeployment": stop_service_deployment,
    "StopTask": stop_task,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "UpdateExpressGatewayService": update_express_gateway_service,
    "UpdateService": update_service,
}
# A botocore that is older than an operation can't call it, and has no model to hold it against.
OPERATIONS = {name: perform for name, perform in _OPERATIONS.items() if name in service_model().operation_names}
DEPLOYMENT_OPERATIONS = frozenset(
    {
        "DescribeServiceDeployments",
        "DescribeServiceRevisions",
        "ListServiceDeployments",
        "StopServiceDeployment",
    }
)
"""What a role or a region of before 2025 may lack."""
WRITES = frozenset(
    {
        "ContinueServiceDeployment",
        "DeregisterTaskDefinition",
        "RegisterDaemonTaskDefinition",
        "RegisterTaskDefinition",
        "RunTask",
        "StopServiceDeployment",
        "StopTask",
        "TagResource",
        "UntagResource",
        "UpdateDaemon",
        "UpdateExpressGatewayService",
        "UpdateService",
    }
)
