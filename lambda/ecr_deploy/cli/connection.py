"""The connection: settings of the deployed function or of the command line, and a door that uses them from here."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.aws import calls
from ecr_deploy.aws.pacing import Clock
from ecr_deploy.core import settings
from ecr_deploy.core.errors import InvalidRequestError
from ecr_deploy.core.settings import InvalidSettingsError, Settings
from ecr_deploy.door import Door

# Only the function reads its queue.
_NO_QUEUES = {"queue_url": "none", "dead_letter_queue_url": "none"}


def connect(read: argparse.Namespace, session: Any, clock: Clock) -> Door:
    """Make everything ready to ask.

    Raises:
        CallError: AWS does not tell the function's settings, or whose credentials these are.
        InvalidRequestError: no region is given.
        InvalidSettingsError: a setting is malformed.

    """
    if session.region_name is None:
        message = "There is no AWS region: give --region, or set AWS_REGION."
        raise InvalidRequestError(message)
    return Door(_settings(read, session.client), session.region_name, session.client, clock)


def _settings(read: argparse.Namespace, client: Callable[..., Any]) -> Settings:
    values: dict[str, Any] = {**_NO_QUEUES}
    if read.function:
        values |= _deployed(client("lambda"), read.function)
    for assignment in read.settings:
        name, is_assignment, text = assignment.partition("=")
        if not is_assignment:
            message = f"--set needs a name and a value, NAME=VALUE, but it is {assignment}."
            raise InvalidSettingsError(message)
        values[name] = _value(text)
    # As JSON it would be a number.
    values["account_id"] = str(values.get("account_id") or _account(client("sts")))
    return settings.from_environment({settings.VARIABLE: json.dumps(values)})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _deployed(client: Any, function: str) -> dict[str, Any]:
    """Read the settings of the deployed function.

    https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html
    """
    operation = "GetFunctionConfiguration"
    try:
        environment = client.get_function_configuration(FunctionName=function).get("Environment", {})
    except (ClientError, BotoCoreError) as error:
        raise calls.explain(error, operation, function) from error
    if problem := environment.get("Error"):
        message = f"{function} does not tell its settings: {problem['ErrorCode']}: {problem['Message']}"
        raise InvalidSettingsError(message)
    variables = environment.get("Variables", {})
    if settings.VARIABLE not in variables:
        message = f"{function} is no function of ecr-deploy: it has no variable {settings.VARIABLE}."
        raise InvalidSettingsError(message)
    values: dict[str, Any] = json.loads(variables[settings.VARIABLE])
    return values


def _account(client: Any) -> str:
    try:
        return str(client.get_caller_identity()["Account"])
    except (ClientError, BotoCoreError) as error:
        raise calls.explain(error, "GetCallerIdentity", "these credentials") from error
