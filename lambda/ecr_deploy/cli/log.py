"""The command that reads the function's log: events."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from ecr_deploy.aws.calls import Maybe, Shape
from ecr_deploy.cli.options import DONE, Caller, command

_SECONDS_BETWEEN = 5
_NEEDS: Shape = {"events": Maybe([{"timestamp": int, "message": str, "eventId": str}])}
_STYLES = {"ERROR": "red", "WARNING": "yellow"}


@command("events")
@click.option("--follow", "-f", "follows", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("--minutes", type=float, default=60, show_default=True, help="How far back to begin.")
@click.option("--errors", is_flag=True, help="Only what is wrong.")
def events(caller: Caller, *, follows: bool, minutes: float, errors: bool) -> int:
    """Show what the function logged.

    Pushes, rollouts, and what went wrong. The log is read with your own credentials (logs:FilterLogEvents,
    lambda:GetFunctionConfiguration).
    """
    clock = caller.connection.clock
    group_name = _log_group(caller)
    since = int((clock.time() - minutes * 60) * 1000)
    seen: set[str] = set()
    while True:
        for event in _read(caller, group_name, since):
            if event["eventId"] not in seen:
                seen.add(event["eventId"])
                since = max(since, event["timestamp"])
                _show(caller, event, only_errors=errors)
        if not follows:
            return DONE
        clock.sleep(_SECONDS_BETWEEN)


def _log_group(caller: Caller) -> str:
    configured = (caller.connection.configuration.get("LoggingConfig") or {}).get("LogGroup")
    return configured or f"/aws/lambda/{caller.connection.function}"


def _read(caller: Caller, group: str, since: int) -> Iterator[Mapping[str, Any]]:
    pages = caller.connection.api("logs").pages(
        "FilterLogEvents", f"log group {group}", _NEEDS, logGroupName=group, startTime=since
    )
    for page in pages:
        yield from page.get("events") or ()


def _show(caller: Caller, event: Mapping[str, Any], *, only_errors: bool) -> None:
    """Show a line of the log: ours are JSON with a level and a message, Lambda's own have none, and stay away."""
    try:
        line = json.loads(event["message"])
    except ValueError:
        line = {"level": "ERROR", "message": event["message"].strip()}
    if not isinstance(line, dict) or "message" not in line:
        return
    level = str(line.get("level", "INFO"))
    if only_errors and level not in _STYLES:
        return
    if caller.screen.as_json:
        caller.screen.json_line(line)
        return
    when = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    caller.screen.say(f"{when:%Y-%m-%dT%H:%M:%SZ}  {level:<7}  {line['message']}", _STYLES.get(level, ""))
