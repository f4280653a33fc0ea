"""Deployments: carries plans out on ECS, and tells what came of each push."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from . import planner
from .ecs import WORKERS, Ecs
from .errors import CallError, EcrDeployError, Retry
from .events import Push
from .planner import Change, Family, Member, Outcome, Service, Step, Verdict
from .revisions import Revision
from .settings import Settings


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """What came of a push for one service; `before` and `after` are revisions as `family:number`."""

    cluster: str
    service: str
    outcome: Outcome
    reason: str | None
    before: str | None = None
    after: str | None = None
    changes: tuple[Change, ...] = ()
    retry: Retry = Retry.NEVER


@dataclass(frozen=True, slots=True)
class PushResult:
    """What came of a push; `retry` says, for a failed one, whether doing it again can help."""

    outcome: Outcome
    reason: str | None
    services: tuple[ServiceResult, ...] = ()
    retry: Retry = Retry.NEVER

    @property
    def progress(self) -> bool:
        """Whether anything was deployed."""
        return any(service.outcome is Outcome.DEPLOYED for service in self.services)


def deploy(pushes: Sequence[Push], ecs: Ecs, settings: Settings) -> list[PushResult]:
    """Deploy the pushes of one batch together; gives one result for each, in their order."""
    if not pushes:
        return []
    try:
        members, unknown = read_fleet(ecs, settings)
    except EcrDeployError as error:
        return [PushResult(Outcome.FAILED, str(error), retry=error.retry) for _ in pushes]
    work = [
        family for family in _families(members) if any(planner.concerned(pushes, one, settings.rules) for one in family)
    ]
    # A batch may hold the same event twice.
    results: dict[Push, list[ServiceResult]] = {push: [] for push in pushes}
    # Families wait for each other only in the pacer, so that reading the next ones overlaps with registering.
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="family") as pool:
        for outcomes in pool.map(lambda family: _roll_out(family, list(results), ecs, settings), work):
            for push, result in outcomes:
                results[push].append(result)
    for push in results:
        results[push] += [result for service, result in unknown if settings.rules.lets(push.record, service.target)]
    return [_sum_up(push, tuple(results[push])) for push in pushes]


def read_fleet(ecs: Ecs, settings: Settings) -> tuple[list[Member], list[tuple[Service, ServiceResult]]]:
    """The services in scope with the revisions that they run, and those whose revision ECS would not tell."""
    services = ecs.services(settings.rules)
    running = ecs.running(services)
    members, unknown = [], []
    for service in services:
        revision = running[service.revision]
        if isinstance(revision, Revision):
            members.append(Member(service, revision))
        else:
            reason = f"what it runs is unknown: {revision}"
            unknown.append(
                (service, ServiceResult(service.cluster, service.name, Outcome.FAILED, reason, retry=revision.retry))
            )
    return members, unknown


def _families(members: Iterable[Member]) -> list[tuple[Member, ...]]:
    families: dict[str, list[Member]] = {}
    for member in members:
        families.setdefault(member.running.family, []).append(member)
    return [tuple(family) for family in families.values()]


def _roll_out(
    members: tuple[Member, ...], pushes: Sequence[Push], ecs: Ecs, settings: Settings
) -> list[tuple[Push, ServiceResult]]:
    """Plan one family and do what the plan says."""
    try:
        family = _read_family(members, pushes, ecs, settings)
        plan = planner.plan(pushes, family, settings)
        if not settings.dry_run:
            for revision, records in plan.refreshed:
                ecs.tag(revision, records)
    except EcrDeployError as error:
        hits = [(push, one) for one in members for push in planner.concerned(pushes, one, settings.rules)]
        return [(push, _failed(one, error)) for push, one in hits]
    done: dict[str, Revision | EcrDeployError | None] = {}
    for step in plan.steps:
        done.update(_do(step, ecs, dry_run=settings.dry_run))
    return [(verdict.push, _result(verdict, done)) for verdict in plan.verdicts]


def _read_family(members: tuple[Member, ...], pushes: Sequence[Push], ecs: Ecs, settings: Settings) -> Family:
    highest = max((member.running for member in members), key=lambda one: one.number)
    family = Family(ecs.newest(highest.family) or highest, members)
    if planner.needs_older(pushes, family, settings):
        for older in ecs.older(family.newest):
            family = replace(family, older=(*family.older, older))
            if not planner.needs_older(pushes, family, settings):
                break
    return family


def _do(step: Step, ecs: Ecs, *, dry_run: bool) -> dict[str, Revision | EcrDeployError | None]:
    """Register and update; gives for each service's ARN what it runs now, or why it could not."""
    arns = [member.service.arn for member in step.members]
    if dry_run:
        return dict.fromkeys(arns, step.revision)
    try:
        revision = step.revision or ecs.register(step.request)
    except EcrDeployError as error:
        return dict.fromkeys(arns, error)
    problems = ecs.update((member.service for member in step.members), revision)
    return {arn: problem or revision for arn, problem in zip(arns, problems, strict=True)}


def _result(verdict: Verdict, done: dict[str, Revision | EcrDeployError | None]) -> ServiceResult:
    member = verdict.member
    if verdict.outcome is not Outcome.DEPLOYED:
        return ServiceResult(
            member.service.cluster,
            member.service.name,
            verdict.outcome,
            verdict.reason,
            str(member.running),
            str(member.running),
        )
    revision = done[member.service.arn]
    if isinstance(revision, EcrDeployError):
        return _failed(member, revision)
    after = str(revision) if revision else None
    return ServiceResult(
        member.service.cluster, member.service.name, Outcome.DEPLOYED, None, str(member.running), after, verdict.changes
    )


def _failed(member: Member, error: EcrDeployError) -> ServiceResult:
    gone = isinstance(error, CallError) and error.code in _GONE
    outcome = Outcome.SKIPPED if gone else Outcome.FAILED
    reason = "it was deleted meanwhile" if gone else str(error)
    return ServiceResult(
        member.service.cluster,
        member.service.name,
        outcome,
        reason,
        str(member.running),
        str(member.running),
        retry=error.retry,
    )


# UpdateService of a service that is no more, or drains.
_GONE = frozenset({"ServiceNotFoundException", "ServiceNotActiveException", "ClusterNotFoundException"})


def _sum_up(push: Push, services: tuple[ServiceResult, ...]) -> PushResult:
    """One result for all services: the outcome that stands first in Outcome, and its reason."""
    if not services:
        return PushResult(
            Outcome.SKIPPED, f"no service in scope runs {push.repository}, or no rule lets {push.record.tag} go to it"
        )
    first = min(services, key=lambda service: planner.SEVERITY[service.outcome])
    failed = [service for service in services if service.outcome is Outcome.FAILED]
    retry = max((service.retry for service in failed), default=Retry.NEVER)
    return PushResult(first.outcome, first.reason, services, retry)
