"""Reasons: why something ended as it did, for programs and for people."""

from typing import NamedTuple

from ecr_deploy.core.errors import EcrDeployError


class Reason(NamedTuple):
    """Why a push ended as it did: a `kind` for programs, lower-case words with hyphens, and a `text` for people."""

    kind: str
    text: str

    def __str__(self) -> str:
        """Give the text alone."""
        return self.text

    @classmethod
    def of(cls, error: EcrDeployError) -> "Reason":
        """The reason of whatever failed by an error."""
        return cls(error.kind, str(error))
