"""JSON as AWS writes it: boto3 drops the members that its model does not know, so it must not touch them.

It is also slow to take answers apart: half of the time that reading a fleet takes the processor. Signing, retries and
errors stay boto3's; only the body that it would build or parse is replaced. Times come as AWS sends them: numbers.
"""

import json
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

_REQUEST = "ecr_deploy_request"
# Of what DescribeServices answers, nine tenths are the services' events: up to 100 for each, which nobody asked for.
_EVENTS = b'"events":'


def keep_whole(client: Any, operation: str, least: Mapping[str, Any]) -> None:
    """Make a client give its answers, and take the requests of one operation, with all their members.

    `least` is the smallest request of that operation that boto3's own validation takes.
    """
    events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
    for event, handler in (
        (f"before-parse.{service}", _answer_as_received),
        (f"provide-client-params.{service}.{operation}", partial(_set_request_aside, least=least)),
        (f"before-call.{service}.{operation}", _send_request_as_given),
    ):
        # With an id, a second registration changes nothing.
        events.register(event, handler, unique_id=f"ecr-deploy-{event}")


def without_events(body: bytes) -> bytes:
    """Empty the members called `events` of JSON, before it is parsed, where they are plain lists of objects.

    A text with a bracket or an escaped sign in it is not plain: to look for its end takes longer than to parse it.
    """
    kept, at = [], 0
    while (found := body.find(_EVENTS, at)) >= 0:
        begin = found + len(_EVENTS)
        begin += len(body[begin : begin + 2]) - len(body[begin : begin + 2].lstrip())
        end = _end_of_list(body, begin + 1) if body[begin : begin + 1] == b"[" else None
        # Within a text its first quote would be escaped.
        if end is None or body[found - 1 : found] == b"\\":
            kept.append(body[at:begin])
            at = begin
        else:
            kept.append(body[at : begin + 1])
            at = end
    return b"".join([*kept, body[at:]])


def _end_of_list(body: bytes, begin: int) -> int | None:
    """Where the list of objects ends whose first begins there; None where that is not seen at a glance."""
    end = body.find(b"}]", begin)
    objects = body[begin:end]
    is_plain = end >= 0 and not any(sign in objects for sign in (b"[", b"]", b"\\"))
    # Else the end stands within a text.
    return end + 1 if is_plain and objects.count(b'"') % 2 == 0 else None


def _answer_as_received(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], operation_model: Any, **_: object
) -> None:
    if response_dict["status_code"] != HTTPStatus.OK:
        return
    body = response_dict["body"]
    if operation_model.name == "DescribeServices":
        body = without_events(body)
    try:
        answer = json.loads(body)
    except ValueError:
        return
    if isinstance(answer, dict):
        customized_response_dict.update(answer)
        response_dict["body"] = b"{}"


def _set_request_aside(
    params: Mapping[str, Any], model: Any, context: dict[str, Any], least: Mapping[str, Any], **_: object
) -> Mapping[str, Any]:
    context[_REQUEST] = params
    return {**least, **{name: params[name] for name in params.keys() & _outside_of_body(model)}}


def _send_request_as_given(params: dict[str, Any], model: Any, context: Mapping[str, Any], **_: object) -> None:
    outside = _outside_of_body(model)
    body = {name: value for name, value in context[_REQUEST].items() if name not in outside}
    params["body"] = json.dumps(body).encode()


def _outside_of_body(model: Any) -> set[str]:
    """The members that a REST operation takes in its path, its query or its headers."""
    members = model.input_shape.members.items()
    return {name for name, shape in members if "location" in shape.serialization}
