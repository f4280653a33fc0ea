"""What ECS answers of a daemon, read into a Service.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DaemonDetail.html
"""

from collections.abc import Mapping
from typing import Any

from ecr_deploy.aws.calls import Api, Maybe, Shape
from ecr_deploy.aws.ecs_services import time_of
from ecr_deploy.core.errors import CallError
from ecr_deploy.core.fleet import DAEMONS, Deployment, Service, Target
from ecr_deploy.core.revisions import DAEMON

REVISION_OF: Shape = {"arn": str, "capacityProviders": Maybe([{"arn": str}])}
REVISION: Shape = {"daemonRevisionArn": str, "daemonTaskDefinitionArn": str}
DEPLOYMENT: Shape = {
    "daemonDeploymentArn": str,
    "status": str,
    "targetDaemonRevision": REVISION_OF,
    "rollback": Maybe({"rollbackTargetDaemonRevisionArn": Maybe(str)}),
    "deploymentConfiguration": Maybe(dict),
}
# What of a daemon's revision an update would reset where it does not repeat it.
_FLAGS = ("propagateTags", "enableECSManagedTags", "enableExecuteCommand", "critical")
# Where a deployment stands, in the words that services have for it.
_ROLLOUT_STATES = {
    "SUCCESSFUL": "COMPLETED",
    "ROLLBACK_SUCCESSFUL": "COMPLETED",
    "ROLLBACK_FAILED": "FAILED",
    "STOPPED": "FAILED",
}
_ROLLS_BACK = ("STOP_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


def arns(api: Api, cluster: str) -> list[str]:
    """The ARNs of the daemons of a cluster, which is given by its own; none where it is gone.

    Raises:
        CallError: ECS refuses or does not answer.
        OutOfTimeError: the invocation would end first.

    """
    subject, needs = f"cluster {cluster.rpartition('/')[2]}", {"daemonSummariesList": [{"daemonArn": str}]}
    try:
        pages = list(api.pages("ListDaemons", subject, needs, clusterArn=cluster))
    except CallError as error:
        if error.code != "ClusterNotFoundException":
            raise
        return []
    return [daemon["daemonArn"] for page in pages for daemon in page["daemonSummariesList"]]


def target(arn: str) -> Target:
    """The daemon as the rules see it."""
    cluster, name = arn.split("/")[-2:]
    return Target(cluster, f"{DAEMON}{name}")


def to_run(daemon: Mapping[str, Any], deployments: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The ARN of the daemon revision that a daemon is to run, or is on its way back to."""
    deployment = deployments.get(daemon.get("deploymentArn") or "")
    if deployment is None:
        # ECS keeps deployments for so long; what has settled says itself.
        return next((str(current["arn"]) for current in daemon.get("currentRevisions") or ()), None)
    back = (deployment.get("rollback") or {}).get("rollbackTargetDaemonRevisionArn")
    return str(back) if back and deployment["status"] in _ROLLS_BACK else str(deployment["targetDaemonRevision"]["arn"])


def service(
    daemon: Mapping[str, Any],
    deployment: Mapping[str, Any] | None,
    revision: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Service:
    """The daemon, of which its newest deployment, where ECS keeps it, and the revision that it is to run are known."""
    where = target(daemon["daemonArn"])
    definition = revision["daemonTaskDefinitionArn"]
    configuration = (deployment or {}).get("deploymentConfiguration")
    repeated = {flag: revision[flag] for flag in _FLAGS if revision.get(flag) is not None}
    repeated |= {"deploymentConfiguration": configuration} if configuration else {}
    repeated["capacityProviderArns"] = _capacity_providers(daemon, deployment, revision["daemonRevisionArn"])
    return Service(
        cluster=where.cluster or "",
        name=where.name,
        arn=daemon["daemonArn"],
        revision=definition,
        controller=DAEMONS,
        tags=tags,
        deployments=(_deployment(deployment, definition),) if deployment else (),
        reverts=True,
        created_at=time_of(daemon.get("createdAt")),
        repeated=repeated,
    )


def _capacity_providers(daemon: Mapping[str, Any], deployment: Mapping[str, Any] | None, revision: str) -> list[str]:
    """The ARNs of the capacity providers of the revision that a daemon is to run; of all that run where it has none."""
    current = daemon.get("currentRevisions") or ()
    details = [*current, *([deployment["targetDaemonRevision"]] if deployment else ())]
    own = [detail for detail in details if detail["arn"] == revision and detail.get("capacityProviders")]
    providers = (provider for detail in own[:1] or details for provider in detail.get("capacityProviders") or ())
    return list(dict.fromkeys(provider["arn"] for provider in providers))


def _deployment(deployment: Mapping[str, Any], definition: str) -> Deployment:
    """The newest deployment of a daemon, in the words that services have for it."""
    status, reason = deployment["status"], reason_of(deployment)
    rollout_state = _ROLLOUT_STATES.get(status, "IN_PROGRESS")
    is_going_back = status in _ROLLS_BACK and rollout_state == "IN_PROGRESS"
    return Deployment(
        deployment["daemonDeploymentArn"],
        definition,
        "PRIMARY",
        rollout_state,
        f"rolling back: {reason}" if is_going_back else reason,
        time_of(deployment.get("createdAt")),
    )


def reason_of(deployment: Mapping[str, Any]) -> str | None:
    """Why a deployment came to what it came to, where ECS says it."""
    return (deployment.get("rollback") or {}).get("reason") or deployment.get("statusReason")
