"""AWS's errors, told apart by their code and put into words for people."""

import re

from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.core.errors import CallError, Retry

THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
_DENIED = frozenset({"AccessDeniedException", "AccessDenied"})
_OVERTAKEN = frozenset({"ConcurrentModificationException", "ConflictException"})
_SERVER_FAULTS = frozenset({"ServerException", "InternalFailure", "InternalError", "ServiceUnavailable"})
_CONCURRENT_REGISTER = "Too many concurrent attempts to create a new revision of the specified family"
# Somebody deregistered a revision before a service got it: planned again, the service gets another one.
_DEREGISTERED = "TaskDefinition is inactive"
_PASS_ROLE = re.compile(r"iam:PassRole on resource: (\S+)")


def explain(error: ClientError | BotoCoreError, operation: str, subject: str) -> CallError:
    """Put a boto3 error into words; `subject` is what the call was about."""
    if not isinstance(error, ClientError):
        return CallError(
            f"{operation} of {subject} got no answer: {error}", operation, type(error).__name__, Retry.LATER
        )
    code = error.response["Error"].get("Code", "")
    detail = error.response["Error"].get("Message", "")
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    if role := _PASS_ROLE.search(detail):
        message = f"the role {role[1]} may not be passed: add it to the module's input pass_role_arns"
        return CallError(message, operation, "PassRole", Retry.NEVER)
    if code in _DENIED:
        message = f"{operation} of {subject} is not allowed: {detail}"
        return CallError(message, operation, code, Retry.NEVER)
    passing = code in THROTTLED | _OVERTAKEN | _SERVER_FAULTS or status >= 500  # noqa: PLR2004
    passing = passing or _CONCURRENT_REGISTER in detail or _DEREGISTERED in detail
    retry = Retry.LATER if passing else Retry.NEVER
    return CallError(f"{operation} of {subject} was refused: {code}: {detail}", operation, code, retry)
