"""The handler: what Lambda calls, wired to AWS and to the settings in its environment."""

import os
import time
from collections.abc import Mapping

from botocore.session import Session

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
    # All that boto3 would add to it is its import, a sixth of the start.
    make_client = Session().create_client
    return Dispatcher(Environment(settings.from_environment(variables), region, make_client, time))


handler = build_handler(os.environ)
