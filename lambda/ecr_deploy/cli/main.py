"""The command line's entry: the group of all commands."""

from importlib import metadata

import click
from click.shell_completion import get_completion_class

from ecr_deploy.cli import control, dead_letters, deployments, doctor, log, views
from ecr_deploy.cli.options import Commands

_NAME = "ecr-deploy"
_ASKED_BY_THE_SHELL = "_ECR_DEPLOY_COMPLETE"


def _version() -> str:
    try:
        return metadata.version(_NAME)
    except metadata.PackageNotFoundError:
        return "unknown: it is not installed"


@click.group(_NAME, cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name=_NAME)
def cli() -> None:
    """Ask ecr-deploy what it would do, and make it do it.

    Commands ask the deployed function (lambda:InvokeFunction), which is ecr-deploy unless --function or
    ECR_DEPLOY_FUNCTION name another. Those with --local can read before there is one.

    \b
    Exit codes:
      0  done, or nothing was left to do; with --wait, every rollout is live
      1  something failed, a rollout was rolled back, or you said no
      2  the arguments, the settings or the request are wrong
      3  the image reaches nothing: it is skipped or superseded everywhere
      4  the time to wait is over
    """  # noqa: D301 - click's mark for lines that stay as they are


@cli.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes words in a shell.

    For bash: eval "$(ecr-deploy completion bash)"
    """
    kind = get_completion_class(shell)
    if kind:
        click.echo(kind(cli, {}, _NAME, _ASKED_BY_THE_SHELL).source())


for _command in (
    *(deployments.plan, deployments.diff, deployments.deploy, deployments.wait, deployments.rollback),
    *(views.status, views.explain, views.history, log.events),
    *(
        doctor.doctor,
        control.pin,
        control.unpin,
        control.approve,
        control.reject,
        control.freeze,
        control.unfreeze,
        control.adopt,
        dead_letters.dead_letters,
    ),
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line."""
    cli(prog_name=_NAME)
