"""The command line's own road: arguments in, a request asked, an answer shown, an exit code out."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError
from rich.console import Console, RenderableType
from rich.prompt import Confirm

from ecr_deploy import fleet_reader, memory_reader, on_request
from ecr_deploy.aws.pacing import Clock
from ecr_deploy.cli import arguments, connection, status, tables, waiting
from ecr_deploy.cli.waiting import Expected
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.outcomes import Outcome
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import Scope
from ecr_deploy.core.settings import InvalidSettingsError
from ecr_deploy.environment import Environment

DONE, FAILED, WRONG, NOTHING = range(4)
_INTERRUPTED = 130
_WIDE = 240

_EXIT_CODE_OF = {
    Outcome.DEPLOYED: DONE,
    Outcome.UNCHANGED: DONE,
    Outcome.FAILED: FAILED,
    Outcome.SUPERSEDED: NOTHING,
    Outcome.SKIPPED: NOTHING,
    Outcome.WAITING: NOTHING,
}

Answer = dict[str, Any]


class Screen:
    """What the caller sees: answers on standard output, all else on standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        # Nobody looks at how wide a file is.
        self._answers = Console(width=None if sys.stdout.isatty() else _WIDE)
        self._rest = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDE)
        self._title = ""
        self._calls = 0
        self._status = self._rest.status("")

    def show(self, answer: Answer, shown: Sequence[RenderableType]) -> None:
        """Show the answer that was asked for."""
        if self._as_json:
            self._answers.print_json(json.dumps(answer), indent=2)
        else:
            self._answers.print(*shown)

    def show_before(self, shown: Sequence[RenderableType]) -> None:
        """Show what a question is about."""
        self._rest.print(*shown)

    def ask(self, question: str) -> bool:
        """Ask for a yes or a no.

        Raises:
            InvalidRequestError: nobody is there to answer.

        """
        if not sys.stdin.isatty():
            message = f"{question} Nobody is there to say so: add --yes."
            raise InvalidRequestError(message)
        return Confirm.ask(question, console=self._rest, default=False)

    def error(self, text: str) -> None:
        """Say what is wrong."""
        self._rest.print(text, style="red", markup=False, highlight=False)

    @contextmanager
    def working(self, title: str) -> Iterator[None]:
        """Show that something is going on, and how many calls to AWS it has made."""
        self._title, self._calls = title, 0
        with self._status:
            self._status.update(title)
            yield

    def on_call(self, **_: object) -> None:
        """Count a call to AWS."""
        self._calls += 1
        self._status.update(f"{self._title} [dim]{self._calls} calls[/]")

    def on_end(self, ended: int, of: int) -> None:
        """Show how many rollouts have ended."""
        self._title = f"Waiting for rollouts: {ended} of {of} have ended"


class _Caller(NamedTuple):
    read: argparse.Namespace
    environment: Environment
    screen: Screen
    clock: Clock

    def ask(self, title: str, **fields: Any) -> Answer:
        """Ask what the command line says, with some fields more, as the function would be asked."""
        with self.screen.working(title):
            return on_request.answer(self.environment, {**self.read.request, **fields})


def main(argv: Sequence[str], make_session: Callable[..., Any] = boto3.Session, clock: Clock = time) -> int:
    """Do what the command line says, and return its exit code."""
    read = arguments.parse(argv)
    screen = Screen(as_json=read.json)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        session = make_session(profile_name=read.profile, region_name=read.region)
        session.events.register("before-call", screen.on_call)
        environment = connection.connect(read, session, clock)
        return _COMMANDS[read.command](_Caller(read, environment, screen, clock))
    except (InvalidRequestError, InvalidSettingsError) as error:
        screen.error(str(error))
        return WRONG
    except (EcrDeployError, BotoCoreError) as error:
        screen.error(str(error))
        return FAILED
    except KeyboardInterrupt:
        screen.error("Stopped. What was started goes on; the same command says where it stands.")
        return _INTERRUPTED


def _plan(caller: _Caller) -> int:
    answer = caller.ask("Planning")
    caller.screen.show(answer, tables.of_pushes(answer))
    return _exit_code(answer)


def _deploy(caller: _Caller) -> int:
    _refuse_dry_run(caller)
    if not caller.read.yes:
        planned = caller.ask("Planning", dry_run=True)
        if _outcome(planned) is not Outcome.DEPLOYED:
            caller.screen.show(planned, tables.of_pushes(planned))
            return _exit_code(planned)
        caller.screen.show_before(tables.of_pushes(planned))
        if not caller.screen.ask("Deploy this?"):
            return FAILED
    since = caller.environment.now()
    answer = caller.ask("Deploying")
    shown = tables.of_pushes(answer)
    deployed = [
        Expected(Target(service["cluster"], service["service"]), service["to"])
        for push in answer["pushes"]
        for service in push["services"]
        if service["outcome"] == Outcome.DEPLOYED
    ]
    return max(_exit_code(answer), _show(caller, answer, shown, deployed, since))


def _answer(caller: _Caller) -> int:
    _refuse_dry_run(caller)
    answer = caller.ask("Answering")
    caller.screen.show(answer, tables.of_pushes(answer))
    return FAILED if _outcome(answer) is Outcome.FAILED else DONE


def _roll_back(caller: _Caller) -> int:
    _refuse_dry_run(caller)
    if not caller.read.yes:
        dry = {"rollback": caller.read.request["rollback"] | {"dry_run": True}}
        caller.screen.show_before(tables.of_rollback(caller.ask("Looking", **dry)))
        if not caller.screen.ask("Take this back?"):
            return FAILED
    since = caller.environment.now()
    answer = caller.ask("Taking back")
    rollback = answer["rollback"]
    shown = tables.of_rollback(answer)
    expected = Expected(Target(rollback["cluster"], rollback["service"]), rollback["from"], goes_back=True)
    return _show(caller, answer, shown, [expected], since)


def _show(
    caller: _Caller, answer: Answer, shown: Sequence[RenderableType], expected: Sequence[Expected], since: datetime
) -> int:
    """Show an answer, with --wait only once what it started has ended."""
    if not (caller.read.wait and expected):
        caller.screen.show(answer, shown)
        return DONE
    with caller.screen.working("Waiting for rollouts"):
        ends = waiting.wait(caller.environment, expected, since, caller.clock, caller.screen.on_end)
    caller.screen.show({**answer, "rollouts": ends}, [*shown, *tables.of_rollouts(ends)])
    return DONE if all(end["outcome"] == State.LIVE for end in ends) else FAILED


def _explain(caller: _Caller) -> int:
    answer = caller.ask("Looking")
    caller.screen.show(answer, tables.of_explanation(answer))
    return DONE


def _history(caller: _Caller) -> int:
    answer = caller.ask("Looking")
    caller.screen.show(answer, tables.of_history(answer))
    return DONE


def _status(caller: _Caller) -> int:
    read, settings = caller.read, caller.environment.settings
    scope = Scope(tuple(read.cluster or ["*"]), tuple(read.service or ["*"]))
    with caller.screen.working("Looking"):
        narrowed = settings._replace(rules=settings.rules.within(scope))
        members, unknown = fleet_reader.read_fleet(caller.environment, narrowed)
        known = memory_reader.read_memories(members, (), caller.environment, narrowed)
    answer = status.of(members, known, settings)
    caller.screen.show(answer, tables.of_status(answer))
    for result in unknown:
        caller.screen.error(f"{result.target.name} in cluster {result.target.cluster}: {result.reason}")
    return FAILED if unknown else DONE


def _refuse_dry_run(caller: _Caller) -> None:
    if caller.environment.settings.dry_run:
        message = "The setting dry_run is on, so nothing can be changed; --set dry_run=false overrides it."
        raise InvalidSettingsError(message)


def _outcome(answer: Mapping[str, Any]) -> Outcome:
    [push] = answer["pushes"]
    return Outcome(push["outcome"])


def _exit_code(answer: Mapping[str, Any]) -> int:
    return _EXIT_CODE_OF[_outcome(answer)]


_COMMANDS: dict[str, Callable[[_Caller], int]] = {
    "plan": _plan,
    "deploy": _deploy,
    "explain": _explain,
    "history": _history,
    "rollback": _roll_back,
    "approve": _answer,
    "reject": _answer,
    "status": _status,
}
