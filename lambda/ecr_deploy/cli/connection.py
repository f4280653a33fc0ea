"""The connection: settings of the deployed function or of the command line, and an environment that uses them."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from ecr_deploy.aws.calls import CONFIG, Api, Maybe, Shape, check_runtime
from ecr_deploy.aws.pacing import Clock, Pacer
from ecr_deploy.cli.empty_table import EmptyTable
from ecr_deploy.core import settings
from ecr_deploy.core.errors import InvalidRequestError
from ecr_deploy.core.settings import InvalidSettingsError, Settings
from ecr_deploy.environment import Environment

# Only the function reads its queue.
_NO_QUEUES = {"table_name": "none", "queue_url": "none", "dead_letter_queue_url": "none"}


def connect(read: argparse.Namespace, session: Any, clock: Clock) -> Environment:
    """Make everything ready to ask.

    Raises:
        CallError: AWS does not give the function's settings, or whose credentials these are.
        InvalidRequestError: no region is given.
        InvalidSettingsError: a setting is malformed.
        RuntimeTooOldError: boto3 is too old.

    """
    check_runtime()
    if session.region_name is None:
        message = "There is no AWS region: give --region, or set AWS_REGION."
        raise InvalidRequestError(message)

    def api(service: str) -> Api:
        return Api(lambda: session.client(service, config=CONFIG), Pacer(clock))

    environment = Environment(_settings(read, api), session.region_name, session.client, clock)
    if not read.function:
        environment.table = EmptyTable(api("dynamodb"), "none", "none")
    return environment


def _settings(read: argparse.Namespace, api: Callable[[str], Api]) -> Settings:
    values: dict[str, Any] = {**_NO_QUEUES}
    if read.function:
        values |= _deployed(api("lambda"), read.function)
    for assignment in read.settings:
        name, is_assignment, text = assignment.partition("=")
        if not is_assignment:
            message = f"--set needs a name and a value, NAME=VALUE, but it is {assignment}."
            raise InvalidSettingsError(message)
        values[name] = _value(text)
    # As JSON it would be a number.
    values["account_id"] = str(values.get("account_id") or _account(api("sts")))
    return settings.from_environment({settings.VARIABLE: json.dumps(values)})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _deployed(api: Api, function: str) -> dict[str, Any]:
    """Read the settings of the deployed function.

    https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html
    """
    needs: Shape = {"Environment": Maybe({"Error": Maybe(dict), "Variables": Maybe(dict)})}
    answer = api.call("GetFunctionConfiguration", function, needs, FunctionName=function)
    environment = answer.get("Environment") or {}
    if problem := environment.get("Error"):
        message = f"{function} does not give its settings: {problem['ErrorCode']}: {problem['Message']}"
        raise InvalidSettingsError(message)
    variables = environment.get("Variables", {})
    if settings.VARIABLE not in variables:
        message = f"{function} is no function of ecr-deploy: it has no variable {settings.VARIABLE}."
        raise InvalidSettingsError(message)
    values: dict[str, Any] = json.loads(variables[settings.VARIABLE])
    return values


def _account(api: Api) -> str:
    return str(api.call("GetCallerIdentity", "these credentials", {"Account": str})["Account"])
