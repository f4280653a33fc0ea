"""Unusual answers of AWS: what might come over the wire instead of what was to come."""

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from botocore import UNSIGNED
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber

from tests.harness.road import REGION, client
from tests.harness.strict_ecs import Answer, Clock, StrictEcs
from tests.harness.table import StrictTable

Json = Any
Change = Callable[[Json], Json]


class Unusual(NamedTuple):
    """An answer made of the usual one: a status, and bytes or what becomes of the usual members."""

    name: str
    body: bytes | Change
    status: int = 200

    def __call__(self, usual: Json) -> Answer:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body(usual)).encode()
        return Answer(self.status, {"Content-Type": "application/x-amz-json-1.1"}, body)


def _items(make: Callable[[Json], list[Json]]) -> Change:
    """Change what is in each list of an answer, or within its objects."""

    def change(value: Json) -> Json:
        if isinstance(value, list):
            return make(value)
        return {name: change(one) for name, one in value.items()} if isinstance(value, dict) else value

    return change


def _without_nested(value: Json, depth: int = 0) -> Json:
    if isinstance(value, dict):
        return {name: _without_nested(one, depth + 1) for name, one in value.items()} if depth == 0 else {}
    return [{} for _ in value] if isinstance(value, list) else value


def _error(code: str) -> bytes:
    return json.dumps({"__type": code, "message": "unusual"}).encode()


UNUSUAL = (
    Unusual("nothing", b""),
    Unusual("no members", b"{}"),
    Unusual("a list", b"[]"),
    Unusual("null", b"null"),
    Unusual("HTML", b"<html><body>It works!</body></html>"),
    Unusual("half of it", lambda usual: json.dumps(usual)[:-3]),
    Unusual("no UTF-8", b'{"\xff": 1}'),
    Unusual("null for each member", lambda usual: dict.fromkeys(usual, None)),
    Unusual("numbers for members", lambda usual: dict.fromkeys(usual, 5)),
    Unusual("texts for members", lambda usual: dict.fromkeys(usual, "odd")),
    Unusual("lists of null", _items(lambda _: [None])),
    Unusual("lists of numbers", _items(lambda _: [5])),
    Unusual("lists of lists", _items(lambda _: [[]])),
    Unusual("empty lists", _items(lambda _: [])),
    Unusual("objects without members", _without_nested),
    Unusual("an expired token", _error("ExpiredTokenException"), 400),
    Unusual("a skewed clock", _error("RequestTimeTooSkewed"), 403),
    Unusual("throttled", _error("ThrottledException"), 400),
    Unusual("429 without a word", b"", 429),
    Unusual("a timeout of the request", _error("RequestTimeout"), 400),
    Unusual("denied", _error("AccessDeniedException"), 400),
    Unusual("an unknown error", _error("NobodyKnows"), 400),
    Unusual("an error of null", b'{"__type": null, "message": null}', 400),
    Unusual("503 in HTML", b"<html>503</html>", 503),
)


class UnusualEcs(StrictEcs):
    """ECS, with an unusual answer for one operation from some moment on."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.operation: str | None = None
        self.unusual = UNUSUAL[0]
        self.hits = 0

    def handle(self, operation: str, body: bytes) -> Answer:
        usual = super().handle(operation, body)
        if operation != self.operation:
            return usual
        self.hits += 1
        return self.unusual(json.loads(usual.body))


class UnusualTable(StrictTable):
    """The table, with an unusual answer for one operation from some moment on."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.operation: str | None = None
        self.unusual = UNUSUAL[0]
        self.hits = 0

    def handle(self, operation: str, body: bytes) -> Answer:
        usual = super().handle(operation, body)
        if operation != self.operation:
            return usual
        self.hits += 1
        return self.unusual(json.loads(usual.body))


class Wire:
    """Services on boto3's own clients with canned answers, one of which is unusual from some moment on."""

    def __init__(self, answers: Mapping[str, Mapping[str, Json | Callable[[Json], Json]]]) -> None:
        self._answers = answers
        self.operation: str | None = None
        self.unusual = UNUSUAL[0]
        self.hits = 0
        self.sent: list[tuple[str, Json]] = []
        self.clients = {service: self._attach(service) for service in answers}

    def _attach(self, service: str) -> Any:
        events = (made := _client(service)).meta.events
        events.unregister("before-send", unique_id="unusual")
        events.register("before-send", partial(self._answer, self._answers[service]), unique_id="unusual")
        return made

    def _answer(self, answers: Mapping[str, Json], request: AWSRequest, event_name: str, **_: object) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        asked = _read(request)
        self.sent.append((operation, asked))
        found = answers[operation]
        usual = found(asked) if callable(found) else found
        answer = Answer(200, {}, (usual if isinstance(usual, str) else json.dumps(usual)).encode())
        if operation == self.operation:
            self.hits += 1
            answer = self.unusual(usual)
        return AWSResponse(request.url, answer.status, answer.headers, MockRawResponse(answer.body))


def _read(request: AWSRequest) -> Json:
    """What a request asks: in JSON, or as a form."""
    body = request.body.decode() if isinstance(request.body, bytes) else request.body or ""
    return json.loads(body) if body.startswith("{") else dict(parse_qsl(body))


@cache
def _client(service: str) -> Any:
    """A client that no other test has, and that moto does not answer for."""
    config = Config(retries={"total_max_attempts": 1}, user_agent_extra="unusual", signature_version=UNSIGNED)
    made = client(service, config, REGION)
    made.meta.events.unregister("before-send", botocore_stubber)
    return made
