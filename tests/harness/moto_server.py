"""An AWS of our own: a moto server on loopback, and nothing else in reach."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.processes import child_process

REGION = "eu-west-1"


@contextmanager
def moto_server(log: Path) -> Iterator[str]:
    """Run a moto server, make it the only AWS that this process and its children know, and yield its address."""
    command = [sys.executable, "-m", "tests.harness.moto_process"]
    root = Path(__file__).parents[2]
    with (
        log.open("w") as errors,
        child_process(command, stdin=subprocess.PIPE, stderr=errors, cwd=root) as process,
    ):
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            message = f"moto server did not start:\n{log.read_text()}"
            raise RuntimeError(message)
        with only_aws(f"http://127.0.0.1:{port}") as address:
            yield address


@contextmanager
def only_aws(address: str) -> Iterator[str]:
    """Replace every AWS setting of the environment, a person's own account included, until the end."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ.update(
        AWS_ENDPOINT_URL=address,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",  # noqa: S106
        AWS_REGION=REGION,
        AWS_DEFAULT_REGION=REGION,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="127.0.0.1",
        no_proxy="127.0.0.1",
    )
    try:
        yield address
    finally:
        os.environ.clear()
        os.environ.update(before)
