"""boto3 clients for the doubles. A client costs more than a test does, so that they are lent and lent again."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, cast

import boto3.session
from botocore import UNSIGNED
from botocore.config import Config

from .validation import botocore_session

if TYPE_CHECKING:
    from botocore.client import BaseClient

_SESSION_LOCK = threading.Lock()  # botocore's sessions are not thread-safe
_idle: defaultdict[str, list[BaseClient]] = defaultdict(list)
_lent: list[tuple[str, BaseClient]] = []


def reuse_clients() -> None:
    """Let the next doubles have the clients of all doubles there were, which must not be used any more."""
    for key, client in _lent:
        _idle[key].append(client)
    _lent.clear()


def lend_client(service: str, region: str, **kwargs: object) -> BaseClient:
    """Give a client of a service that does not retry unless its `config` says so, and does not sign."""
    settings: dict[str, object] = {
        "region_name": region,
        "aws_access_key_id": "strict",
        "aws_secret_access_key": "double",
        "config": Config(retries={"total_max_attempts": 1}),
        **kwargs,
    }
    # Nobody looks at signatures, and they take a tenth of the tests' time.
    config = cast("Config", settings["config"]).merge(Config(signature_version=UNSIGNED))
    settings["config"] = config
    key = repr((service, settings | {"config": config._user_provided_options}))  # noqa: SLF001 - the only way to compare two
    with _SESSION_LOCK:
        if _idle[key]:
            client = _idle[key].pop()
        else:
            client = boto3.session.Session(botocore_session=botocore_session()).client(service, **settings)
        _lent.append((key, client))
    return client
