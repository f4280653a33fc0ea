"""Options: what every command takes, and how a command is run."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, NamedTuple

import boto3
import click
from botocore.exceptions import BotoCoreError

from ecr_deploy.cli.connection import Answer, Connection, World, default_function
from ecr_deploy.cli.screen import JSON, TEXT, Screen
from ecr_deploy.core import images
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError
from ecr_deploy.core.images import InvalidImageError
from ecr_deploy.core.reading import InvalidSettingsError

# The ends of a command; 2 is also what click gives for arguments that can't be understood.
DONE, FAILED, WRONG, NOTHING, LATE = range(5)

_STOPPED = "Stopped. What was started goes on; `ecr-deploy wait` and `ecr-deploy status` say where it stands."

# After the question, on whose line the cursor stands.
_NOTHING_DONE = "\nNothing was changed."


class Caller(NamedTuple):
    """Who runs a command: whom it asks, and where answers are shown."""

    connection: Connection
    screen: Screen

    def ask(self, title: str, request: dict[str, Any]) -> Answer:
        """Ask the function, and show that it works."""
        with self.screen.working(title):
            return self.connection.ask(request)


class Failure(click.ClickException):
    """The end of a command that could not be done, with a sentence."""

    def show(self, file: Any = None) -> None:
        """Write the sentence."""
        del file
        Screen(TEXT).note(self.message, "red")


class _Wrong(Failure):
    exit_code = WRONG


class _Interrupted(Failure):
    exit_code = 130


class Commands(click.Group):
    """A group of commands: whatever goes wrong in one ends it with a sentence, and without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(context)
        except (InvalidRequestError, InvalidSettingsError) as error:
            raise _Wrong(str(error)) from error
        except (EcrDeployError, BotoCoreError) as error:
            raise Failure(_sentence(error)) from error
        except KeyboardInterrupt as error:
            raise _Interrupted(_STOPPED) from error
        except (click.Abort, EOFError) as error:
            raise Failure(_NOTHING_DONE) from error


def _sentence(error: Exception) -> str:
    text = str(error)
    if "credentials" in text.lower() or "token" in text.lower() or "profile" in text.lower():
        return f"{text.rstrip('.')}. Log in (`aws sso login`, `aws configure`), or give --profile."
    return text


def command(name: str, *, local: bool = False) -> Callable[[Callable[..., int]], click.Command]:
    """Make a command of a function: it gets a Caller and its own parameters, and gives the exit code.

    `local` is for those that read alone, and can do so before there is a function.
    """

    def decorate(function: Callable[..., int]) -> click.Command:
        @click.pass_context
        def run(context: click.Context, /, **given: Any) -> None:
            options = [given.pop(option) for option in ("function_name", "region", "profile", "output")]
            is_local, rules = given.pop("is_local", False), given.pop("rules", None)
            context.exit(function(_caller(context.obj, *options, is_local=is_local, rules=rules), **given))

        update_wrapper(run, function)
        for option in _options(local=local):
            option(run)
        return click.command(name)(run)

    return decorate


def _caller(  # noqa: PLR0913 - the options
    world: World | None,
    function: str,
    region: str | None,
    profile: str | None,
    output: str,
    *,
    is_local: bool,
    rules: str | None,
) -> Caller:
    if rules and not is_local:
        message = "--rules is for --local: the function has its own."
        raise click.UsageError(message)
    world = world or World(boto3.Session)
    screen = Screen(output)
    if is_local:
        from ecr_deploy.cli.local import LocalConnection  # noqa: PLC0415 - who asks the function need not load it

        return Caller(LocalConnection(world, rules, region, profile), screen)
    return Caller(Connection(world, function, region, profile), screen)


def _options(*, local: bool) -> list[Callable[[Any], Any]]:
    options = [
        click.option(
            "-o", "--output", type=click.Choice([TEXT, JSON]), default=TEXT, help="Text, or JSON for programs."
        ),
        click.option("--profile", metavar="NAME", help="The profile of your AWS configuration."),
        click.option("--region", metavar="REGION", help="The AWS region; AWS_REGION or your profile's unless given."),
    ]
    if local:
        options += [
            click.option("--rules", metavar="FILE", help="With --local: the rules, or an object of settings, as JSON."),
            click.option(
                "--local",
                "is_local",
                is_flag=True,
                help="There is no function yet: only read, with your own credentials.",
            ),
        ]
    return [
        *options,
        click.option(
            "--function",
            "function_name",
            metavar="NAME",
            default=default_function,
            help="The function to ask; ECR_DEPLOY_FUNCTION, or ecr-deploy, unless given.",
        ),
    ]


def scope(function: Callable[..., int]) -> Callable[..., int]:
    """Let a command be narrowed to clusters and services."""
    for name in ("service", "cluster"):
        text = f"Only these {name}s; may be repeated."
        function = click.option(f"--{name}", f"{name}s", multiple=True, metavar="GLOB", help=text)(function)
    return function


def narrowed(clusters: tuple[str, ...], services: tuple[str, ...]) -> dict[str, list[str]]:
    """The fields of a request that narrow it."""
    fields = {"clusters": list(clusters), "services": list(services)}
    return {name: globs for name, globs in fields.items() if globs}


def yes(function: Callable[..., int]) -> Callable[..., int]:
    """Let a command do what it does without being asked."""
    return click.option("--yes", "-y", "is_sure", is_flag=True, help="Do it without being asked.")(function)


def one_service(function: Callable[..., int]) -> Callable[..., int]:
    """Let a command be about one service."""
    return click.argument("cluster")(click.argument("service")(function))


class Image(click.ParamType[dict[str, str]]):
    """An image reference, read into the fields of a request."""

    name = "image"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Read the reference."""
        if isinstance(value, dict):
            return value
        try:
            image = images.parse(value)
        except InvalidImageError as error:
            self.fail(str(error), param, ctx)
        if image.tag is None:
            self.fail(f"{value} has no tag", param, ctx)
        fields = {"repository": image.repository, "tag": image.tag}
        if image.digest:
            fields["digest"] = image.digest
        if image.host:
            if image.ecr is None:
                self.fail(f"{image.host} is no private registry of ECR", param, ctx)
            fields |= {"registry": image.ecr.account, "region": image.ecr.region}
        return fields


image = click.argument("image", type=Image(), metavar="IMAGE")
"""`app:v2`, `app:v2@sha256:…`, or the same with its registry's host."""
