"""The product on a strict ECS."""

import pytest

from tests.harness.command_line import CommandLine
from tests.harness.fixtures import _clients, _moto, aws_queues, ecs, moto, road
from tests.harness.strict_ecs import StrictEcs

__all__ = ["_clients", "_moto", "aws_queues", "ecs", "line", "moto", "road"]


@pytest.fixture
def line(ecs: StrictEcs, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Somebody who asks the function from a command line."""
    for name in ("ECR_DEPLOY_FUNCTION", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(ecs)
