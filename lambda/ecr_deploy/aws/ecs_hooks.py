"""ECS: the PAUSE hooks of service deployments.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html
"""

from datetime import datetime
from typing import Literal, NamedTuple

from ecr_deploy.aws import ecs_services
from ecr_deploy.aws.calls import UNKNOWN_OPERATION, Api, Maybe, Shape
from ecr_deploy.core.errors import CallError, EcrDeployError
from ecr_deploy.core.fleet import Service

Action = Literal["CONTINUE", "ROLLBACK"]

_DEPLOYMENT: Shape = {"serviceDeploymentArn": str, "lifecycleHookDetails": Maybe([dict])}


class Hook(NamedTuple):
    """A hook at which a service deployment (an ARN) awaits an action, until `expires_at` at the latest."""

    id: str
    deployment: str
    stage: str | None
    expires_at: datetime | None
    timeout_action: str | None

    def __str__(self) -> str:
        """Say what it waits for."""
        stage = f" at {self.stage}" if self.stage else ""
        until = f"; at {self.expires_at:%Y-%m-%dT%H:%M:%SZ} ECS does {self.timeout_action}" if self.expires_at else ""
        return f"the deployment is paused{stage} until somebody approves or rejects it{until}"


class Pauses(NamedTuple):
    """The hook that a service's deployment awaits an action at; if it went on, when that was."""

    hook: Hook | None = None
    went_on_at: datetime | None = None


class TooOldError(EcrDeployError):
    """The runtime's botocore does not know the operation."""


def read(api: Api, service: Service) -> Pauses:
    """The pauses of a service's newest deployment; none where ECS keeps no service deployments.

    Raises:
        CallError: ECS refuses or does not answer.
        OutOfTimeError: the invocation would end first.

    """
    if service.service_deployment is None:
        return Pauses()
    try:
        [*described] = api.call(
            "DescribeServiceDeployments",
            f"service {service.name} in cluster {service.cluster}",
            {"serviceDeployments": [_DEPLOYMENT]},
            serviceDeploymentArns=[service.service_deployment],
        )["serviceDeployments"]
    except CallError as error:
        if error.code != UNKNOWN_OPERATION:
            raise
        return Pauses()
    for deployment in described:
        hooks = [hook for hook in deployment.get("lifecycleHookDetails") or () if hook.get("targetType") == "PAUSE"]
        for hook in hooks:
            if hook.get("status") == "AWAITING_ACTION":
                arn, stage = deployment["serviceDeploymentArn"], deployment.get("lifecycleStage")
                expires_at = ecs_services.time_of(hook.get("expiresAt"))
                return Pauses(Hook(hook["hookId"], arn, stage, expires_at, hook.get("timeoutAction")))
        if hooks:
            # ECS does not say when a hook ended.
            return Pauses(went_on_at=ecs_services.time_of(deployment.get("updatedAt")))
    return Pauses()


def act(api: Api, hook: Hook, action: Action) -> None:
    """Let a paused deployment go on, or roll back.

    Raises:
        TooOldError: the runtime's botocore does not know how.
        CallError: ECS refuses or does not answer.
        OutOfTimeError: the invocation would end first.

    """
    try:
        api.call(
            "ContinueServiceDeployment",
            hook.deployment,
            {},
            serviceDeploymentArn=hook.deployment,
            hookId=hook.id,
            action=action,
        )
    except CallError as error:
        if error.code != UNKNOWN_OPERATION:
            raise
        message = (
            f"The runtime's boto3 is too old for ContinueServiceDeployment: {action.lower()} the deployment in the "
            f"console of ECS, hook {hook.id}, or choose a newer runtime."
        )
        raise TooOldError(message) from error
