"""The command line in this process, in front of a function that answers as the product does."""

import io
import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from ecr_deploy.cli.connection import World
from ecr_deploy.cli.main import cli
from ecr_deploy.core import settings
from ecr_deploy.core.errors import EcrDeployError
from tests.harness.road import ACCOUNT, APP, REGION, Context, Registry, Road, definition
from tests.harness.strict_ecs import StrictEcs

FUNCTION = {
    "account_id": ACCOUNT,
    "table_name": "ecr-deploy",
    "queue_url": "https://queue",
    "dead_letter_queue_url": "https://dead",
}


def refused(operation: str, code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}}, operation)


class Lambda:
    """Lambda with one function, which answers as the product does."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self.variables: dict[str, Any] | None = {settings.VARIABLE: json.dumps(FUNCTION)}
        self.error: dict[str, str] | None = None
        self.asked: list[dict[str, Any]] = []

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self._find("GetFunctionConfiguration", FunctionName)
        environment = {"Environment": {"Error": self.error}} if self.error else {}
        if self.variables is not None:
            environment = {"Environment": {"Variables": self.variables}}
        return {"FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:ecr-deploy", **environment}

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self._find("Invoke", FunctionName)
        request = json.loads(Payload)
        self.asked.append(request)
        try:
            answer = self._answer(request)
        except EcrDeployError as error:
            failed = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []}
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(failed).encode())}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}

    def _answer(self, request: dict[str, Any]) -> Any:
        return self._road.handler(request, Context())

    @staticmethod
    def _find(operation: str, name: str) -> None:
        if name != "ecr-deploy":
            raise refused(operation, "ResourceNotFoundException", "Function not found")


class Callers:
    """As much of STS as says whose credentials these are."""

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/jane"}


class Session:
    """A session of boto3 whose clients are the road's, and those that only the command line has."""

    def __init__(self, road: Road, own: dict[str, Any]) -> None:
        self._road = road
        self.own = {"sts": Callers(), **own}
        self.region_name: str | None = REGION
        self.credentials: object | None = "some"

    def get_credentials(self) -> object | None:
        return self.credentials

    def client(self, service: str, **kwargs: Any) -> Any:
        return self.own.get(service) or self._road.client(service, **kwargs)


class CommandLine:
    """A caller at a terminal, or in a pipe; two services run app:v1, and v2 is in the registry."""

    def __init__(self, ecs: StrictEcs) -> None:
        self.ecs = ecs
        self.registry = Registry()
        for tag, time in (("v1", "2026-11-23T05:00:00Z"), ("v2", "2026-11-23T06:00:00Z")):
            self.registry.push(tag, time=time)
        app = ecs.register(definition("api", f"{APP}:v1"))
        ecs.add_service("prod", "api", app, service_revisions=True)
        ecs.add_service("prod", "web", ecs.register(definition("web", "nginx", f"{APP}:v1")), service_revisions=True)
        self.configure()

    def configure(self, **inputs: Any) -> None:
        """Deploy the function with inputs."""
        self.road = Road(self.ecs, clients={"ecr": self.registry}, inputs=inputs)
        self.function = Lambda(self.road)
        self.session = Session(self.road, {"lambda": self.function})

    def run(self, *words: str, clock: Any = None, keys: str | None = None, **env: str | None) -> Result:
        """Type words, and, at a terminal, keys; a traceback is no end of a command."""
        world = World(lambda **_: self.session, clock or self.ecs.clock)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ecr_deploy.cli.screen.is_terminal", lambda: keys is not None)
            result = CliRunner().invoke(cli, list(words), obj=world, input=keys, env=env, prog_name="ecr-deploy")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result


def rows(result: Result) -> list[list[str]]:
    """The cells of every line that was shown."""
    return [re.split(r" {2,}", line) for line in result.stdout.splitlines()]


def answer(result: Result) -> Any:
    """The answer for programs."""
    return json.loads(result.stdout)
