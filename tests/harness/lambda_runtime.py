"""Runs a deployed function as Lambda does: its zip, its configuration, AWS's own runtime client.

    with Function("ecr-deploy", Path("lambda/ecr_deploy.zip")) as function:
        answer = function.invoke({"repository": "app", "tag": "v2"})

A *sandbox* is one process and the runtime API that it polls. The function starts one when it is first invoked, keeps it
warm, and replaces it when it died or ran out of time.
"""

import base64
import hashlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import boto3

from tests.harness.processes import child_process

_API = "/2018-06-01/runtime"
_START_SECONDS = 10
_SHUTDOWN_SECONDS = 0.02


class FunctionFailedError(Exception):
    """The function raised, died or ran out of time; `payload` is the error as Lambda answers it."""

    def __init__(self, payload: dict[str, Any]) -> None:
        super().__init__(f"{payload['errorType']}: {payload['errorMessage']}\n{''.join(payload.get('stackTrace', []))}")
        self.payload = payload


@dataclass(frozen=True)
class _Answer:
    payload: Any
    failed: bool = False
    process_lost: bool = False


class _RuntimeApi(ThreadingHTTPServer):
    """What Lambda serves to a runtime: the next invocation, and a place for its answer."""

    daemon_threads = True

    def __init__(self, function_arn: str, timeout: int) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApiRequest)
        self.function_arn = function_arn
        self.timeout_seconds = timeout
        self.started = threading.Event()
        self.events = queue.SimpleQueue[str | None]()
        self.answers = queue.SimpleQueue[_Answer]()

    def answer(self, answer: _Answer) -> None:
        self.answers.put(answer)
        self.started.set()


class _RuntimeApiRequest(BaseHTTPRequestHandler):
    server: _RuntimeApi

    def do_GET(self) -> None:
        self.server.started.set()
        event = self.server.events.get()
        if event is None:
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", self.server.function_arn)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + self.server.timeout_seconds) * 1000)))
        self.end_headers()
        self.wfile.write(event.encode())

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(HTTPStatus.ACCEPTED)
        self.end_headers()
        answer = _Answer(payload, failed=self.path.endswith("/error"), process_lost=self.path == f"{_API}/init/error")
        self.server.answers.put(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the function's own log is what counts."""


class _Sandbox:
    def __init__(self, configuration: dict[str, Any], task_root: str, log: Path) -> None:
        self._timeout: int = configuration["Timeout"]
        with ExitStack() as stack:
            self._api = stack.enter_context(_RuntimeApi(configuration["FunctionArn"], self._timeout))
            threading.Thread(target=self._api.serve_forever, args=(_SHUTDOWN_SECONDS,), daemon=True).start()
            stack.callback(self._api.shutdown)
            stack.callback(self._api.events.put, None)
            self._process = stack.enter_context(
                child_process(
                    [sys.executable, "-m", "awslambdaric", configuration["Handler"]],
                    stdout=stack.enter_context(log.open("a")),
                    stderr=subprocess.STDOUT,
                    env=_environment(configuration, task_root, f"127.0.0.1:{self._api.server_port}"),
                    cwd=task_root,
                )
            )
            threading.Thread(target=self._watch, daemon=True).start()
            self.close = stack.pop_all().close

    def _watch(self) -> None:
        code = self._process.wait()
        error = {"errorType": "Runtime.ExitError", "errorMessage": f"Runtime exited with status {code}"}
        self._api.answer(_Answer(error, failed=True, process_lost=True))

    def invoke(self, event: object) -> _Answer:
        self._api.events.put(json.dumps(event))
        self._api.started.wait(_START_SECONDS)
        try:
            return self._api.answers.get(timeout=self._timeout)
        except queue.Empty:
            error = {"errorType": "Sandbox.Timedout", "errorMessage": f"Task timed out after {self._timeout} seconds"}
            return _Answer(error, failed=True, process_lost=True)


class Function:
    """A function that Lambda knows by this name, run from the zip that it was deployed from."""

    def __init__(self, name: str, code: Path) -> None:
        self._configuration = boto3.client("lambda").get_function_configuration(FunctionName=name)
        archive = code.read_bytes()
        if self._configuration["CodeSha256"] != base64.b64encode(hashlib.sha256(archive).digest()).decode():
            message = f"{name} was deployed from another zip than {code}"
            raise ValueError(message)
        self.arn: str = self._configuration["FunctionArn"]
        self._code = code
        self._sandbox: _Sandbox | None = None
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        directory = Path(self._resources.enter_context(tempfile.TemporaryDirectory()))
        self._task_root = directory / "task"
        self._log = directory / "log"
        self._log.touch()
        with zipfile.ZipFile(self._code) as archive:
            archive.extractall(self._task_root)
        return self

    def __exit__(self, *_: object) -> None:
        self._discard_sandbox()
        self._resources.close()

    def invoke(self, event: object) -> Any:
        """Return the function's answer, or raise FunctionFailedError."""
        if self._sandbox is None:
            self._sandbox = _Sandbox(self._configuration, str(self._task_root), self._log)
        answer = self._sandbox.invoke(event)
        if answer.process_lost:
            self._discard_sandbox()
        if answer.failed:
            raise FunctionFailedError(answer.payload)
        return answer.payload

    @property
    def logs(self) -> list[dict[str, Any]]:
        """All that the function has logged so far; a line that is not JSON stands as a message."""
        return [
            json.loads(line) if line.startswith("{") else {"message": line}
            for line in self._log.read_text().splitlines()
            if line
        ]

    def _discard_sandbox(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None


def _environment(configuration: dict[str, Any], task_root: str, runtime_api: str) -> dict[str, str]:
    """Return what a function sees: its own variables and Lambda's, and of this machine the road to AWS alone.

    Lambda's are the credentials of the function's role.
    """
    session = {"RoleArn": configuration["Role"], "RoleSessionName": configuration["FunctionName"]}
    credentials = boto3.client("sts").assume_role(**session)["Credentials"]
    machine = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {
        **machine,
        **configuration.get("Environment", {}).get("Variables", {}),
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{configuration['Runtime']}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration["MemorySize"]),
        "AWS_LAMBDA_FUNCTION_NAME": configuration["FunctionName"],
        "AWS_LAMBDA_FUNCTION_VERSION": configuration["Version"],
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        # The module asks for JSON, but moto's answer has no logging configuration.
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{configuration['FunctionName']}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"[$LATEST]{uuid.uuid4().hex}",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": task_root,
        "LANG": "en_US.UTF-8",
        "PATH": os.environ["PATH"],
        # The runtime's image can't be relied on to hold time zones.
        "PYTHONTZPATH": "",
        "TZ": ":/etc/localtime",
        "_HANDLER": configuration["Handler"],
    }
