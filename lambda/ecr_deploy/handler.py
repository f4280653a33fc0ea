"""The handler: what Lambda calls, wired to AWS and to the settings in its environment."""

import os
import time
from collections.abc import Mapping

import boto3

from ecr_deploy.aws import calls
from ecr_deploy.core import settings
from ecr_deploy.dispatch import Dispatcher
from ecr_deploy.environment import Environment


def build_handler(variables: Mapping[str, str]) -> Dispatcher:
    """Make the function ready to be invoked.

    Raises:
        InvalidSettingsError: a setting is missing or malformed.
        RuntimeTooOldError: the runtime's boto3 is.

    """
    calls.check_runtime()
    region = variables["AWS_REGION"]
    return Dispatcher(Environment(settings.from_environment(variables), region, boto3.client, time))


handler = build_handler(os.environ)
