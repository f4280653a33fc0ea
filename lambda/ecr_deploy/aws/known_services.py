"""Known services: how the services of the account were when ECS last described them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from math import ceil
from typing import Any, NamedTuple

from ecr_deploy.core.fleet import Service, Target

# ECS's events report changes sooner; this is for those that no event reports.
OUTDATED_SECONDS = 300
# Batches of a busy queue share a listing.
_SHARED_SECONDS = 1


class _Seen(NamedTuple):
    service: Service
    at: float


class KnownServices:
    """What ECS said of services, and when; `now` gives seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: dict[Target, _Seen] = {}
        self._listed: dict[object, tuple[Any, float]] = {}

    def add(self, cluster: str, names: Iterable[str], described: Iterable[Service]) -> None:
        """Take note of services as they were just described; of the names, those that are missing are gone."""
        at = self._now()
        for name in names:
            self._seen.pop(Target(cluster, name), None)
        for service in described:
            self._seen[service.target] = _Seen(service, at)

    def forget(self, target: Target) -> None:
        """Take note that a service has changed."""
        self._seen.pop(target, None)

    def keep(self, cluster: str, names: Collection[str]) -> None:
        """Forget the services of a cluster but those that it has."""
        # Threads add to it meanwhile: only a copy can be walked through.
        for target in list(self._seen):
            if target.cluster == cluster and target.name not in names:
                self.forget(target)

    def usable(self, most: int) -> dict[Target, Service]:
        """The services that need not be described again.

        Those that were described more than five minutes ago are not among them, but no more of them than `most`: of
        more, the latest.
        """
        outdated_at = self._now() - OUTDATED_SECONDS
        seen = dict(self._seen)
        outdated = sorted(
            (target for target in seen if seen[target].at < outdated_at), key=lambda target: seen[target].at
        )
        again = set(outdated[: max(0, most)])
        return {target: found.service for target, found in seen.items() if target not in again}

    def since(self, time: float) -> dict[Target, Service]:
        """The services that were described at that time (seconds since the epoch) or after it."""
        return {target: seen.service for target, seen in list(self._seen.items()) if seen.at >= time}

    def revisions(self) -> set[str]:
        """The ARNs of what they ran."""
        return {seen.service.revision for seen in list(self._seen.values())}

    def pages(self, size: int) -> int:
        """About how many pages of so many services it takes to list them all."""
        services = Counter(target.cluster for target in list(self._seen))
        return sum(ceil(count / size) for count in services.values())

    def listed(self, what: object) -> Any:
        """A list that was read within the last second; None if there is none."""
        value, at = self._listed.get(what, (None, 0.0))
        return value if self._now() - at <= _SHARED_SECONDS else None

    def note_listed(self, what: object, value: Any) -> None:
        """Take note of a list that was just read."""
        self._listed[what] = (value, self._now())

    def forget_lists(self) -> None:
        """Read all lists anew."""
        self._listed.clear()
