"""One moto server for all the end-to-end tests, and fixtures that pytest-terraform applies."""

from collections.abc import Iterator

import pytest
from pytest_terraform import tf

from tests.harness.moto_server import moto_server
from tests.harness.terraform import copy_module


def pytest_sessionstart(session: pytest.Session) -> None:
    # Not as a conftest's own: pytest-terraform's decorator needs pytest to be configured when it is called.
    session.config.pluginmanager.import_plugin("tests.e2e.fixtures")


@pytest.fixture(scope="session", autouse=True)
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The only AWS in reach, and a copy of the module to apply to it."""
    directory = tmp_path_factory.mktemp("aws")
    tf.LazyModuleDir.value = str(copy_module(directory / "module"))
    with moto_server(directory / "moto.log"):
        yield
