"""The event pattern, made by Terraform and matched as EventBridge does: it lets through whatever the rules let go."""

import json
import subprocess
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from moto.events.models import EventPattern

from ecr_deploy.core import events, settings
from ecr_deploy.core.pushes import Push
from tests.harness.road import ACCOUNT
from tests.harness.rule_cases import cases, event
from tests.harness.terraform import copy_module

if TYPE_CHECKING:
    from collections.abc import Callable

FOREIGN = "210987654321"
LONGEST = 2048
ROOT = """
variable "rules" {
  type = any
}

variable "defaults" {
  default = { registries = ["123456789012"], repositories = ["*"], tags = ["*"] }
}

module "pattern" {
  source   = "./modules/event-pattern"
  for_each = var.rules
  rules    = [for rule in each.value : merge(var.defaults, rule)]
}

output "patterns" {
  value = { for name, made in module.pattern : name => made.pattern }
}
"""


def patterns(directory: Path, rules: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Let Terraform make the patterns of many sets of rules at once; the module needs no provider."""
    copy_module(directory)
    for file in directory.glob("*.tf"):
        file.unlink()
    (directory / "main.tf").write_text(ROOT)
    (directory / "rules.auto.tfvars.json").write_text(json.dumps({"rules": rules}))
    for command in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
        subprocess.run(["terraform", *command], cwd=directory, check=True, capture_output=True)
    answer = subprocess.run(
        ["terraform", "output", "-json", "patterns"], cwd=directory, check=True, capture_output=True, text=True
    )
    found: dict[str, str] = json.loads(answer.stdout)
    return found


def matches(pattern: str, delivered: Any) -> bool:
    return bool(EventPattern.load(pattern).matches_event(delivered))


def test_the_table(tmp_path: Path) -> None:
    found = patterns(tmp_path, {case.name: case.rules for case in cases()})
    wrong = {
        case.name: case.pattern
        for case in cases()
        if case.pattern is not None and matches(found[case.name], case.event) is not case.pattern
    }
    assert wrong == {}


WORDS = ["app", "web", "team/app", "team/web-api", "App", "x"]
REPOSITORIES = [*WORDS, "*", "team/*", "*-api", "t*p", "a?p", "[aw]*", "[!a]*", "**", "te?m/*"]
TAGS = ["v1.4.0", "1.5.0-rc.1", "v2.0.0", "main", "main-123", "latest", "feature-x", "V1"]
TAG_GLOBS = [*TAGS, "*", "v*", "main-*", "*-rc*", "v?.*", "[vV]*", "*.*", "m*n", "?*"]


def draw_rules(random: Random) -> list[dict[str, Any]]:
    def some(globs: list[str], most: int) -> list[str]:
        return random.sample(globs, random.randint(1, most))

    many = 40 if random.random() < 0.1 else 1
    optional: dict[str, Callable[[], Any]] = {
        "registries": lambda: some([ACCOUNT, FOREIGN], 2),
        "repositories": lambda: some(REPOSITORIES, 3) + [f"long-name-{index}/*" for index in range(many - 1)],
        "tags": lambda: some(TAG_GLOBS, 3) + [f"release-{index}-*" for index in range(many - 1)],
        "exclude_tags": lambda: some(TAG_GLOBS[:8], 2),
        "semver": lambda: random.choice(["*", "^1.4", ">=1.5.0-rc.1", "2.x"]),
    }
    return [
        {name: draw() for name, draw in optional.items() if random.random() < 0.5} for _ in range(random.randint(1, 4))
    ]


def draw_event(random: Random) -> dict[str, Any]:
    return event(
        {
            "repository": random.choice([word for word in WORDS if word not in ("App", "x")]),
            "tag": random.choice(TAGS),
            "account": random.choice([ACCOUNT, ACCOUNT, FOREIGN]),
            "kind": random.choice(["push", "replication", "cache", "trail"]),
        }
    )


LONG_NAMES = [*WORDS[:2], *(f"a-long-name-of-a-repository-{index}" for index in range(10))]
# Sets of rules by the parts of a push that are left to look at, once the pattern is short enough.
NARROWEST: dict[tuple[str, ...], list[dict[str, Any]]] = {
    ("one rule", "account", "repository-name", "image-tag"): [
        {"repositories": LONG_NAMES[:2], "tags": ["v*"]},
        {"tags": ["main-*"]},
    ],
    ("account", "repository-name", "image-tag"): [{"repositories": LONG_NAMES, "tags": [tag]} for tag in TAGS[:6]],
    ("account", "image-tag"): [
        {"tags": ["v*"]},
        *({"repositories": LONG_NAMES, "tags": [tag]} for tag in TAGS[:6]),
    ],
    ("account",): [{"repositories": [f"{name}-{index}" for name in LONG_NAMES for index in range(9)], "tags": ["v*"]}],
    (): [{"registries": [ACCOUNT, *(f"{number:012}" for number in range(150))]}],
}


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[dict[str, Any]]]:
    random = Random(20261123)  # noqa: S311 - no secret
    return {f"rules-{index}": draw_rules(random) for index in range(100)} | {
        " ".join(parts): rules for parts, rules in NARROWEST.items()
    }


@pytest.fixture(scope="module")
def found(drawn: dict[str, list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return patterns(tmp_path_factory.mktemp("patterns"), drawn)


def test_what_the_pattern_refuses_the_rules_refuse(
    drawn: dict[str, list[dict[str, Any]]], found: dict[str, str]
) -> None:
    """Five thousand events, fifty to each of a hundred sets of rules, of which the rules let many in."""
    random = Random(20261123)  # noqa: S311 - no secret
    refused = let_in = 0
    for name, rules in drawn.items():
        values = {
            "account_id": ACCOUNT,
            "table_name": "t",
            "queue_url": "q",
            "dead_letter_queue_url": "d",
            "rules": rules,
        }
        parsed = settings.from_environment({settings.VARIABLE: json.dumps(values)}).rules
        for _ in range(50):
            delivered = draw_event(random)
            push = events.parse(delivered)
            assert isinstance(push, Push)
            is_let_in = parsed.rejection(push.record) is None
            let_in += is_let_in
            if not matches(found[name], delivered):
                refused += 1
                assert not is_let_in, (rules, delivered, found[name])
    assert refused > 1000, "the patterns refuse next to nothing"
    assert let_in >= 1500


def test_eventbridge_takes_every_pattern(found: dict[str, str]) -> None:
    for pattern in found.values():
        assert len(pattern) <= LONGEST
        assert "**" not in pattern


@pytest.mark.parametrize("parts", NARROWEST)
def test_the_pattern_is_as_narrow_as_is_short_enough(found: dict[str, str], parts: tuple[str, ...]) -> None:
    native, *others = [one for one in json.loads(found[" ".join(parts)])["$or"] if "$or" in one["detail"]]
    filtered = {part for part, filters in {**native, **native["detail"]}.items() if filters != [{"exists": True}]}

    assert filtered & {"account", "repository-name", "image-tag"} == set(parts) - {"one rule"}
    assert bool(others) is ("one rule" in parts)
