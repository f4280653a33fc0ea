"""ECS's JSON as ECS spells it: boto3 drops the members that its model does not know, so it must not touch them.

It is also slow to take answers apart: half of the time that reading a fleet takes the processor. Signing, retries and
errors stay boto3's; only the body that it would build or parse is replaced. Times come as ECS sends them: numbers.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

_REQUEST = "ecr_deploy_request"


def keep_whole(client: Any) -> None:
    """Let an ECS client give answers, and take task definitions, with all their members."""
    events = client.meta.events
    events.register("before-parse.ecs", _answer_as_received)
    events.register("provide-client-params.ecs.RegisterTaskDefinition", _set_request_aside)
    events.register("before-call.ecs.RegisterTaskDefinition", _send_request_as_given)


def _answer_as_received(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    if response_dict["status_code"] != HTTPStatus.OK:
        return
    try:
        answer = json.loads(response_dict["body"])
    except ValueError:
        return
    if isinstance(answer, dict):
        customized_response_dict.update(answer)
        response_dict["body"] = b"{}"


def _set_request_aside(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> Mapping[str, Any]:
    context[_REQUEST] = params
    # The least that boto3's own validation takes.
    return {"family": params["family"], "containerDefinitions": []}


def _send_request_as_given(params: dict[str, Any], context: Mapping[str, Any], **_: object) -> None:
    params["body"] = json.dumps(context[_REQUEST]).encode()
