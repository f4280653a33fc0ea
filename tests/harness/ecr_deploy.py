"""The command line in front of moto, which can't run a function: `python -m tests.harness.ecr_deploy WORD …`.

All but the invocation of the function is asked of moto; the function runs from its zip, as Lambda would run it.
"""

import io
import json
import time
from typing import Any

import boto3

from ecr_deploy.cli.connection import World
from ecr_deploy.cli.main import cli
from tests.harness.lambda_runtime import Function, FunctionFailedError
from tests.harness.terraform import ZIP


class _Lambda:
    """Lambda, which invokes for real."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self._client.get_function_configuration(FunctionName=FunctionName)
        with Function(FunctionName, ZIP) as function:
            try:
                answer, error = function.invoke(json.loads(Payload)), {}
            except FunctionFailedError as failed:
                answer, error = failed.payload, {"FunctionError": "Unhandled"}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode()), **error}


class _Session:
    """A session whose Lambda invokes for real."""

    def __init__(self, **where: Any) -> None:
        self._session = boto3.Session(**where)
        self.region_name = self._session.region_name
        self.get_credentials = self._session.get_credentials

    def client(self, service: str, **kwargs: Any) -> Any:
        client = self._session.client(service, **kwargs)
        return _Lambda(client) if service == "lambda" else client


class _Clock:
    """Time that nobody waits for: on moto no rollout ends."""

    def __init__(self) -> None:
        self._slept = 0.0

    def time(self) -> float:
        return time.time() + self._slept

    def sleep(self, seconds: float, /) -> None:
        self._slept += seconds * 60


if __name__ == "__main__":
    cli(prog_name="ecr-deploy", obj=World(_Session, _Clock()))
