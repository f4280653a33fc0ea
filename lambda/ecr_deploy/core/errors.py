"""What can go wrong.

EcrDeployError
├── InvalidImageError      a text is no image reference                (images.py)
├── InvalidEventError      an event is not whole                       (events.py)
├── InvalidSettingsError   a setting has a value it may not have       (settings.py)
├── InvalidRequestError    an operator asks for what can't be done
├── CallError              AWS refused a call, or never answered it
└── OutOfTimeError         the invocation ends before the work does
"""

import json
from enum import IntEnum


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
        """Tell that something is no request at all."""
        return cls(f"A request must be a JSON object, but it is {json.dumps(request)}.")


class CallError(EcrDeployError):
    """A call that AWS refused or never answered.

    `operation` is its name as AWS writes it, `code` AWS's error code (or the kind of transport failure),
    `retry` whether the same call could succeed later, `kind` one of `refused`, `denied`, `throttled`, `unreachable`, …
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
