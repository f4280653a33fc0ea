"""Fixtures of the tests that need neither Terraform nor a server."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.harness.road import Queues, Road, queues
from tests.harness.strict_ecs import FakeClock, StrictEcs, reuse_clients


@pytest.fixture(autouse=True)
def _clients() -> Iterator[None]:
    yield
    reuse_clients()


@pytest.fixture
def ecs() -> StrictEcs:
    """An empty ECS, whose clock makes no one wait."""
    return StrictEcs(clock=FakeClock())


@pytest.fixture
def aws_queues() -> Iterator[Queues]:
    """The queue and its dead-letter queue, on moto."""
    with mock_aws():
        yield queues()


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    """The product on an empty ECS, with default settings."""
    return Road(ecs)
