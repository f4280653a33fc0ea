"""Image parameters: what services are told to run, in Systems Manager, for Terraform or whoever else reads it back.

PREFIX/CLUSTER/SERVICE/CONTAINER = 123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v2
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.aws import calls
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason

if TYPE_CHECKING:
    from ecr_deploy.door import Door

# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
_NAMES_PER_GET = 10


def follow(door: "Door", results: Sequence[PushResult]) -> list[PushResult]:
    """Write what the services run that pushes reached; where that can't be done, the pushes have failed."""
    there = {Outcome.DEPLOYED, Outcome.UNCHANGED}
    targets = dict.fromkeys(one.target for result in results for one in result.targets if one.outcome in there)
    try:
        refresh(door, targets)
    except EcrDeployError as error:
        return [
            one._replace(outcome=Outcome.FAILED, reason=Reason.of(error), retry=error.retry) if one.targets else one
            for one in results
        ]
    return list(results)


def refresh(door: "Door", targets: Iterable[Target]) -> None:
    """Write what services run now.

    Raises:
        CallError: ECS or Systems Manager refuses or does not answer.
        OutOfTimeError: the invocation ends first.

    """
    services = [door.ecs.service(target) for target in targets if target.cluster]
    write(door, [Member(one, door.ecs.revision(one.revision)) for one in services if one])


def write(door: "Door", members: Iterable[Member]) -> None:
    """Write the images of services, where something else is written, or nothing.

    Raises:
        CallError: Systems Manager refuses or does not answer.

    """
    prefix = door.settings.image_parameter_prefix
    images = {
        f"{prefix}/{member.target.cluster}/{member.target.name}/{container.name}": container.image
        for member in members
        for container in member.running.containers
        if member.service and container.repository and door.settings.rules.covers(container.repository, member.target)
    }
    if not images:
        return
    names, client = list(images), door.client("ssm")
    while names:
        some, names = names[:_NAMES_PER_GET], names[_NAMES_PER_GET:]
        operation = "GetParameters"
        try:
            known = {one["Name"]: one["Value"] for one in client.get_parameters(Names=some)["Parameters"]}
            operation = "PutParameter"
            for name in some:
                if known.get(name) != images[name]:
                    client.put_parameter(Name=name, Value=images[name], Type="String", Overwrite=True)
        except (ClientError, BotoCoreError) as error:
            raise calls.explain(error, operation, f"{prefix}/*") from error
