"""Commands that say what may be deployed where: pin, unpin, approve, reject, freeze, unfreeze, adopt."""

from typing import Any

import click

from ecr_deploy.aws import ecs_daemons
from ecr_deploy.aws.calls import Api
from ecr_deploy.cli import deployments, nearest
from ecr_deploy.cli.options import DONE, FAILED, Caller, command, narrowed, one_service
from ecr_deploy.cli.options import image as with_image
from ecr_deploy.cli.options import scope as with_scope
from ecr_deploy.core.admission import PINNED
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError
from ecr_deploy.core.fleet import Target

_FREEZE = ["FROZEN", "BY", "UNTIL", "WHY"]


@command("pin")
@one_service
@click.option("--reason", default="true", metavar="TEXT", help="Why; it becomes the tag's value.")
def pin(caller: Caller, cluster: str, service: str, reason: str) -> int:
    """Keep a service where it is, whatever is pushed.

    By its tag ecr-deploy:pinned, which is written with your own credentials (ecs:DescribeServices,
    ecs:TagResource).
    """
    arn = _arn(caller, cluster, service)
    tags = [{"key": PINNED, "value": reason}]
    caller.connection.api("ecs").call("TagResource", service, {}, resourceArn=arn, tags=tags)
    caller.screen.say(f"{cluster}/{service} is pinned by its tag {PINNED} = {reason}.")
    return DONE


@command("unpin")
@one_service
def unpin(caller: Caller, cluster: str, service: str) -> int:
    """Let a pinned service be deployed to again.

    Its tag ecr-deploy:pinned is removed with your own credentials (ecs:DescribeServices, ecs:UntagResource). What was
    pushed meanwhile comes with the next scheduled run, or by `deploy`.
    """
    arn = _arn(caller, cluster, service)
    caller.connection.api("ecs").call("UntagResource", service, {}, resourceArn=arn, tagKeys=[PINNED])
    caller.screen.say(f"{cluster}/{service} is not pinned.")
    return DONE


@command("approve")
@with_image
@with_scope
def approve(caller: Caller, image: dict[str, str], **scope: Any) -> int:
    """Let an image go where it waits for an approval.

    Who approves is the name of your user, or of your role's session.
    """
    return _answer(caller, "approve", image, scope)


@command("reject")
@with_image
@with_scope
def reject(caller: Caller, image: dict[str, str], **scope: Any) -> int:
    """Keep an image out where it waits for an approval.

    Who rejects is the name of your user, or of your role's session.
    """
    return _answer(caller, "reject", image, scope)


def freeze_row(freeze: dict[str, Any]) -> list[str]:
    """Show what is frozen, by whom, until when and why."""
    what = f"{', '.join(freeze['clusters'])}/{', '.join(freeze['services'])}"
    return [what, freeze["by"], freeze["until"] or "", freeze["reason"]]


def _answer(caller: Caller, verb: str, image: dict[str, str], scope: dict[str, Any]) -> int:
    request = {verb: {**image, **narrowed(**scope)}, "by": caller.connection.by}
    code = deployments.show(caller, deployments.ask(caller, "Answering", request, image, scope))
    return FAILED if code == FAILED else DONE


@command("freeze")
@with_scope
@click.option("--reason", required=True, metavar="TEXT", help="Why; whoever waits reads it.")
@click.option("--until", metavar="TIME", help="When it ends by itself, as in 2026-12-01T08:00:00Z.")
def freeze(caller: Caller, reason: str, until: str | None, **scope: Any) -> int:
    """Deploy nothing for a while.

    To no service, or just not to those of --cluster and --service. What is pushed meanwhile waits, and comes with
    `unfreeze`, or with the scheduled run after --until. Rollbacks go on.
    """
    asked = {**narrowed(**scope), "reason": reason, **({"until": until} if until else {})}
    answer = caller.ask("Freezing", {"freeze": asked, "by": caller.connection.by})
    if caller.screen.as_json:
        caller.screen.json(answer)
        return DONE
    caller.screen.table(_FREEZE, map(freeze_row, answer["freezes"]))
    return DONE


@command("unfreeze")
@with_scope
def unfreeze(caller: Caller, **scope: Any) -> int:
    """Lift what is frozen, and deploy what waited.

    All of it, or what is frozen wholly within --cluster and --service.
    """
    answer = caller.ask("Lifting", {"unfreeze": narrowed(**scope), "by": caller.connection.by})
    if caller.screen.as_json:
        caller.screen.json(answer)
        return DONE
    caller.screen.table(["NOT FROZEN ANY MORE", *_FREEZE[1:]], map(freeze_row, answer["lifted"]))
    if not answer["pushes"]:
        return DONE
    caller.screen.say()
    code = deployments.show(caller, answer)
    return FAILED if code == FAILED else DONE


@command("adopt")
def adopt(caller: Caller) -> int:
    """Record what services run, and deploy nothing.

    Of those that were never recorded. From then on, a push of which no event comes counts as missed. The first
    scheduled run does the same.
    """
    answer = caller.ask("Recording", {"adopt": {}, "by": caller.connection.by})
    if caller.screen.as_json:
        caller.screen.json(answer)
        return DONE
    caller.screen.table(
        ["RECORDED"], [[f"{entry['cluster'] or 'family'}/{entry['name']}"] for entry in answer["adopted"]]
    )
    caller.screen.say(f"{len(answer['adopted'])} recorded as they run, nothing deployed.")
    return DONE


def _arn(caller: Caller, cluster: str, service: str) -> str:
    """The ARN of a service or a daemon."""
    find = _arn_of_daemon if Target(cluster, service).is_daemon else _arn_of_service
    try:
        arn = find(caller.connection.api("ecs"), cluster, service)
    except EcrDeployError as error:
        raise nearest.explain(caller, error, cluster, service) from error
    if arn is None:
        missing = InvalidRequestError(f"There is no active service {service} in cluster {cluster}.")
        raise nearest.explain(caller, missing, cluster, service)
    return arn


def _arn_of_service(ecs: Api, cluster: str, service: str) -> str | None:
    """The ARN of an ACTIVE service; None if there is none.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
    """
    needs = {"services": [{"serviceArn": str, "status": str}]}
    answer = ecs.call("DescribeServices", f"service {service}", needs, cluster=cluster, services=[service])
    return next((str(found["serviceArn"]) for found in answer["services"] if found["status"] == "ACTIVE"), None)


def _arn_of_daemon(ecs: Api, cluster: str, daemon: str) -> str | None:
    """The ARN of a daemon; None if there is none.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListDaemons.html
    """
    needs = {"clusters": [{"clusterArn": str}]}
    for described in ecs.call("DescribeClusters", f"cluster {cluster}", needs, clusters=[cluster])["clusters"]:
        for arn in ecs_daemons.arns(ecs, described["clusterArn"]):
            if ecs_daemons.target(arn) == Target(cluster, daemon):
                return arn
    return None
