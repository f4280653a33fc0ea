"""A start of the function under AWS's own runtime client, and what importing the package takes; the size of the zip."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import build_zip
from bench import function
from ecr_deploy.core import settings
from tests.harness.processes import child_process
from tests.harness.road import REGION

_CLIENT_ALONE = """
import boto3

client = boto3.client("ecs")


def handler(event, context):
    return event
"""
_IMPORT = """
import time, boto3, botocore.config, concurrent.futures.thread
start = time.perf_counter()
from ecr_deploy import deployer, report
from ecr_deploy.core import events, requests
from ecr_deploy.aws import sqs
print(time.perf_counter() - start)
"""
_PATIENCE = 30


def measure(starts: int = 20, imports: int = 20) -> dict[str, Any]:
    """Start us and the handler that only makes a client in turns, and compare."""
    with tempfile.TemporaryDirectory() as directory:
        ours, alone = Path(directory, "ours"), Path(directory, "alone")
        zipfile.ZipFile(build_zip.COMMITTED).extractall(ours)
        alone.mkdir()
        (alone / "alone.py").write_text(_CLIENT_ALONE)
        pairs = [(_start(ours, "ecr_deploy.handler.handler"), _start(alone, "alone.handler")) for _ in range(starts)]
        compiled = [_import(ours) for _ in range(imports)]
        _import(ours, PYTHONDONTWRITEBYTECODE="")
        cached = [_import(ours) for _ in range(imports)]
    return {
        "start_seconds": round(median(ours for ours, _ in pairs), 3),
        "client_alone_seconds": round(median(alone for _, alone in pairs), 3),
        "start_ratio": round(median(ours / alone for ours, alone in pairs), 3),
        "import_ms": round(median(cached) * 1000, 1),
        "import_compiling_ms": round(median(compiled) * 1000, 1),
        "zip_bytes": build_zip.COMMITTED.stat().st_size,
    }


def _start(directory: Path, handler: str) -> float:
    """The seconds from the start of the process until it asks for its first invocation."""
    with _runtime_api() as (address, asked):
        start = time.perf_counter()
        command = [sys.executable, "-m", "awslambdaric", handler]
        environment = _environment(directory, AWS_LAMBDA_RUNTIME_API=address, _HANDLER=handler)
        with child_process(command, env=environment, cwd=directory):
            if not asked.wait(_PATIENCE):
                message = f"{handler} did not start"
                raise RuntimeError(message)
            return time.perf_counter() - start


def _import(directory: Path, **variables: str) -> float:
    answer = subprocess.run(
        [sys.executable, "-c", _IMPORT], env=_environment(directory, **variables), capture_output=True, check=True
    )
    return float(answer.stdout)


def _environment(directory: Path, **variables: str) -> Mapping[str, str]:
    # Lambda's code is read-only: nothing compiled is kept.
    fixed = {"PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1", "AWS_LAMBDA_FUNCTION_NAME": "bench"}
    account = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "none"}
    configured = {settings.VARIABLE: json.dumps(function.SETTINGS), "AWS_SECRET_ACCESS_KEY": "none"}
    return {**os.environ, **fixed, **account, **configured, **variables}


@contextmanager
def _runtime_api() -> Iterator[tuple[str, threading.Event]]:
    """A runtime API that has no invocation to give; its address, and whether it was asked."""
    asked, over = threading.Event(), threading.Event()

    class Request(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            over.wait(_PATIENCE)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        over.set()
        server.shutdown()
        server.server_close()
