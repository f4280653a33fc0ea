"""Items: a memory as the JSON that the table holds, and the keys of targets."""

import json
from collections.abc import Mapping
from typing import Any

from ecr_deploy.core import desires, rollouts
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.memory import Image, Memory, Start
from ecr_deploy.core.records import LONG_AGO, format_time, parse_time


def to_text(memory: Memory) -> str:
    """Write a memory as JSON, for the table."""
    written: dict[str, Any] = {
        "desires": {
            rollouts.repository_key(repository): desires.to_json(desire)
            for repository, desire in memory.desires.items()
        },
        "images": {name: _image_to_json(image) for name, image in memory.images.items()},
        "rollouts": [rollouts.to_json(rollout) for rollout in memory.rollouts],
        "line": list(memory.line),
        "live": {digest: format_time(since) for digest, since in memory.live.items()},
    }
    if start := memory.start:
        written["start"] = {
            "at": format_time(start.at),
            "revision": start.revision,
            "base": start.base,
            "deployment": start.deployment,
            "images": {name: _image_to_json(image) for name, image in start.images.items()},
            "pushes": [rollouts.record_to_json(push) for push in start.pushes],
            "by": start.by,
            "trigger": start.trigger,
        }
    return json.dumps(written, separators=(",", ":"))


def from_text(text: str) -> Memory:
    """Read what `to_text` gave.

    Raises:
        KeyError, ValueError, TypeError: it is not that.

    """
    written = json.loads(text)
    start = written.get("start")
    return Memory(
        desires={
            rollouts.repository_from_key(key): desires.from_json(desire) for key, desire in written["desires"].items()
        },
        images={name: _image_from_json(image) for name, image in written["images"].items()},
        start=Start(
            at=parse_time(start["at"]),
            revision=start["revision"],
            base=start["base"],
            deployment=start["deployment"],
            images={name: _image_from_json(image) for name, image in start["images"].items()},
            pushes=tuple(rollouts.record_from_json(push) for push in start["pushes"]),
            by=start["by"],
            trigger=start["trigger"],
        )
        if start
        else None,
        rollouts=tuple(rollouts.from_json(rollout) for rollout in written["rollouts"]),
        line=tuple(written["line"]),
        live={digest: parse_time(since) for digest, since in written["live"].items()},
    )


def target_key(target: Target) -> str:
    """Name a target in the table: `service/CLUSTER/NAME`, or `family/NAME` for a family that no service runs."""
    return f"service/{target.cluster}/{target.name}" if target.cluster else f"family/{target.name}"


def _image_to_json(image: Image) -> dict[str, str | None]:
    pushed_at = None if image.pushed_at == LONG_AGO else format_time(image.pushed_at)
    return {"text": image.text, "tag": image.tag, "digest": image.digest, "pushed_at": pushed_at}


def _image_from_json(written: Mapping[str, str | None]) -> Image:
    pushed_at = parse_time(written["pushed_at"]) if written["pushed_at"] else LONG_AGO
    return Image(written["text"] or "", written["tag"], written["digest"], pushed_at)
