"""What can go wrong.

EcrDeployError
├── InvalidImageError      a text is no image reference                (images.py)
├── InvalidEventError      an event is not whole                       (fields.py)
├── InvalidSettingsError   a setting has a value it may not have       (settings.py)
├── InvalidRequestError    an operator asks for what can't be done
├── CallError              AWS refused a call, never answered it, or answered what can't be read
├── OutOfTimeError         the invocation ends before the work does
├── OvertakenError         another writer changed what a target is to run
├── BusyError              another writer works on the family
├── MalformedItemError     an item of the table can't be read
└── RuntimeTooOldError     the boto3 of the runtime lacks what we need
"""

import json
from enum import IntEnum

INCOMPLETE = "IncompleteAnswer"
"""The code of an answer that came whole, but one of whose items lacks a member: it would come so again."""


class Retry(IntEnum):
    """Whether doing the same again can help; of several, the greater speaks for all."""

    NEVER = 0
    LATER = 1
    AT_ONCE = 2


class EcrDeployError(Exception):
    """The base of every error of ours; its text is a sentence or a clause for people."""

    retry = Retry.NEVER
    kind = "invalid"
    """What a reason of this error is called: lower-case words with hyphens."""


class InvalidRequestError(EcrDeployError):
    """A request with a field that is missing, unknown or malformed, or for what can't be done; the message says it."""

    @classmethod
    def of(cls, request: object) -> "InvalidRequestError":
        """Make the error of something that is no request at all."""
        return cls(f"A request must be a JSON object, but it is {json.dumps(request)}.")


class CallError(EcrDeployError):
    """A call that AWS refused, never answered, or answered with what can't be read.

    `operation` is its name as AWS writes it, `code` AWS's error code (or the kind of transport failure), `retry`
    whether the same call could succeed later, `kind` one of `refused`, `denied`, `throttled`, `unreachable` and
    `malformed`.
    """

    def __init__(self, message: str, operation: str, code: str, retry: Retry, kind: str = "refused") -> None:
        super().__init__(message)
        self.kind = kind
        self.operation = operation
        self.code = code
        self.retry = retry


class OutOfTimeError(EcrDeployError):
    """The invocation's time is nearly over; what is done stays, the rest is for the next one."""

    retry = Retry.AT_ONCE
    kind = "out-of-time"

    def __init__(self) -> None:
        super().__init__("the function's time ran out before its turn came")


class OvertakenError(EcrDeployError):
    """Another writer changed an item since it was read: all is to be read and planned again."""

    retry = Retry.LATER
    kind = "overtaken"

    def __init__(self, target: str) -> None:
        super().__init__(f"what is to run on {target} was changed by another writer at the same time")


class BusyError(EcrDeployError):
    """Another writer works on the family."""

    retry = Retry.LATER
    kind = "busy"

    def __init__(self, family: str) -> None:
        super().__init__(f"another deployment of family {family} is under way")


class MalformedItemError(EcrDeployError):
    """An item of the table that can't be read; somebody may have edited it."""

    kind = "malformed"

    def __init__(self, key: str, problem: Exception) -> None:
        super().__init__(f"the item {key} of the table can't be read ({problem!r}): delete it, and it is made anew")


class RuntimeTooOldError(EcrDeployError):
    """The boto3 of the runtime is older than the oldest that we work with; the message names both versions."""

    kind = "runtime"
