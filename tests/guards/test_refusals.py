"""What refusals are mended by is there: statements of the role's policy, and inputs."""

import re
from pathlib import Path

import pytest

from ecr_deploy.aws import refusals

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("action", "grant"), refusals.GRANTS.items())
def test_the_statement_and_the_input_are_there(action: str, grant: tuple[str, str]) -> None:
    statement, inputs = grant
    policies, variables = (ROOT / "iam.tf").read_text(), (ROOT / "variables.tf").read_text()

    assert f'"{statement}"' in policies
    assert f'"{action}"' in policies
    for name in re.findall(r"[a-z_]+", inputs):
        assert name in {"of", "and", "or"} or f'variable "{name}"' in variables or f"- {name}: " in variables, name
