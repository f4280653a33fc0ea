"""What can go wrong with a call, on purpose."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from . import errors
from .listing import missing
from .operations import OPERATIONS, service_arn

if TYPE_CHECKING:
    from .state import Account
    from .validation import Json


class Died(BaseException):
    """The process that makes the calls is dead. No `except Exception` of the product may bring it back."""


class ConnectionReset(Exception):  # noqa: N818 - named for what the transports make of it
    """The connection was lost before the operation was performed."""


class AnswerLost(Exception):  # noqa: N818 - named for what the transports make of it
    """The operation was performed, but its answer never arrives."""


class Fault(enum.Enum):
    """One way for a call to fail."""

    THROTTLING = "throttling"
    INTERNAL = "internal"
    CONNECTION_RESET = "connection_reset"
    TIMEOUT_AFTER_WRITE = "timeout_after_write"
    MALFORMED = "malformed"
    ACCESS_DENIED = "access_denied"
    PASS_ROLE_DENIED = "pass_role_denied"  # noqa: S105 - no password
    MISSING = "missing"
    INACTIVE = "inactive"
    CONCURRENT_REGISTER = "concurrent_register"

    def can_hit(self, operation: str) -> bool:
        """Whether ECS could answer this operation so."""
        return operation in _OPERATIONS_OF.get(self, OPERATIONS.keys())


_LISTS_FAILURES = frozenset(
    {"DescribeClusters", "DescribeServices", "DescribeServiceRevisions", "DescribeServiceDeployments"}
)
_OPERATIONS_OF: dict[Fault, frozenset[str]] = {
    Fault.PASS_ROLE_DENIED: frozenset({"RegisterTaskDefinition"}),
    Fault.MISSING: _LISTS_FAILURES
    | {"ListServices", "UpdateService", "DescribeTaskDefinition", "DeregisterTaskDefinition", "ListServiceDeployments"},
    Fault.INACTIVE: frozenset({"DescribeTaskDefinition", "UpdateService"}),
    Fault.CONCURRENT_REGISTER: frozenset({"RegisterTaskDefinition"}),
}


F = TypeVar("F", bound=enum.Enum)


@dataclass
class Injection(Generic[F]):
    """A fault that waits for the nth call of an operation from now, and then hits so many calls in a row."""

    operation: str
    fault: F
    skip: int
    times: int

    def is_due(self) -> bool:
        """Count a call of the operation, and tell whether it may be hit."""
        if self.skip > 0:
            self.skip -= 1
            return False
        return self.times > 0

    def hit(self) -> F:
        """Use the fault up once."""
        self.times -= 1
        return self.fault


@dataclass(frozen=True)
class Denial:
    """Operations that are refused, for one cluster or service or for all: by IAM, or because a region lacks them."""

    operations: frozenset[str]
    cluster: str | None
    service: str | None
    unknown: bool

    def check(self, account: Account, operation: str, request: Json) -> None:
        """Refuse a call that is denied."""
        if operation not in self.operations or not self._covers(account, request):
            return
        if self.unknown:
            code = "UnknownOperationException"
            raise errors.EcsError(code, operation)
        raise errors.not_authorized(account.caller, f"ecs:{operation}", _resource(account, request))

    def _covers(self, account: Account, request: Json) -> bool:
        asked = [request.get("service"), *(request.get("services") or ())]
        asked += request.get("serviceDeploymentArns") or request.get("serviceRevisionArns") or ()
        asked.append(request.get("serviceDeploymentArn"))
        cluster = str(request.get("cluster") or "default").removeprefix(f"{account.prefix}cluster/")
        # A deployment's or service revision's ARN ends in cluster/service/id, a service's in its name.
        paths = [text.partition("/")[2] or text for text in asked if text]
        named = [path.split("/") if path.count("/") == 2 else [cluster, path.rpartition("/")[2]] for path in paths]
        return any(
            self.cluster in (None, of_cluster) and self.service in (None, of_service)
            for of_cluster, of_service, *_ in named or [[cluster, ""]]
        )


def due_fault(injections: list[Injection[F]], operation: str) -> F | None:
    """Let every injection count the call. Of those that are due the oldest hits, the others wait for the next."""
    due = [injection for injection in injections if injection.operation == operation and injection.is_due()]
    return due[0].hit() if due else None


def refuse(fault: Fault, account: Account, operation: str, request: Json) -> Json | None:
    """Raise the error of a fault that ECS answers itself, or give its answer; None where the operation goes on."""
    match fault:
        case Fault.THROTTLING:
            raise errors.throttled()
        case Fault.INTERNAL:
            code, message = "ServerException", "Service Unavailable. Please try again later."
            raise errors.EcsError(code, message, status=500)
        case Fault.CONNECTION_RESET:
            raise ConnectionReset
        case Fault.ACCESS_DENIED:
            raise errors.not_authorized(account.caller, f"ecs:{operation}", _resource(account, request))
        case Fault.PASS_ROLE_DENIED:
            role = request.get("executionRoleArn") or request.get("taskRoleArn") or "*"
            raise errors.not_authorized(account.caller, "iam:PassRole", role)
        case Fault.CONCURRENT_REGISTER:
            message = "Too many concurrent attempts to create a new revision of the specified family."
            raise errors.client(message)
        case Fault.MISSING:
            return _missing(account, operation, request)
        case Fault.INACTIVE if operation == "UpdateService":
            raise errors.task_definition_inactive()
        case _:
            return None


def _missing(account: Account, operation: str, request: Json) -> Json:
    match operation:
        case "DescribeServices":
            arns = [service_arn(account, request, identifier) for identifier in request["services"]]
            return {"services": [], "failures": [missing(arn) for arn in arns]}
        case "DescribeClusters":
            return {"clusters": [], "failures": [missing(name) for name in request.get("clusters") or ["default"]]}
        case "DescribeServiceRevisions":
            return {"serviceRevisions": [], "failures": [missing(arn) for arn in request["serviceRevisionArns"]]}
        case "DescribeServiceDeployments":
            return {"serviceDeployments": [], "failures": [missing(arn) for arn in request["serviceDeploymentArns"]]}
        case "UpdateService" | "ListServiceDeployments":
            raise errors.service_not_found()
        case "ListServices":
            raise errors.cluster_not_found()
        case _:
            raise errors.task_definition_unknown()


def _resource(account: Account, request: Json) -> str:
    """Name the resource as IAM does: `*` for the operations that know no resource."""
    if "service" in request:
        return service_arn(account, request, request["service"])
    if request.get("services"):
        return service_arn(account, request, request["services"][0])
    if "family" in request:
        return f"{account.prefix}task-definition/{request['family']}:*"
    return str(request.get("resourceArn", "*"))
