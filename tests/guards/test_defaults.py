"""The defaults in settings.tf, which Terraform leaves out of the settings, are those of the function."""

import json
from pathlib import Path
from typing import Any

import hcl2
import pytest

from ecr_deploy.core import settings
from tests.harness.road import ACCOUNT

ROOT = Path(__file__).parents[2]
REQUIRED: dict[str, object] = {
    "account_id": ACCOUNT,
    "table_name": "table",
    "queue_url": "https://queue",
    "dead_letter_queue_url": "https://dead",
}


_OPTIONS = hcl2.SerializationOptions(with_comments=False, strip_string_quotes=True)
LOCALS: dict[str, Any] = {
    name: value
    for file in ("settings.tf", "validation.tf")
    for block in hcl2.loads((ROOT / file).read_text(), serialization_options=_OPTIONS)["locals"]
    for name, value in block.items()
}
DEFAULTS: dict[str, dict[str, Any]] = LOCALS["defaults"]


def read(**values: object) -> settings.Settings:
    return settings.from_environment({settings.VARIABLE: json.dumps({**REQUIRED, **values})})


@pytest.mark.parametrize(("name", "value"), DEFAULTS["settings"].items())
def test_a_setting(name: str, value: object) -> None:
    assert read(**{name: value}) == read()


@pytest.mark.parametrize(("name", "value"), DEFAULTS["rules"].items())
def test_a_field_of_a_rule(name: str, value: object) -> None:
    assert read(rules=[{name: value}]) == read()


def test_every_input_and_every_field_has_its_default() -> None:
    assert DEFAULTS["rules"].keys() == LOCALS["fields"]["rules[*]"].keys()
    assert DEFAULTS["settings"].keys() == LOCALS["inputs"].keys()
