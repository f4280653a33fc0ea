"""The nearest: what somebody may have meant by a name that is not there."""

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from ecr_deploy.cli.options import Caller
from ecr_deploy.core import images
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError


def services_in_scope(caller: Caller) -> list[dict[str, Any]]:
    """What is in scope and runs, as `status` says it."""
    found: list[dict[str, Any]] = caller.ask("Looking", {"status": {}})["services"]
    return found


def explain(caller: Caller, error: EcrDeployError, cluster: str, service: str) -> EcrDeployError:
    """The error of a request about one service: that there is none of this name, if that is so, and who is meant."""
    try:
        there = services_in_scope(caller)
    except EcrDeployError:
        return error
    of_cluster = [entry["service"] for entry in there if entry["cluster"] == cluster]
    if service in of_cluster:
        return error
    if not of_cluster:
        clusters = {entry["cluster"] for entry in there}
        return InvalidRequestError(f"There is no cluster {cluster} in scope{_meant(cluster, clusters)}")
    return InvalidRequestError(f"There is no service {service} in cluster {cluster}{_meant(service, of_cluster)}")


def check_scope(caller: Caller, **scope: Iterable[str]) -> None:
    """Check that something is in a scope that reached nothing: its `clusters` and its `services`.

    Raises:
        InvalidRequestError: a glob matches nothing.

    """
    if not any(scope.values()):
        return
    there = services_in_scope(caller)
    for plural, globs in scope.items():
        kind = plural.removesuffix("s")
        known = {entry[kind] for entry in there}
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in known):
                message = f"There is no {kind} {glob} in scope{_meant(glob, known)}"
                raise InvalidRequestError(message)


def of_repository(caller: Caller, error: EcrDeployError, name: str) -> EcrDeployError:
    """The error of a request about a repository that is not there, with the one that is meant."""
    try:
        there = services_in_scope(caller)
    except EcrDeployError:
        return error
    known = {images.parse(entry["image"]).repository for service in there for entry in service["images"]}
    if name in known:
        return error
    return InvalidRequestError(f"{error}. Nothing in scope runs a repository {name}{_meant(name, known)}")


def _meant(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f". Did you mean {' or '.join(near)}?" if near else "."
