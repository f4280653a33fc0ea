"""A pytest plugin that records which permissions the function's calls need, with the features that were on.

Each process writes a file: a line of JSON for each permission.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

CALLS = Path(__file__).parents[2] / "build" / "calls"

FEATURES = (
    "scheduled_tasks",
    "codedeploy",
    "express_mode",
    "daemons",
    "keep_revisions",
    "image_parameter_prefix",
    "change_calendars",
    "notifications",
)
FEATURES_OF_RULES = ("families", "promote_tag", "change_calendars", "run_before", "max_scan_severity")
# The command line pins a service with the credentials of whoever types it; the function never tags one.
_OF_PEOPLE = ("tag_resource", "untag_resource")

_found: set[str] = set()


def pytest_sessionstart() -> None:
    # Not before: the conftest makes the environment that the function needs to be imported.
    from tests.harness.road import REGION, Road  # noqa: PLC0415

    make = Road.client  # every client of the product is made by it

    def recording(road: Any, service: str, **kwargs: Any) -> _Recording:
        region = kwargs.get("region_name", REGION)
        return _Recording(make(road, service, **kwargs), service, region, road.inputs)

    setattr(Road, "client", recording)  # noqa: B010


def pytest_sessionfinish(session: pytest.Session) -> None:
    worker = getattr(session.config, "workerinput", {}).get("workerid", "main")
    CALLS.mkdir(parents=True, exist_ok=True)
    file = CALLS / f"{worker}.jsonl"
    file.write_text("".join(f"{line}\n" for line in sorted(_found)))


def features(inputs: Mapping[str, Any]) -> list[str]:
    """The features that inputs of the module turn on, of those that need permissions of their own."""
    on = {name for name in FEATURES if inputs.get(name)}
    on |= {"notifications" for name in ("topic_arns", "chat_topic_arns") if inputs.get(name)}
    on |= {name for rule in inputs.get("rules", ()) for name in FEATURES_OF_RULES if rule.get(name)}
    return sorted(on)


class _Recording:
    """A client, or a double of one, that notes what it is asked."""

    def __init__(self, client: Any, service: str, region: str, inputs: Mapping[str, Any]) -> None:
        self._client = client
        self._service = service
        self._region = region
        self._features = features(inputs)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if name not in _operations(self._service):
            return value

        def call(**request: Any) -> Any:
            self._note(name, request)
            return value(**request)

        return call

    def _note(self, name: str, request: Mapping[str, Any]) -> None:
        if name in _OF_PEOPLE:
            return
        from tests.harness import policy  # noqa: PLC0415 - as above

        for permission in policy.needed(self._service, _operations(self._service)[name], request, self._region):
            _found.add(json.dumps([self._features, *permission]))


@cache
def _operations(service: str) -> dict[str, str]:
    names = botocore.session.get_session().get_service_model(service).operation_names
    return {xform_name(name): name for name in names}
