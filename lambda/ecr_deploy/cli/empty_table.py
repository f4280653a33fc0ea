"""The table of those who have no function yet: it holds nothing, and keeps nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta

from ecr_deploy.aws.table import LEASE_SECONDS, MOST_ROLLOUTS, Known, Lease, Table
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.rollouts import Rollout


class EmptyTable(Table):
    """A table in which nothing is known of any target."""

    def __init__(self) -> None:
        """Need no connection."""

    def read(self, targets: Iterable[Target]) -> dict[Target, Known | EcrDeployError]:
        """Nothing, for each target."""
        return {target: Known(Memory(), 0, Memory()) for target in targets}

    def write(self, memories: Mapping[Target, Known]) -> dict[Target, Known | EcrDeployError]:
        """Keep them for the caller alone."""
        return {target: known._replace(stored=known.memory) for target, known in memories.items()}

    def start_lease(self, family: str, now: datetime) -> "Future[Lease]":
        """Take the lease at once: there is no other writer."""
        taken: Future[Lease] = Future()
        taken.set_result(self.lease(family, now))
        return taken

    def lease(self, family: str, now: datetime) -> Lease:
        """Take the lease."""
        return Lease(family, now + timedelta(seconds=LEASE_SECONDS), {})

    def release(self, lease: Lease) -> None:
        """Forget the lease."""

    def note(self, lease: Lease) -> None:
        """Note nothing."""

    def registered(self, family: str) -> Mapping[int, int]:
        """Nothing was registered."""
        del family
        return {}

    def archive(self, target: Target, ended: Sequence[Rollout]) -> None:
        """Archive nothing."""

    def history(self, target: Target, limit: int = MOST_ROLLOUTS) -> Iterator[Rollout]:
        """There was no rollout."""
        del target, limit
        return iter(())
