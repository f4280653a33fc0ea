"""Prints what the tests of faults found, and turns moto on once for all."""

from collections.abc import Iterator
from itertools import count

import pytest
from moto import mock_aws

from tests.harness.fixtures import _clients, ecs, road
from tests.harness.road import Queues, queues

__all__ = ["_clients", "ecs", "road"]

_NUMBERS = count(1)
_FAULTS = pytest.StashKey[dict[str, list[str]]]()


@pytest.fixture(scope="session", autouse=True)
def _moto() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def aws_queues() -> Iterator[Queues]:
    """Two queues, for one test: what an earlier test sends late must not come into them."""
    made = queues(f"-{next(_NUMBERS)}")
    yield made
    for url in (made.url, made.dead_letter_url):
        made.client.delete_queue(QueueUrl=url)


@pytest.fixture(scope="session")
def printed(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """The table that stands below the test results: fault and operation, and further columns."""
    return request.config.stash.setdefault(_FAULTS, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of faults."""
    if rows := config.stash.get(_FAULTS, {}):
        terminalreporter.section("fault | operation | what came of one | what came of many, and why")
        for row, columns in rows.items():
            terminalreporter.write_line(" | ".join([row, *columns]))
