"""Calls of AWS: one way to make them, to turn their pages, and to put what goes wrong into words."""

import logging
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeAlias, TypeVar

import botocore
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from ecr_deploy.aws import raw_json, trust
from ecr_deploy.aws.pacing import CONNECT_SECONDS, READ_SECONDS, Pacer
from ecr_deploy.core.errors import INCOMPLETE, CallError, Retry, RuntimeTooOldError

logger = logging.getLogger("ecr_deploy")

# Calls in flight at once. Enough to use up a burst of 100 within a few round trips.
WORKERS = 32
# Ours are the retries (see `Api.call`): a RegisterTaskDefinition repeated blindly would make a second revision.
CONFIG = Config(
    retries={"total_max_attempts": 1},
    max_pool_connections=WORKERS,
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
)
# Of a client that makes one call at a time.
SMALL_CONFIG = CONFIG.merge(Config(max_pool_connections=1))
# The first botocore whose hook `before-parse` may answer in place of its own parser.
# https://github.com/boto/botocore/blob/develop/CHANGELOG.rst
_OLDEST = (1, 35, 16)

# What passes by itself, as the SDK itself defines it; a test holds both against botocore.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
THROTTLING = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
TRANSIENT = frozenset({"IDPCommunicationError", "RequestTimeout", "RequestTimeoutException"})
# Mended by what comes next: fresh credentials, a clock set right, whoever was quicker done.
_PASSING = frozenset(
    {
        "ConcurrentModificationException",
        "ConflictException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_PASSING_MESSAGES = (
    "Too many concurrent attempts to create a new revision of the specified family",
    # Somebody deregistered a revision before a service got it: planned again, the service gets another one.
    "TaskDefinition is inactive",
)
_TOO_MANY_REQUESTS, _SERVER_FAULT = 429, 500

_MOST_FAULTS = 6
_LONGEST_PAUSE = 20.0

UNKNOWN_OPERATION = "UnknownOperation"
"""The code of an operation that the runtime's boto3 is too old for: a refusal, for which there is another way."""

_NAMES = ("serviceName", "serviceArn", "Name", "Id", "Arn")

# What botocore's own parsers raise on answers that nobody foresaw.
_UNREADABLE = (ResponseParserError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

_Item = TypeVar("_Item")


class Maybe(NamedTuple):
    """A member of an answer that may be missing, or null."""

    shape: "Shape"


# What an answer must have: the type of a value, the members of an object, or what each item of a list must be.
Shape: TypeAlias = "type | Maybe | Mapping[str, Shape] | Sequence[Shape]"


def check_runtime(version: str = botocore.__version__) -> None:
    """Check that the runtime's botocore is new enough.

    Raises:
        RuntimeTooOldError: it is not.

    """
    if tuple(int(number) for number in re.findall(r"\d+", version)[:3]) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        message = f"ecr-deploy needs boto3 {oldest} or newer, but this runtime has {version}: choose a newer runtime."
        raise RuntimeTooOldError(message)


def batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of so many items, each as soon as it is full; `itertools` has it from Python 3.12 on."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def whole_items(items: Iterable[_Item], shape: Shape, operation: str, subject: str) -> Iterator[_Item]:
    """The items of an answer that have what we need; the log names the others: one must not keep us from all."""
    for item in items:
        if path := lacking(item, shape):
            named = item if isinstance(item, Mapping) else {}
            name = next((named[key] for key in _NAMES if named.get(key)), "without a name")
            logger.warning("skipped one of %s, %s: %s answered it without %s", subject, name, operation, path)
        else:
            yield item


def lacking(value: object, shape: Shape, path: str = "") -> str | None:
    """The path of the first member that is missing or of another type than the shape says; None if all are right."""
    if isinstance(shape, Maybe):
        return None if value is None else lacking(value, shape.shape, path)
    if isinstance(shape, type):
        return None if isinstance(value, shape) else path or "members"
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            return path or "members"
        found = (lacking(value.get(name), inner, f"{path}.{name}" if path else name) for name, inner in shape.items())
    else:
        if not isinstance(value, list):
            return path or "members"
        [inner] = shape
        found = (lacking(item, inner, f"{path}[{index}]") for index, item in enumerate(value))
    return next((member for member in found if member), None)


class Api:
    """One of AWS's services in one region; its client is made when it is first needed."""

    def __init__(self, make_client: Callable[[], Any], pacer: Pacer) -> None:
        self._make_client = make_client
        self.pacer = pacer
        self._client: Any = None
        self._whole: list[tuple[str, Mapping[str, Any]]] = []
        # Several threads may need it first.
        self._lock = threading.Lock()

    @property
    def client(self) -> Any:
        """The boto3 client."""
        with self._lock:
            if self._client is None:
                client = trust.share(self._make_client())
                for operation, least in self._whole:
                    raw_json.keep_whole(client, operation, least)
                self._client = client
            return self._client

    def connect(self) -> None:
        """Make the client now."""
        _ = self.client

    def keep_whole(self, operation: str, least: Mapping[str, Any]) -> None:
        """Keep all members of answers, and of the requests of an operation; see `raw_json`."""
        self._whole.append((operation, least))

    def call(
        self,
        operation: str,
        subject: str,
        needs: Shape,
        *,
        done: Callable[[], dict[str, Any] | None] = lambda: None,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Call an operation until it succeeds or trying again can't help.

        `operation` is its name as AWS writes it, `subject` what it is about, for messages; `needs` is what its answer
        must have. `done` answers for the operation if a try that seemed to fail went through all the same.

        Raises:
            CallError: AWS refuses, does not answer, or answers without what is needed.
            OutOfTimeError: the call could end after the deadline.

        """
        tries = faults = 0
        while True:
            try:
                return self.call_once(operation, subject, needs, arguments)
            except CallError as error:
                throttled = error.kind == "throttled"
                # Where the limit is known, a throttled call comes through when its turn has come.
                tries, faults = tries + 1, faults + (not throttled or not self.pacer.paces(operation))
                if error.retry is Retry.NEVER or faults == _MOST_FAULTS:
                    raise
                if throttled:
                    self.pacer.note_throttled(operation)
                # Longer each time, and never in step with others.
                self.pacer.pause(random.uniform(0, min(_LONGEST_PAUSE, 0.1 * 2**tries)))  # noqa: S311 - no secret
            if not throttled and (answer := done()):
                return answer

    def pages(
        self, operation: str, subject: str, needs: Shape, marker: str = "nextToken", **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Call an operation for page after page; `marker` is the member that leads to the next."""
        answer = self.call(operation, subject, needs, **arguments)
        yield answer
        seen: set[str] = set()
        while (mark := next_page(answer, operation, subject, marker)) is not None:
            if mark in seen:
                raise _malformed(operation, subject, f"with a {marker} that leads back", "RepeatedPage", Retry.LATER)
            seen.add(mark)
            answer = self.call(operation, subject, needs, **(arguments | {marker: mark}))
            yield answer

    def call_once(self, operation: str, subject: str, needs: Shape, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation once, in its turn; raises what `call` raises."""
        self.pacer.take(operation)
        try:
            method = getattr(self.client, xform_name(operation), None)
            if method is None:
                message = f"{operation} of {subject} is unknown to botocore {botocore.__version__}, the runtime's"
                raise CallError(message, operation, UNKNOWN_OPERATION, Retry.NEVER)
            answer: dict[str, Any] = method(**arguments)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, operation, subject) from error
        except _UNREADABLE as error:
            raise _malformed(operation, subject, f"with what boto3 can't read: {error!r}") from error
        if path := lacking(answer, needs):
            # botocore takes an answer that is no JSON for one without members.
            whole = path.isidentifier()
            code, retry = ("MalformedAnswer", Retry.LATER) if whole else (INCOMPLETE, Retry.NEVER)
            raise _malformed(operation, subject, f"without {path}", code, retry)
        return answer


def next_page(answer: Mapping[str, Any], operation: str, subject: str, marker: str = "nextToken") -> str | None:
    """What leads to the next page; None on the last one.

    Raises:
        CallError: it is no text.

    """
    mark = answer.get(marker)
    if mark is not None and not isinstance(mark, str):
        raise _malformed(operation, subject, f"with {marker} {mark!r}", INCOMPLETE, Retry.NEVER)
    return mark or None


def translate(error: ClientError | BotoCoreError, operation: str, subject: str) -> CallError:
    """Put a boto3 error into words; `subject` is what the call was about."""
    call = f"{operation} of {subject}"
    if isinstance(error, ParamValidationError):
        return CallError(f"{call} was refused by boto3: {error}", operation, type(error).__name__, Retry.NEVER)
    if not isinstance(error, ClientError):
        message = f"{call} got no answer: {error}"
        return CallError(message, operation, type(error).__name__, Retry.LATER, "unreachable")
    answer: Mapping[str, Any] = error.response
    code = str(answer.get("Error", {}).get("Code") or "")
    detail = str(answer.get("Error", {}).get("Message") or "")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _DENIED or code.startswith("KMS") or "iam:PassRole" in detail:
        from ecr_deploy.aws import refusals  # noqa: PLC0415 - most need not load it

        return CallError(refusals.explain(call, code, detail), operation, code, Retry.NEVER, "denied")
    message = f"{call} was refused: {code}: {detail}"
    if code in THROTTLING or status == _TOO_MANY_REQUESTS:
        return CallError(message, operation, code, Retry.LATER, "throttled")
    passes = code in TRANSIENT | _PASSING or status >= _SERVER_FAULT
    passes = passes or any(text in detail for text in _PASSING_MESSAGES)
    return CallError(message, operation, code, Retry.LATER if passes else Retry.NEVER)


def _malformed(
    operation: str, subject: str, problem: str, code: str = "MalformedAnswer", retry: Retry = Retry.LATER
) -> CallError:
    return CallError(f"{operation} of {subject} was answered {problem}", operation, code, retry, "malformed")
