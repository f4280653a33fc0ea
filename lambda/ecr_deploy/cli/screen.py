"""The screen: answers on standard output, all else on standard error."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from ecr_deploy.cli import layout
from ecr_deploy.cli.layout import Row
from ecr_deploy.core.errors import InvalidRequestError

TEXT, JSON = "text", "json"


class Screen:
    """What the caller sees. Colours are rich's business, which heeds NO_COLOR, and leaves pipes without."""

    def __init__(self, output: str) -> None:
        self.as_json = output == JSON
        self._answers = Console(highlight=False, soft_wrap=True)
        self._rest = Console(highlight=False, soft_wrap=True, stderr=True)

    def json(self, answer: Any) -> None:
        """Show an answer for programs."""
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))

    def json_line(self, answer: Any) -> None:
        """Show one of several answers for programs, on one line."""
        click.echo(json.dumps(answer, ensure_ascii=False))

    def say(self, text: str = "", style: str = "") -> None:
        """Show a line of an answer."""
        self._answers.print(Text(text, style))

    def table(self, headers: Row, rows: Iterable[Row]) -> None:
        """Show rows, one on each line."""
        _print(self._answers, headers, rows)

    def note(self, text: str, style: str = "") -> None:
        """Show what is no answer: where a question or a wait stands, or what is wrong."""
        self._rest.print(Text(text, style))

    def table_before(self, headers: Row, rows: Iterable[Row]) -> None:
        """Show rows that a question is about."""
        _print(self._rest, headers, rows)

    def check(self, name: str, level: str, text: str, mend: str | None) -> None:
        """Show what a check found: a line, and the one that mends it below."""
        line = Text(f"{level:<8}", layout.STYLES.get(level, "dim"))
        self._answers.print(line.append(f" {name}: {text}", "default"))
        if mend:
            self._answers.print(Text(f"{'':<9}→ {mend}", "bold"))

    def clear(self) -> None:
        """Clear the terminal."""
        self._answers.clear()

    def confirm(self, question: str) -> bool:
        """Ask for a yes or a no.

        Raises:
            Abort: the caller ended the input.
            InvalidRequestError: nobody is there to answer.

        """
        if not is_terminal():
            message = f"{question} Nobody is there to say so: add --yes."
            raise InvalidRequestError(message)
        return click.confirm(question, err=True)

    @contextmanager
    def working(self, title: str) -> Iterator[None]:
        """Show that something is going on, where somebody looks."""
        with self._rest.status(title):
            yield


def is_terminal() -> bool:
    """Whether somebody is there to answer a question."""
    return sys.stdin.isatty()


def _print(console: Console, headers: Row, rows: Iterable[Row]) -> None:
    for line in layout.table(headers, rows, console.width if console.is_terminal else None):
        console.print(line)


def place(target: Mapping[str, Any]) -> str:
    """Name a service, a family or a scheduled task of an answer."""
    known = ("service", "family", "schedule", "rule", "name")
    name = next((str(target[field]) for field in known if target.get(field)), "")
    return f"{target['cluster']}/{name}" if target.get("cluster") else name


def short(image: str | None) -> str:
    """Leave the registry out, and most of a digest: all registries are ECR's, and a terminal is narrow."""
    path = (image or "").partition("/")[2] or image or ""
    name, is_digest, digest = path.partition("@")
    return f"{name}@{digest.removeprefix('sha256:')[:12]}" if is_digest else name


def changes(images: Iterable[Mapping[str, str]]) -> str:
    """What becomes of containers' images: `app:v1 → v2`, with the container's name where there are several."""
    shown = []
    images = list(images)
    for image in images:
        before, after = short(image["from"]), short(image["to"])
        repository, _, tag = after.rpartition(":")
        after = tag if repository and before.startswith(f"{repository}:") else after
        name = f"{image['container']} " if len(images) > 1 else ""
        shown.append(f"{name}{before} → {after}")
    return ", ".join(shown)
