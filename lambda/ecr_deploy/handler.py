"""The handler: what Lambda calls, wired to AWS and to the settings in its environment."""

import gc
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
    return Dispatcher(Environment(settings.from_environment(variables), region, _session().create_client, time))


def _session() -> Session:
    """Make a session of botocore: all that boto3 would add to it is its import, a sixth of the start."""
    session = Session()
    # To know whether there is a service, the loader lists the directories of all 400. That it is not there is found out
    # where its model is loaded, too.
    session.get_component("data_loader").list_available_services = lambda type_name: _ANY  # noqa: ARG005
    return session


class _Any:
    def __contains__(self, name: str) -> bool:
        return True


_ANY = _Any()

# Of the megabytes of JSON that a client is made from, nothing is garbage: looking for some is a sixth of the start.
gc.disable()
handler = build_handler(os.environ)
# Nor will it ever be: collections of an invocation pass by it.
gc.freeze()
gc.enable()
