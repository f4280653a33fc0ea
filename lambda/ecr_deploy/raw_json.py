"""Task definitions as ECS spells them: boto3 drops the members that its model does not know, so it must not touch them.

Signing, retries and errors stay boto3's; only the body that it would build or parse is replaced.
"""

import json
from collections.abc import Mapping
from typing import Any

_REQUEST = "ecr_deploy_request"


def keep_whole(client: Any) -> None:
    """Let an ECS client answer and take task definitions with all their members."""
    events = client.meta.events
    events.register("response-received.ecs.DescribeTaskDefinition", _answer_as_received)
    events.register("response-received.ecs.RegisterTaskDefinition", _answer_as_received)
    events.register("provide-client-params.ecs.RegisterTaskDefinition", _set_request_aside)
    events.register("before-call.ecs.RegisterTaskDefinition", _send_request_as_given)


def _answer_as_received(
    response_dict: Mapping[str, Any] | None, parsed_response: dict[str, Any] | None, **_: object
) -> None:
    if response_dict and parsed_response and "taskDefinition" in parsed_response:
        parsed_response.update(json.loads(response_dict["body"]))


def _set_request_aside(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> Mapping[str, Any]:
    context[_REQUEST] = params
    # The least that boto3's own validation takes.
    return {"family": params["family"], "containerDefinitions": []}


def _send_request_as_given(params: dict[str, Any], context: Mapping[str, Any], **_: object) -> None:
    params["body"] = json.dumps(context[_REQUEST]).encode()
