"""Diffs: whole task definitions, as a service runs them and as it would."""

import json
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

from ecr_deploy.cli.connection import Connection
from ecr_deploy.cli.screen import place
from ecr_deploy.core.outcomes import Outcome
from ecr_deploy.core.revisions import DESCRIBE_ONLY


def of(connection: Connection, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A unified diff for each service that a dry run would change.

    Raises:
        CallError: ECS does not give a definition.

    """
    known: dict[str, dict[str, Any]] = {}

    def read(revision: str) -> dict[str, Any]:
        if revision not in known:
            needs = {"taskDefinition": {"containerDefinitions": [{"name": str, "image": str}]}}
            found = connection.api("ecs").call("DescribeTaskDefinition", revision, needs, taskDefinition=revision)
            known[revision] = {
                name: value for name, value in found["taskDefinition"].items() if name not in DESCRIBE_ONLY
            }
        return known[revision]

    return list(_diffs(answer, read))


def _diffs(answer: Mapping[str, Any], read: Any) -> Iterator[dict[str, Any]]:
    for push in answer["pushes"]:
        for target in [*push["services"], *push["families"]]:
            if target["outcome"] != Outcome.DEPLOYED:
                continue
            before = read(target["from"])
            after = _with_images(read(target["base"] or target["from"]), target["images"])
            name = place(target)
            labels = f"{name} {target['from']}", f"{name} {target['to'] or 'new'}"
            yield {"target": name, "lines": list(unified_diff(_lines(before), _lines(after), *labels, lineterm=""))}


def _lines(definition: Mapping[str, Any]) -> list[str]:
    return json.dumps(definition, indent=2, sort_keys=True, default=str).splitlines()


def _with_images(definition: Mapping[str, Any], images: list[Mapping[str, str]]) -> dict[str, Any]:
    new = {image["container"]: image["to"] for image in images}
    containers = [
        {**entry, "image": new.get(entry["name"], entry["image"])} for entry in definition["containerDefinitions"]
    ]
    return {**definition, "containerDefinitions": containers}
