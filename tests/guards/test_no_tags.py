"""The memory is a table: no tag of ours on a revision, a service or a cluster is spoken of any more."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# `enabled` and `pinned` are tags that owners set, and that the function only reads.
GONE = re.compile(r"ecr-deploy:(rollout|base|live|rejected|digest|waiting)\b|\b(Unt|T)agResource\b|\btag_resource\b")
# IAM asks for it where a revision is registered with the tags of its owner; and a person who pins a service from the
# command line writes the tag, with a permission of their own.
ALLOWED = {
    "iam.tf": "ecs:TagResource",
    "docs/security.md": r"ecs:(Unt|T)agResource",
    "lambda/ecr_deploy/cli/control.py": r"(Unt|T)agResource",
}
READ = [
    *ROOT.glob("*.tf"),
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("examples/**/*.tf"),
    *ROOT.glob("lambda/ecr_deploy/**/*.py"),
]


def gone(text: str, allowed: str | None) -> list[str]:
    """What a text says of the tags, but for one permission."""
    return [found[0] for found in GONE.finditer(re.sub(allowed, "", text) if allowed else text)]


@pytest.mark.parametrize("path", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_tag_is_written(path: Path) -> None:
    assert gone(path.read_text(), ALLOWED.get(str(path.relative_to(ROOT)))) == []


def test_what_is_looked_for_is_found() -> None:
    assert gone("writes ecr-deploy:rollout/prod/api by ecs:TagResource", None) == ["ecr-deploy:rollout", "TagResource"]
    assert gone("ecs:TagResource, ecr-deploy:pinned", "ecs:TagResource") == []
