"""Counts round trips: how often the product has to wait for an answer before it knows what to ask next."""

import threading

_QUIET_SECONDS = 0.3


class Rounds:
    """A clock for the strict double, whose latency becomes one round: calls made at the same time share it.

    A round ends once no further call has come for a while, so that a machine that is slow does not see more of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self._arrival = threading.Condition()

    def time(self) -> float:
        return float(self.count)

    def sleep(self, seconds: float, /) -> None:
        """Wait for the end of the round, however long the call would take."""
        del seconds
        with self._arrival:
            mine = self.count
            self._arrival.notify_all()
            while self.count == mine:
                if not self._arrival.wait(_QUIET_SECONDS) and self.count == mine:
                    self.count += 1
                    self._arrival.notify_all()
