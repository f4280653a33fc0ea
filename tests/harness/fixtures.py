"""Fixtures of the tests that need neither Terraform nor a server."""

from collections.abc import Iterator

import pytest
from moto import mock_aws
from moto.core.base_backend import BackendDict

from tests.harness.road import BROKEN, Queues, Road, queues
from tests.harness.strict_ecs import FakeClock, StrictEcs, reuse_clients


@pytest.fixture(autouse=True)
def _clients() -> Iterator[None]:
    BROKEN.clear()
    yield
    reuse_clients()
    assert not BROKEN, "an event or a message is not what its schema says"


@pytest.fixture
def ecs() -> StrictEcs:
    """An empty ECS, whose clock makes no one wait."""
    return StrictEcs(clock=FakeClock())


@pytest.fixture(scope="session")
def _moto() -> Iterator[None]:
    """One moto for all tests: to start it takes longer than a test does."""
    with mock_aws():
        yield


@pytest.fixture
def moto(_moto: None) -> None:
    """An empty account."""
    BackendDict.reset()


@pytest.fixture
def aws_queues(moto: None) -> Queues:
    """The queue and its dead-letter queue, on moto."""
    del moto
    return queues()


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    """The product on an empty ECS, with default settings."""
    return Road(ecs)
