"""The account's default event bus."""

import json
from collections.abc import Iterable
from typing import Any

from ecr_deploy.aws.calls import Api, Maybe, Shape, batched
from ecr_deploy.core.errors import CallError, EcrDeployError, Retry

SOURCE = "ecr-deploy"
_ENTRIES_PER_CALL = 10

Event = tuple[str, dict[str, Any]]
"""A detail-type and its detail."""


def put(api: Api, events: Iterable[Event]) -> None:
    """Put events on the bus.

    Raises:
        EcrDeployError: EventBridge did not take them all; those that it could take are there.

    """
    operation = "PutEvents"
    needs: Shape = {"Entries": [{"ErrorCode": Maybe(str), "ErrorMessage": Maybe(str)}]}
    problems: list[EcrDeployError] = []
    for batch in batched(events, _ENTRIES_PER_CALL):
        entries = [
            {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail)} for detail_type, detail in batch
        ]
        try:
            taken = api.call(operation, "the default event bus", needs, Entries=entries)["Entries"]
        except EcrDeployError as error:
            problems.append(error)
            continue
        problems += [
            CallError(f"PutEvents was refused: {code}: {entry.get('ErrorMessage') or ''}", operation, code, Retry.LATER)
            for entry in taken
            if (code := entry.get("ErrorCode"))
        ]
    if problems:
        raise problems[0]
