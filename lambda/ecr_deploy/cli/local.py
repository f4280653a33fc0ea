"""What the function would answer, on its own code, in this process, with an empty table and nothing but reads."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ecr_deploy import on_request
from ecr_deploy.cli.connection import Answer, Connection, World
from ecr_deploy.core.reading import InvalidSettingsError

# Only the function reads its queue.
_NO_QUEUES = {"table_name": "none", "queue_url": "none", "dead_letter_queue_url": "none"}


class LocalConnection(Connection):
    """No function yet: its own code answers, here, with rules out of a file, and can only read."""

    # Nothing is known to be older than ecr-deploy: what would it do if it had been there all along?
    plans_from_the_start: Mapping[str, Any] = MappingProxyType({"adopted_long_ago": True})

    def __init__(self, world: World, rules: str | None, region: str | None, profile: str | None) -> None:
        super().__init__(world, "none", region, profile)
        self._rules = rules

    @cached_property
    def values(self) -> dict[str, Any]:
        """The settings out of the file; without one, those of a module without inputs."""
        return {**_NO_QUEUES, "account_id": self.account, **_read_rules(self._rules), "dry_run": True}

    def ask(self, request: Mapping[str, Any]) -> Answer:
        """Answer as the function would."""
        return on_request.answer(self.environment, request)


def _read_rules(file: str | None) -> dict[str, Any]:
    """Read settings from a file: a list is that of the rules, an object has them among other settings.

    Raises:
        InvalidSettingsError: it is neither.

    """
    if file is None:
        return {}
    try:
        written = json.loads(Path(file).read_text())
    except (OSError, ValueError) as error:
        message = f"{file} can't be read as JSON: {error}"
        raise InvalidSettingsError(message) from error
    if isinstance(written, list):
        return {"rules": written}
    if isinstance(written, dict):
        return written
    message = f"{file} must hold a list of rules, or an object of settings, as JSON, but it holds {json.dumps(written)}"
    raise InvalidSettingsError(message)
