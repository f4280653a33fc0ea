"""The process behind `moto_server`: says which port it listens on, and ends when its standard input does.

The pipe is held by whoever started it, so it ends with its parent even if that is killed.
"""

import copy
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ecs.models import EC2ContainerServiceBackend
from moto.events.models import Rule, events_backends
from moto.events.utils import EventTemplateParser
from moto.iam.access_control import IAMPolicy, IAMRequestBase
from moto.server import ThreadedMotoServer
from moto.sns.models import sns_backends
from moto.sqs.models import Queue
from moto.utilities.arns import parse_arn

_send = Rule.send_to_targets


def _send_to_targets(rule: Rule, event: Any, transform_input: bool = True) -> None:  # noqa: FBT001, FBT002 - moto's own
    """Send where moto does not, or not as AWS does, and nothing on a schedule, which moto takes for every event."""
    if rule.scheduled_expression or not rule.event_pattern.matches_event(event):
        return
    others = copy.copy(rule)
    others.targets = []
    for target in rule.targets:
        if send := _SENDERS.get(parse_arn(target["Arn"]).service):
            send(rule, target, event)
        else:
            others.targets.append(target)
    _send(others, event, transform_input)


def _send_to_topic(rule: Rule, target: Any, event: Any) -> None:
    transformer = target.get("InputTransformer", {})
    text = EventTemplateParser.parse(transformer.get("InputTemplate"), transformer.get("InputPathsMap", {}), event)
    sns_backends[rule.account_id][rule.region_name].publish(str(text), arn=target["Arn"])


def _send_to_bus(rule: Rule, target: Any, event: Any) -> None:
    """Send to the bus of an account that lets this one; the event stays what it was, its account included."""
    arn = parse_arn(target["Arn"])
    bus = events_backends[arn.account][arn.region].event_buses[arn.resource_id]
    if arn.account == rule.account_id or f"arn:aws:iam::{rule.account_id}:root" in (bus.policy or ""):
        for other in list(bus.rules.values()):
            other.send_to_targets(event)


_SENDERS = {"sns": _send_to_topic, "events": _send_to_bus}


_set = Queue._set_attributes  # noqa: SLF001 - no public way leads there


def _set_attributes(queue: Queue, attributes: dict[str, Any], *arguments: Any, **named: Any) -> None:
    """Keep the policy of a queue, which moto forgets when anything else is set."""
    before = getattr(queue, "policy", None)
    _set(queue, attributes, *arguments, **named)
    if "Policy" not in attributes:
        queue.policy = before


_update_service = EC2ContainerServiceBackend.update_service


def _begin_deployment(backend: EC2ContainerServiceBackend, properties: dict[str, Any]) -> Any:
    """Make a deployment for another revision, where moto shows the first one for good."""
    changes_revision = properties.get("task_definition") is not None
    service = _update_service(backend, properties)
    if changes_revision and service.deployments:
        now, number = datetime.now(UTC).replace(tzinfo=None), uuid4().int % 10**19
        service.deployments[0] |= {"createdAt": now, "updatedAt": now, "id": f"ecs-svc/{number}"}
        service.deployments[0]["taskDefinition"] = service.task_definition
    return service


def _check_action_permitted(request: Any, _: str) -> None:
    """Ask the caller's policies with the resources and the conditions of the call, of which moto knows nothing."""
    from tests.harness import policy  # noqa: PLC0415 - takes longer than all else, and most tests enforce nothing

    service, _, operation = request._action.partition(":")  # noqa: SLF001
    policies = map(IAMPolicy, request._access_key.collect_policies())  # noqa: SLF001
    statements = [one for document in policies for one in document._policy_json["Statement"]]  # noqa: SLF001
    if policy.EVERYTHING in statements:
        return
    needed = policy.needed(service, operation, json.loads(request._body or "{}"), request._region)  # noqa: SLF001
    if not all(policy.allows(statements, one) for one in needed):
        request._raise_access_denied()  # noqa: SLF001


def main() -> None:
    # moto takes each message itself as it arrives, to run the function in Docker, and puts it back when there is none:
    # received once more, or swallowed. Here the mapping is polled by `event_source` alone.
    setattr(Queue, "lambda_event_source_mappings", property(lambda _: {}, lambda _, __: None))  # noqa: B010
    # moto delivers events without the account that AWS says they come from.
    template = EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE
    EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = template.replace("{", '{"account": "<account>", ', 1)
    setattr(Rule, "send_to_targets", _send_to_targets)  # noqa: B010
    setattr(Queue, "_set_attributes", _set_attributes)  # noqa: B010
    setattr(EC2ContainerServiceBackend, "update_service", _begin_deployment)  # noqa: B010
    # moto runs no task in a VPC without DNS host names, because it looks for a name that the interface has not.
    setattr(NetworkInterface, "private_dns_name", None)  # noqa: B010
    # moto takes the signatures of calls without a body for wrong.
    setattr(IAMRequestBase, "check_signature", lambda _: None)  # noqa: B010
    setattr(IAMRequestBase, "check_action_permitted", _check_action_permitted)  # noqa: B010
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdin.read()


if __name__ == "__main__":
    main()
