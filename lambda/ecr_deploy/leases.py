"""Leases: one writer at a time works on a family, be it the queue, the schedule, a request or the command line."""

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

from ecr_deploy.aws.table import Lease
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.revisions import Revision
from ecr_deploy.environment import Environment

if TYPE_CHECKING:
    from concurrent.futures import Future

logger = logging.getLogger("ecr_deploy")

# Stands for the numbers of the revisions that are about to be registered.
_NEXT = 0
_SECONDS_OF_A_STEP = 30


class FamilyLease:
    """The lease of a family for as long as the context lasts; a dry run needs none.

    It is taken while other things are read, and waited for before anything is written. Every method raises BusyError
    where another writer has it, and CallError where DynamoDB refuses or does not answer.
    """

    def __init__(self, family: str, environment: Environment, *, is_needed: bool = True) -> None:
        self._family = family
        self._environment = environment
        self._taking = environment.table.start_lease(family, environment.now()) if is_needed else None
        self._lease: Lease | None = None
        self._noting: Future[None] | None = None
        self._releasing: Future[None] | None = None
        self._dry: Mapping[int, int] | None = None

    def __enter__(self) -> Self:
        """Go on; nothing has to be waited for yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lease back, with what was registered."""
        self.begin_release()
        if self._releasing is None:
            return
        try:
            self._releasing.result()
        except EcrDeployError as error:
            logger.warning("the lease of family %s ends by itself: %s", self._family, error)

    def base_of(self, revision: Revision) -> int:
        """The number of the revision that one of ours was made from; the one before it where that is unknown."""
        registered = self._registered
        return registered.get(revision.number, registered.get(_NEXT, revision.number - 1))

    @property
    def was_interrupted(self) -> bool:
        """Whether a writer before us may have registered revisions without saying so."""
        return _NEXT in self._registered

    def begin_release(self) -> None:
        """Begin to give the lease back: nothing is written to ECS any more."""
        if self._taking is None or self._taking.exception() or self._releasing:
            return
        self._releasing = self._environment.table.start_release(self._lease or self._taking.result())

    def wait(self) -> None:
        """Wait until the lease is ours and has the note; prolong it if it may end before the next step does."""
        if self._taking is None:
            return
        lease = self._held()
        if self._noting:
            self._noting.result()
            self._noting = None
        if (lease.until - self._environment.now()).total_seconds() < _SECONDS_OF_A_STEP:
            renewed = self._environment.table.lease(self._family, self._environment.now())
            self._lease = renewed._replace(registered=lease.registered)

    def begin_note(self, bases: Iterable[Revision]) -> None:
        """Begin to write down what the next revisions are made from: a crash must not hide what others registered."""
        numbers = [base.number for base in bases]
        if numbers:
            self._lease = self._held()._replace(registered={**self._registered, _NEXT: min(numbers)})
            self._noting = self._environment.table.start_note(self._lease)

    def add(self, revision: Revision, base: Revision) -> None:
        """Remember what was registered; it is written with the release."""
        self._lease = self._held()._replace(registered={**self._registered, revision.number: base.number})

    def end_note(self) -> None:
        """Forget the note: all that was to be registered is."""
        registered = {number: base for number, base in self._registered.items() if number != _NEXT}
        self._lease = self._held()._replace(registered=registered)

    @property
    def _registered(self) -> Mapping[int, int]:
        if self._taking is None:
            if self._dry is None:
                self._dry = self._environment.table.registered(self._family)
            return self._dry
        return self._held().registered

    def _held(self) -> Lease:
        if self._lease is None:
            assert self._taking is not None  # noqa: S101 - only a dry run has none, and it writes nothing
            self._lease = self._taking.result()
        return self._lease
