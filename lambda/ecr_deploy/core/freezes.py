"""Freezes: clusters and services to which nothing is deployed for a while, because somebody said so."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from ecr_deploy.core.records import format_time, parse_time


class Freeze(NamedTuple):
    """What is frozen, by globs, why, by whom and since when; until it is lifted, or a time."""

    clusters: tuple[str, ...]
    services: tuple[str, ...]
    reason: str
    by: str
    at: datetime
    until: datetime | None = None

    def __str__(self) -> str:
        """Say it to people."""
        until = f", until {format_time(self.until)}" if self.until else ""
        return f"{self.by} froze it{until}: {self.reason}"

    def is_over(self, now: datetime) -> bool:
        """Whether its time has come."""
        return self.until is not None and self.until <= now


def to_text(freezes: Iterable[Freeze]) -> str:
    """Write freezes as the table holds them."""
    return json.dumps(
        [
            {
                "clusters": freeze.clusters,
                "services": freeze.services,
                "reason": freeze.reason,
                "by": freeze.by,
                "at": format_time(freeze.at),
                "until": format_time(freeze.until) if freeze.until else None,
            }
            for freeze in freezes
        ]
    )


def from_text(text: str) -> tuple[Freeze, ...]:
    """Read what `to_text` gave.

    Raises:
        KeyError, ValueError, TypeError: it is not that.

    """
    return tuple(
        Freeze(
            clusters=tuple(written["clusters"]),
            services=tuple(written["services"]),
            reason=written["reason"],
            by=written["by"],
            at=parse_time(written["at"]),
            until=parse_time(written["until"]) if written["until"] else None,
        )
        for written in json.loads(text)
    )
