"""The handler: what Lambda calls, wired to AWS and to the settings in its environment."""

import os
import time
from collections.abc import Mapping

import boto3

from ecr_deploy.core import settings
from ecr_deploy.door import Door


def open_door(environment: Mapping[str, str]) -> Door:
    """Make the function ready to answer.

    Raises:
        InvalidSettingsError: a setting is missing or malformed.

    """
    return Door(settings.from_environment(environment), environment["AWS_REGION"], boto3.client, time)


handler = open_door(os.environ)
