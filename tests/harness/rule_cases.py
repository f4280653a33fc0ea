"""The table of tests/rules/cases.json: which push goes where, for the function and for the event pattern alike."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.harness.road import ACCOUNT, REGION, digest, pushed


class Case(NamedTuple):
    """A push, the rules, and the service or family that runs an image; what comes of the push there.

    `pattern` says whether the event pattern made from the rules must let the event through; None if it may.
    """

    name: str
    rules: list[dict[str, Any]]
    push: dict[str, str]
    runs: str
    outcome: str
    reason: str | None = None
    pattern: bool | None = None
    first: dict[str, str] | None = None
    settings: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it
    tags: dict[str, str] = {}  # noqa: RUF012
    cluster_tags: dict[str, str] = {}  # noqa: RUF012
    controller: str | None = None
    closed: list[str] = []  # noqa: RUF012
    now: str = "2026-11-23T12:00:00Z"
    family: str | None = None
    warns: bool = False

    @property
    def image(self) -> str:
        """What runs, by its full name; a registry in the table is its account alone."""
        account, slash, rest = self.runs.partition("/")
        account, rest = (account, rest) if slash and account.isdigit() else (ACCOUNT, self.runs)
        return f"{account}.dkr.ecr.{REGION}.amazonaws.com/{rest}"

    @property
    def event(self) -> dict[str, Any]:
        """The event of the push."""
        return event(self.push)


def cases() -> list[Case]:
    """All of the table."""
    text = (Path(__file__).parents[1] / "rules" / "cases.json").read_text()
    return [Case(**row) for row in json.loads(text)]


def event(push: dict[str, str]) -> dict[str, Any]:
    """The event of a push, ECR's own unless its `kind` is another."""
    arguments: dict[str, Any] = dict(push)
    kind, tag = arguments.pop("kind", "push"), arguments.pop("tag")
    native = pushed(tag, **arguments)
    if kind == "replication":
        native["detail-type"] = "ECR Replication Action"
        native["detail"]["action-type"] = "REPLICATE"
    if kind == "cache":
        native["detail-type"] = "ECR Pull Through Cache Action"
        del native["detail"]["action-type"], native["detail"]["result"]
        native["detail"]["sync-status"] = "SUCCESS"
    if kind != "trail":
        return native
    repository = native["detail"]["repository-name"]
    image = {
        "registryId": native["account"],
        "repositoryName": repository,
        "imageId": {"imageDigest": digest(tag), "imageTag": tag},
    }
    detail = {
        "eventSource": "ecr.amazonaws.com",
        "eventName": "PutImage",
        "awsRegion": native["region"],
        "eventTime": native["time"],
        "requestParameters": {"repositoryName": repository, "imageTag": tag},
        "responseElements": {"image": image},
    }
    return {**native, "detail-type": "AWS API Call via CloudTrail", "detail": detail}
