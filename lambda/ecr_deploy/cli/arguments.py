"""Arguments: what may be written behind `python -m ecr_deploy`, read into an operator's request."""

import argparse
import getpass
from collections.abc import Callable, Sequence
from typing import Any

from ecr_deploy.core import images
from ecr_deploy.core.images import InvalidImageError

_EXIT_CODES = """\
exit codes:
  0  done, or nothing was left to do; with --wait, every rollout is live
  1  something failed, or you said no
  2  the arguments, the settings or the request are wrong
  3  the image reaches nothing: it is skipped or superseded everywhere
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line: `request` is what to ask of ecr-deploy, None for `status`.

    Raises:
        SystemExit: they can't be understood (2), or asked for help (0); what to say about it has been said.

    """
    read = _parser().parse_args(arguments)
    read.request = _REQUESTS[read.command](read)
    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ecr_deploy",
        description="Asks ecr-deploy what it would do, and makes it do it, with your own AWS credentials.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = _common()
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, meaning: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=meaning, description=meaning, parents=[common])

    plan = command("plan", "Say what a deployment of an image would change, and change nothing.")
    deploy = command("deploy", "Deploy an image now, to every service that the rules allow.")
    explain = command("explain", "Say why a push of an image would deploy, or would not.")
    history = command("history", "Say what was deployed to a service when.")
    rollback = command("rollback", "Take a service back to what it ran before.")
    approve = command("approve", "Let an image go where it waits for an approval.")
    reject = command("reject", "Keep an image out where it waits for an approval.")
    status = command("status", "Say what the services in scope run, and where their rollouts stand.")
    for subparser in (plan, deploy, explain, approve, reject):
        subparser.add_argument(
            "image", type=_image, help="app:v2, app:v2@sha256:…, or the same with its registry's host"
        )
    for subparser in (plan, deploy):
        subparser.add_argument("--force", action="store_true", help="replace a newer image, too")
    for subparser in (plan, deploy, approve, reject, status):
        subparser.add_argument(
            "--cluster", action="append", metavar="GLOB", help="only these clusters; may be repeated"
        )
        subparser.add_argument(
            "--service", action="append", metavar="GLOB", help="only these services; may be repeated"
        )
    for subparser in (history, rollback):
        subparser.add_argument("cluster", help="the name of the service's cluster")
        subparser.add_argument("service", help="the name of the service")
    for subparser in (deploy, rollback):
        subparser.add_argument("--yes", action="store_true", help="do it without being asked")
        subparser.add_argument("--wait", action="store_true", help="stay until every rollout has ended")
    return parser


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--function", metavar="NAME", help="take the settings from this function, as it is deployed")
    common.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value for a setting, as JSON or as it stands: --set image_reference=digest; may be repeated",
    )
    common.add_argument("--region", help="the AWS region; your profile's, or AWS_REGION, unless given")
    common.add_argument("--profile", help="the profile of your AWS configuration")
    common.add_argument("--json", action="store_true", help="write the answer as JSON, for scripts")
    return common


def _image(text: str) -> dict[str, str]:
    """Read an image reference into the fields of a request."""
    try:
        image = images.parse(text)
    except InvalidImageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if image.tag is None:
        message = f"{text} has no tag"
        raise argparse.ArgumentTypeError(message)
    fields = {"repository": image.repository, "tag": image.tag}
    if image.digest:
        fields["digest"] = image.digest
    if image.host:
        if image.ecr is None:
            message = f"{image.host} is no private registry of ECR"
            raise argparse.ArgumentTypeError(message)
        fields |= {"registry": image.ecr.account, "region": image.ecr.region}
    return fields


def _deployment(read: argparse.Namespace) -> dict[str, Any]:
    return {**_scoped_image(read), "force": read.force}


def _scoped_image(read: argparse.Namespace) -> dict[str, Any]:
    scope = {"clusters": read.cluster, "services": read.service}
    return {**read.image, **{name: globs for name, globs in scope.items() if globs}}


def _answer(read: argparse.Namespace) -> dict[str, Any]:
    return {read.command: {**_scoped_image(read), "by": getpass.getuser()}}


def _service(read: argparse.Namespace) -> dict[str, str]:
    return {"cluster": read.cluster, "service": read.service}


_REQUESTS: dict[str, Callable[[argparse.Namespace], dict[str, Any] | None]] = {
    "plan": lambda read: {**_deployment(read), "dry_run": True},
    "deploy": _deployment,
    "explain": lambda read: {"explain": read.image},
    "history": lambda read: {"history": _service(read)},
    "rollback": lambda read: {"rollback": _service(read)},
    "approve": _answer,
    "reject": _answer,
    "status": lambda _: None,
}
