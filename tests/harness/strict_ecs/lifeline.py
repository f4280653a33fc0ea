"""The life of the process whose calls the doubles answer: it may be made to end at any call of any of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .faults import Died

if TYPE_CHECKING:
    from collections.abc import Callable


class Lifeline:
    """Counts the calls of one process to all doubles that share it, and ends the process at one of them."""

    def __init__(self) -> None:
        self.calls = 0
        """How many calls were made, those of a dead process not included."""
        self._calls_to_live: int | None = None
        self._dies_before = True
        self._dead = False
        self._interruptions: dict[int, Callable[[], object]] = {}
        self._lock = threading.Lock()

    def die(self, at_call: int, *, before: bool) -> None:
        """Let the process die at a call, counted from now: before it is performed, or before its answer is read."""
        with self._lock:
            self._calls_to_live, self._dies_before = at_call, before

    def revive(self) -> None:
        """Let a new process make calls. A death that has not come yet is called off."""
        with self._lock:
            self._dead, self._calls_to_live = False, None

    def interrupt(self, at_call: int, action: Callable[[], object]) -> None:
        """Do something, such as another writer's whole turn, just before a call, counted from now."""
        with self._lock:
            self._interruptions[self.calls + at_call] = action

    def count_down(self, operation: str) -> bool:
        """Count a call; tell whether the process dies after it.

        Raises Died if the process dies before the call, or is dead already.
        """
        with self._lock:
            if self._dead:
                message = f"{operation}: dead already"
                raise Died(message)
            self.calls += 1
            interruption = self._interruptions.pop(self.calls, None)
            dies_after = self._is_last(operation)
        if interruption is not None:
            interruption()
        return dies_after

    def _is_last(self, operation: str) -> bool:
        if self._calls_to_live is None:
            return False
        self._calls_to_live -= 1
        if self._calls_to_live > 0:
            return False
        self._dead = True
        if self._dies_before:
            message = f"before {operation}"
            raise Died(message)
        return True
