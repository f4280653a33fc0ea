"""What Terraform leaves out of the settings is what the function takes for granted."""

import json
import re
from pathlib import Path

import pytest

from ecr_deploy.core import settings
from tests.harness.road import ACCOUNT

ROOT = Path(__file__).parents[2]
LEAST: dict[str, object] = {
    "account_id": ACCOUNT,
    "queue_url": "https://queue",
    "dead_letter_queue_url": "https://dead",
}
RULES = (ROOT / "variables.tf").read_text().partition('variable "rules"')[2].partition("\n}\n")[0]
FIELDS_OF_A_RULE = set(re.findall(r"(\w+) += optional", RULES))
MAIN = (ROOT / "main.tf").read_text()
SETTINGS = set(re.findall(r"(\w+) +=", MAIN.partition("optional_settings = {")[2].partition("}")[0]))


def left_out() -> list[tuple[str, object]]:
    """The inputs with the values that main.tf does not hand over."""
    [entries] = re.findall(r"taken_for_granted = \[\n(.*?)\n  \]", MAIN, re.DOTALL)
    pairs = (json.loads(line.strip().removesuffix(",")).split("=", 1) for line in entries.splitlines())
    return [(name, json.loads(value)) for name, value in pairs]


def read(**values: object) -> settings.Settings:
    return settings.from_environment({settings.VARIABLE: json.dumps({**LEAST, **values})})


def test_it_is_left_out_of_every_field_of_a_rule() -> None:
    assert {name for name, _ in left_out()} > FIELDS_OF_A_RULE


@pytest.mark.parametrize(("name", "value"), left_out())
def test_it_is_the_default(name: str, value: object) -> None:
    assert name in FIELDS_OF_A_RULE | SETTINGS
    if name in FIELDS_OF_A_RULE:
        assert read(rules=[{name: value}]) == read()
    if name in SETTINGS:
        assert read(**{name: value}) == read()
