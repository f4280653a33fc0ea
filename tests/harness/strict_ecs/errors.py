"""The errors of Amazon ECS, with its own wording where it is publicly known."""

from __future__ import annotations


class EcsError(Exception):
    """An error that ECS answers: its code, its message and its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members: dict[str, object] = {}
        """What else the answer tells."""


def client(message: str) -> EcsError:
    """ECS's word for nearly everything that is wrong with a task definition."""
    return EcsError("ClientException", message)


def invalid_parameter(message: str) -> EcsError:
    """ECS's word for an argument that is out of bounds."""
    return EcsError("InvalidParameterException", message)


def house_rule(message: str) -> EcsError:
    """A refusal that is ours, not AWS's: the double is stricter than ECS on purpose."""
    return invalid_parameter(f"House rule of the strict ECS double: {message}")


def throttled() -> EcsError:
    """The refusal of an empty token bucket."""
    return EcsError("ThrottlingException", "Rate exceeded")


def cluster_not_found() -> EcsError:
    """No such cluster, or one that was deleted."""
    return EcsError("ClusterNotFoundException", "Cluster not found.")


def service_not_found() -> EcsError:
    """No such service in the cluster."""
    return EcsError("ServiceNotFoundException", "Service not found.")


def service_not_active() -> EcsError:
    """The service was deleted, or is being deleted."""
    return EcsError("ServiceNotActiveException", "Service was not ACTIVE.")


def task_definition_unknown() -> EcsError:
    """DescribeTaskDefinition found nothing."""
    return client("Unable to describe task definition.")


def task_definition_not_found() -> EcsError:
    """UpdateService was given a task definition that does not exist."""
    return client("TaskDefinition not found.")


def task_definition_inactive() -> EcsError:
    """UpdateService was given a revision that was deregistered."""
    return client("TaskDefinition is inactive")


def not_authorized(caller: str, action: str, resource: str) -> EcsError:
    """A refusal of IAM."""
    return EcsError(
        "AccessDeniedException",
        f"User: {caller} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action",
    )
