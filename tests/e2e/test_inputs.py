"""Whatever a plan takes, the function takes: one list of made-up inputs, judged by Terraform and by the function."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ecr_deploy.core import settings
from ecr_deploy.core.reading import InvalidSettingsError
from tests.harness.terraform import Root, copy_module

pytestmark = pytest.mark.usefixtures("aws")

NAME = "plans"
LISTS = Path(__file__).parents[1] / "rules"
REQUIRED = {
    "account_id": "123456789012",
    "table_name": "t",
    "queue_url": "https://q",
    "dead_letter_queue_url": "https://d",
}
SEMVER = [
    "1",
    "0",
    "01",
    "2",
    "12",
    ".",
    ".",
    ".",
    "x",
    "*",
    "v",
    "^",
    "~",
    ">",
    "<",
    "=",
    "!",
    "-",
    " ",
    ",",
    "||",
    "rc",
    "+",
]
ORDER = [
    "^",
    "$",
    "(",
    ")",
    "(?:",
    "(?P<n>",
    "[0-9]",
    "[^-]",
    "[a-z",
    "]",
    "+",
    "*",
    "?",
    "{3}",
    "{1,2}",
    "|",
    r"\d",
    r"\w",
    "-",
]
ORDER += ["main", "_", ".", "9", "[0-9]+", "(?=", "\\1"]
GLOB = ["a", "B", "0", "-", "_", "*", "?", "[a-z]", "[!0]", "[", "]", "/", ".", " ", "é"]


def made_up(pieces: list[str], known: list[str], random: Random) -> str:
    """A text of some pieces, or a known one with a slip in it."""
    if known and random.random() < 0.6:
        text = list(random.choice(known))
        for _ in range(random.randint(0, 2)):
            text.insert(random.randint(0, len(text)), random.choice(pieces))
        if text and random.random() < 0.5:
            del text[random.randrange(len(text))]
        return "".join(text)
    return "".join(random.choices(pieces, k=random.randint(1, 8)))


def semver(random: Random) -> dict[str, object]:
    return {"semver": made_up(SEMVER, json.loads((LISTS / "semver.json").read_text())["valid"], random)}


def order_by(random: Random) -> dict[str, object]:
    known = [order["pattern"] for order in json.loads((LISTS / "order_by.json").read_text())["valid"]]
    kind = random.choice(["number", "text", "text", "date"])
    return {"order_by": {"pattern": made_up(ORDER, known, random), "type": kind}}


def globs(random: Random) -> dict[str, object]:
    field = random.choice(["repositories", "tags", "clusters", "services", "containers", "families"])
    return {field: [made_up(GLOB, [], random)]}


def takes(rule: dict[str, object]) -> bool:
    """Whether the function starts with the rule."""
    try:
        settings.from_environment({settings.VARIABLE: json.dumps({**REQUIRED, "rules": [rule]})})
    except InvalidSettingsError:
        return False
    return True


@pytest.mark.parametrize(("make", "count"), [(semver, 2000), (order_by, 2000), (globs, 1000)])
def test_what_a_plan_takes_the_function_takes(
    make: Callable[[Random], dict[str, object]], count: int, tmp_path: Path
) -> None:
    random = Random(20261125)  # noqa: S311 - no secret
    rules = [make(random) for _ in range(count)]
    # One that is refused for certain makes the plan list all that are.
    rules.append({"semver": "none"})

    with pytest.raises(subprocess.CalledProcessError) as failed:
        Root(copy_module(tmp_path) / "plans").plan(inputs={NAME: {"rules": rules}})

    refused = {int(number) for number in re.findall(r"rules\[(\d+)\]\.\w+\s+(?:is|holds)\s", failed.value.stderr)}
    assert count in refused
    taken = [rule for index, rule in enumerate(rules) if index not in refused]
    assert len(taken) > count / 20
    assert [rule for rule in taken if not takes(rule)] == []
    if make is not globs:
        assert [rule for index, rule in enumerate(rules) if index in refused and takes(rule)] == []
