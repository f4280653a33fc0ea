"""Gates: what must be true before a push that a rule allows is deployed. All of a rule's gates must be open.

What depends on the world is gathered before, as facts, so that deciding stays pure.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ecr_deploy.core.images import Repository
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.records import Record

if TYPE_CHECKING:
    from ecr_deploy.core.freezes import Freeze
    from ecr_deploy.core.tasks import Slot, Task


EXPIRED, NO_SCAN = "expired", "no-scan"
OVER = frozenset({EXPIRED, NO_SCAN})
"""The kinds of what waits no longer, because nobody approved it, or ECR did not scan it, in time."""

SEVERITIES = ("NONE", "UNTRIAGED", "UNDEFINED", "INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL")
"""Of findings, from the least to the greatest; what nobody has judged yet stands below all that was judged.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanFinding.html
"""


class Stage(NamedTuple):
    """Services on which an image must have been live for so long; `clusters` and `services` are globs.

    `region` is that of another region, and empty for the function's own.
    """

    clusters: tuple[str, ...]
    services: tuple[str, ...] = ("*",)
    live: timedelta = timedelta(0)
    region: str = ""

    def __str__(self) -> str:
        """Name it in a message."""
        services = "" if self.services == ("*",) else f"{' or '.join(self.services)} in "
        return f"{services}{' or '.join(self.clusters)}{f' in {self.region}' if self.region else ''}"


class Report(NamedTuple):
    """What a stage says of one repository: the services that run it, and where and since when images are or were live.

    `rejected` names a service from which an image was rolled back, by digest; `asked` the services that count for an
    image where those are not all `services`.
    """

    services: tuple[str, ...] = ()
    live_since: Mapping[str, Mapping[str, datetime]] = MappingProxyType({})
    rejected: Mapping[str, str] = MappingProxyType({})
    asked: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Approval(NamedTuple):
    """Who approved an image on a target, as far as they say, and when.

    One that is `needed` nobody gave yet: it says why the image needs it, whatever the rules say.
    """

    at: datetime
    by: str
    needed: str = ""


class Scan(NamedTuple):
    """What ECR says of its scan of an image: how many findings of each severity there are, or where it stands.

    `status` is ECR's own word, empty without any scan; `counts` is None where none has ended.
    """

    status: str = ""
    counts: Mapping[str, int] | None = None

    def above(self, severity: str) -> str:
        """The findings above a severity in words; empty if there are none."""
        ranked = {name: rank for rank, name in enumerate(SEVERITIES)}
        worse = [
            (name, count)
            for name, count in (self.counts or {}).items()
            # A severity that is newer than this list counts as the greatest.
            if count and ranked.get(name, len(ranked)) > ranked[severity]
        ]
        return ", ".join(
            f"{count} {name}" for name, count in sorted(worse, key=lambda found: -ranked.get(found[0], len(ranked)))
        )


class Facts(NamedTuple):
    """What gates depend on: the time, the change calendars that are CLOSED, each with when it opens, stages, and tasks.

    `scans` are those of images, by repository and digest; `brakes` say likewise why images need an approval now.

    Without `slots` no task has to run first; `cluster` is that of the target in question.
    """

    now: datetime
    closed: Mapping[str, str] = MappingProxyType({})
    stages: Mapping[tuple[Stage, Repository], Report] = MappingProxyType({})
    slots: "Mapping[str, Slot] | None" = None
    cluster: str | None = None
    scans: Mapping[tuple[Repository, str], Scan] = MappingProxyType({})
    freezes: "tuple[Freeze, ...]" = ()
    brakes: Mapping[tuple[Repository, str], str] = MappingProxyType({})


# When nothing has to wait.
AFTER_ALL = Facts(datetime.max.replace(tzinfo=UTC))


class Gates(NamedTuple):
    """The gates of a rule; none by default.

    `approval` is for how long after the push somebody may approve it, and None where nobody has to. A scan must find
    nothing above `max_scan_severity`; it is waited for until `scan_timeout` after the push, for good without one.
    """

    change_calendars: tuple[str, ...] = ()
    minimum_image_age: timedelta = timedelta(0)
    after: Stage | None = None
    max_scan_severity: str | None = None
    approval: timedelta | None = None
    run_before: "tuple[Task, ...]" = ()
    scan_timeout: timedelta | None = None

    def awaited_task(self, push: Record, facts: Facts) -> "tuple[Task, Reason] | None":
        """The first task that has to end well before a push goes to a cluster, and why it holds the push back."""
        if not self.run_before or facts.slots is None or facts.cluster is None:
            return None
        from ecr_deploy.core import tasks  # noqa: PLC0415 - few need it

        for task in self.run_before:
            if reason := tasks.hold(task, push, facts.slots.get(task.slot(facts.cluster), tasks.Slot())):
                return task, reason
        return None

    def states(self, push: Record, facts: Facts, approvals: Mapping[str, Approval]) -> dict[str, Reason | None]:
        """The state of each gate that there is: why it is closed for a push, None where it is open."""
        found = ((name, gate(self, push, facts, approvals)) for name, gate in _GATES.items() if getattr(self, name))
        return dict(found)

    def holds(self, push: Record, facts: Facts, approvals: Mapping[str, Approval]) -> Reason | None:
        """Why a push has to wait; None if it need not."""
        return next(filter(None, self.states(push, facts, approvals).values()), None)


def _calendars(gates: Gates, _: Record, facts: Facts, __: object) -> Reason | None:
    for calendar in gates.change_calendars:
        if calendar in facts.closed:
            return Reason("frozen", f"the change calendar {calendar} is closed until {facts.closed[calendar]}")
    return None


def _age(gates: Gates, push: Record, facts: Facts, _: object) -> Reason | None:
    ripe = push.pushed_at + gates.minimum_image_age
    return Reason("too-young", f"the image is old enough at {_time(ripe)}") if ripe > facts.now else None


def _stage(gates: Gates, push: Record, facts: Facts, _: object) -> Reason | None:
    stage = gates.after
    if stage is None:
        return None
    report = facts.stages.get((stage, push.repository), Report())
    if push.digest in report.rejected:
        return Reason("stage", f"it was rolled back from {report.rejected[push.digest]}, which is in {stage}")
    services = report.asked.get(push.digest, report.services)
    if not services:
        lacking = f"has reported {push.repository.name}" if stage.region else f"runs {push.repository}"
        return Reason("stage", f"no service of {stage} {lacking}")
    since = report.live_since.get(push.digest, {})
    if missing := [service for service in services if service not in since]:
        return Reason("stage", f"it has not been live on {missing[0]}, which is in {stage}")
    ripe = max(since.values()) + stage.live
    text = f"it will have been live in {stage} for long enough at {_time(ripe)}"
    # Another region's clock may be ahead.
    return Reason("stage", text) if stage.live and ripe > facts.now else None


def _scan(gates: Gates, push: Record, facts: Facts, _: object) -> Reason | None:
    most, timeout = gates.max_scan_severity, gates.scan_timeout
    if most is None:
        return None
    scan = facts.scans.get((push.repository, push.digest), Scan())
    if scan.counts is None:
        status = f": the scan is {scan.status}" if scan.status else ""
        if timeout is not None and push.pushed_at + timeout <= facts.now:
            return Reason(NO_SCAN, f"ECR had not scanned it by {_time(push.pushed_at + timeout)}{status}")
        return Reason("scan", f"ECR has not scanned it yet{status}")
    if worse := scan.above(most):
        return Reason("findings", f"ECR found in it: {worse}; at most {most} is let in")
    return None


def _approval(gates: Gates, push: Record, facts: Facts, approvals: Mapping[str, Approval]) -> Reason | None:
    given = approvals.get(push.digest)
    if gates.approval is None or (given and not given.needed):
        return None
    if push.pushed_at + gates.approval <= facts.now:
        return Reason(EXPIRED, f"nobody approved it until {_time(push.pushed_at + gates.approval)}")
    return Reason("approval", "somebody must approve it")


def _tasks(gates: Gates, push: Record, facts: Facts, _: object) -> Reason | None:
    awaited = gates.awaited_task(push, facts)
    return awaited[1] if awaited else None


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


# In the order in which they are looked at: nobody is asked for an approval that could not help yet.
_GATES: Mapping[str, Callable[[Gates, Record, Facts, Mapping[str, Approval]], Reason | None]] = {
    "change_calendars": _calendars,
    "minimum_image_age": _age,
    "after": _stage,
    "max_scan_severity": _scan,
    "approval": _approval,
    # A task runs only for what would be deployed.
    "run_before": _tasks,
}
