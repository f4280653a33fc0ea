"""The connection: the deployed function, which is asked, and AWS with the caller's own credentials."""

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from botocore.config import Config
from botocore.exceptions import NoCredentialsError

from ecr_deploy.aws.calls import CONFIG, Api, Maybe, Shape, check_runtime
from ecr_deploy.aws.pacing import Clock, Pacer
from ecr_deploy.cli.empty_table import EmptyTable
from ecr_deploy.core import settings
from ecr_deploy.core.errors import CallError, EcrDeployError, InvalidRequestError
from ecr_deploy.core.reading import InvalidSettingsError
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment

# The function may take as long as Lambda allows, and a request must not be made twice.
_PATIENT = CONFIG.merge(Config(read_timeout=910, retries={"total_max_attempts": 1}))
# What a function answers where the request is wrong, and not the world.
_OF_THE_CALLER = frozenset({"InvalidRequestError", "InvalidSettingsError"})

Answer = dict[str, Any]


class World(NamedTuple):
    """What the command line runs in: how a session of boto3 is made, and a clock."""

    make_session: Callable[..., Any]
    clock: Clock = time


class RefusedError(EcrDeployError):
    """What the function answered instead of doing what it was asked for."""


class Connection:
    """Whom commands ask. Nothing is connected before it is asked.

    Its methods raise CallError where AWS refuses or does not answer, InvalidRequestError and InvalidSettingsError where
    the caller is wrong, and RefusedError where the function could not do it.
    """

    def __init__(self, world: World, function: str, region: str | None, profile: str | None) -> None:
        self.function = function
        self.clock = world.clock
        self._make_session = world.make_session
        self._where = {"region_name": region, "profile_name": profile}
        self._apis: dict[tuple[str, str | None], Api] = {}

    # What a plan of everything asks beside a scope.
    plans_from_the_start: Mapping[str, Any] = MappingProxyType({})

    @cached_property
    def session(self) -> Any:
        """The caller's session of boto3."""
        check_runtime()
        session = self._make_session(**self._where)
        if session.region_name is None:
            message = "There is no AWS region: give --region, or set AWS_REGION."
            raise InvalidRequestError(message)
        if session.get_credentials() is None:
            # Each call would try it again and again.
            raise NoCredentialsError
        return session

    @property
    def region(self) -> str:
        """The region."""
        return str(self.session.region_name)

    def api(self, service: str, region: str | None = None) -> Api:
        """One of AWS's services, with the caller's credentials."""
        session = self.session
        where = {"region_name": region} if region else {}
        config = _PATIENT if service == "lambda" else CONFIG
        make: Callable[[], Any] = lambda: session.client(service, config=config, **where)  # noqa: E731
        return self._apis.setdefault((service, region), Api(make, Pacer(self.clock)))

    def ask(self, request: Mapping[str, Any]) -> Answer:
        """Ask the function."""
        needs: Shape = {"FunctionError": Maybe(str)}
        arguments = {"FunctionName": self.function, "Payload": json.dumps(request).encode()}
        try:
            answer = self.api("lambda").call_once("Invoke", self.function, needs, arguments)
        except CallError as error:
            raise self._explained(error) from error
        payload = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise _refusal(payload)
        return dict(payload)

    @cached_property
    def caller(self) -> Mapping[str, str]:
        """Whose credentials these are, as STS says: Account, Arn.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        """
        needs: Shape = {"Account": str, "Arn": str}
        return self.api("sts").call("GetCallerIdentity", "these credentials", needs)

    @property
    def by(self) -> str:
        """Who asks: the name of the user, or of the session of a role."""
        return self.caller["Arn"].rpartition("/")[2]

    @property
    def account(self) -> str:
        """The account."""
        return self.caller["Account"]

    @cached_property
    def configuration(self) -> Mapping[str, Any]:
        """How the function is configured.

        https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html
        """
        needs: Shape = {
            "FunctionArn": str,
            "Role": Maybe(str),
            "Environment": Maybe({"Error": Maybe(dict), "Variables": Maybe(dict)}),
            "LoggingConfig": Maybe({"LogGroup": Maybe(str)}),
        }
        lambda_ = self.api("lambda")
        try:
            return lambda_.call("GetFunctionConfiguration", self.function, needs, FunctionName=self.function)
        except CallError as error:
            raise self._explained(error) from error

    @cached_property
    def values(self) -> dict[str, Any]:
        """The settings as Terraform wrote them for the function."""
        environment = self.configuration.get("Environment") or {}
        if problem := environment.get("Error"):
            message = f"{self.function} does not give its settings: {problem['ErrorCode']}: {problem['Message']}"
            raise InvalidSettingsError(message)
        variables = environment.get("Variables") or {}
        if settings.VARIABLE not in variables:
            message = f"{self.function} is no function of ecr-deploy: it has no variable {settings.VARIABLE}."
            raise InvalidSettingsError(message)
        values: dict[str, Any] = json.loads(variables[settings.VARIABLE])
        return values

    @property
    def settings(self) -> Settings:
        """The function's settings."""
        return settings.from_environment({settings.VARIABLE: json.dumps(self.values)})

    @property
    def environment(self) -> Environment:
        """The function's own code, here, with the caller's credentials; its table is left alone."""
        environment = Environment(self.settings, self.region, self.session.client, self.clock)
        environment.table = EmptyTable(self.api("dynamodb"), "none", "none")
        return environment

    def _explained(self, error: CallError) -> EcrDeployError:
        """An error that says what to do about it, where that is known."""
        if error.code != "ResourceNotFoundException":
            return error
        text = (
            f"There is no function {self.function} in region {self.region} of account {self.account}. Give --function "
            "and --region, or set ECR_DEPLOY_FUNCTION. Before there is one, --local with --rules FILE says what it "
            "would do."
        )
        return InvalidRequestError(text)


def _refusal(payload: Mapping[str, Any]) -> EcrDeployError:
    """The error of an answer of a function that failed.

    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """
    kind, text = str(payload.get("errorType", "")), str(payload.get("errorMessage", payload))
    if kind in _OF_THE_CALLER:
        return InvalidRequestError(text)
    return RefusedError(text if kind.endswith("Error") and " " in text else f"The function failed: {kind}: {text}")


def default_function() -> str:
    """The function that is asked unless another is named."""
    return os.environ.get("ECR_DEPLOY_FUNCTION") or "ecr-deploy"
