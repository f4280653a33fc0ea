"""Deployments: carries plans out on ECS, and tells what came of each push."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import zip_longest

from . import planner
from .ecs import WORKERS, Ecs
from .errors import CallError, EcrDeployError, Retry
from .events import Push
from .planner import Change, Family, Member, Outcome, Step, Verdict
from .revisions import Revision
from .rules import Rules, Target
from .settings import Settings


@dataclass(frozen=True, slots=True)
class TargetResult:
    """What came of a push for one service or family; `before` and `after` are revisions as `family:number`."""

    target: Target
    outcome: Outcome
    reason: str | None
    before: str | None = None
    after: str | None = None
    changes: tuple[Change, ...] = ()
    retry: Retry = Retry.NEVER


@dataclass(frozen=True, slots=True)
class PushResult:
    """What came of a push.

    `retry` says, for a failed one, whether doing it again can help. `suspicious` is one that nobody should send us.
    """

    outcome: Outcome
    reason: str | None
    targets: tuple[TargetResult, ...] = ()
    retry: Retry = Retry.NEVER
    suspicious: bool = False

    @property
    def progress(self) -> bool:
        """Whether anything was deployed."""
        return any(one.outcome is Outcome.DEPLOYED for one in self.targets)


def deploy(pushes: Sequence[Push], ecs: Ecs, settings: Settings) -> list[PushResult]:
    """Deploy the pushes of one batch together; gives one result for each, in their order.

    Raises:
        CallError: ECS does not tell what runs.
        OutOfTimeError: the invocation ends before that is known.

    """
    rules = settings.rules
    # A batch may hold the same event twice. What no rule lets in costs no call.
    results: dict[Push, list[TargetResult]] = {push: [] for push in pushes if not rules.refuses(push.record)}
    if results:
        members, unknown = read_fleet(ecs, settings)
        families = [
            one for one in _families(members) if any(planner.concerned(results, member, rules) for member in one)
        ]
        # Families wait for each other only in the pacer, so that reading the next ones overlaps with registering.
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="family") as pool:
            for outcomes in pool.map(lambda family: _roll_out(family, tuple(results), ecs, settings), families):
                for push, result in outcomes:
                    results[push].append(result)
        for push, found in results.items():
            found += [result for result in unknown if rules.lets(push.record, result.target)]
    return [_sum_up(push, tuple(results.get(push, ())), rules) for push in pushes]


def read_fleet(ecs: Ecs, settings: Settings) -> tuple[list[Member], list[TargetResult]]:
    """What is in scope, with the revisions that run; and what came of services whose revision ECS would not tell."""
    services = ecs.services(settings.rules)
    running = ecs.running(services)
    members: list[Member] = []
    unknown: list[TargetResult] = []
    for service in services:
        revision = running[service.revision]
        if isinstance(revision, Revision):
            members.append(Member(service, revision))
        else:
            # A definition that was deleted for good must not fail every push.
            outcome = Outcome.SKIPPED if revision.code == "ClientException" else Outcome.FAILED
            target = Target(service.cluster, service.name)
            reason = f"what it runs is unknown: {revision}"
            unknown.append(TargetResult(target, outcome, reason, retry=revision.retry))
    if globs := settings.rules.families():
        run = {member.running.family for member in members}
        standalone = ecs.all_newest(family for family in ecs.families(globs) if family not in run)
        members += [Member(None, revision) for revision in standalone]
    return members, unknown


def _families(members: Iterable[Member]) -> list[tuple[Member, ...]]:
    families: dict[str, list[Member]] = {}
    for member in members:
        families.setdefault(member.running.family, []).append(member)
    return [tuple(family) for family in families.values()]


def _roll_out(
    members: tuple[Member, ...], pushes: Sequence[Push], ecs: Ecs, settings: Settings
) -> list[tuple[Push, TargetResult]]:
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
    """Register and update; gives for each member what it runs now, or why it could not."""
    arns = [member.arn for member in step.members]
    if dry_run:
        return dict.fromkeys(arns, step.revision)
    try:
        revision = step.revision or ecs.register(step.request)
    except EcrDeployError as error:
        return dict.fromkeys(arns, error)
    problems = ecs.update([member.service for member in step.members if member.service], revision)
    return {arn: problem or revision for arn, problem in zip_longest(arns, problems)}


def _result(verdict: Verdict, done: Mapping[str, Revision | EcrDeployError | None]) -> TargetResult:
    member, before = verdict.member, str(verdict.member.running)
    if verdict.outcome is not Outcome.DEPLOYED:
        return TargetResult(member.target, verdict.outcome, verdict.reason, before, before)
    revision = done[member.arn]
    if isinstance(revision, EcrDeployError):
        return _failed(member, revision)
    after = str(revision) if revision else None
    return TargetResult(member.target, Outcome.DEPLOYED, None, before, after, verdict.changes)


def _failed(member: Member, error: EcrDeployError) -> TargetResult:
    before = str(member.running)
    if isinstance(error, CallError) and error.code in _GONE:
        return TargetResult(member.target, Outcome.SKIPPED, "it was deleted meanwhile", before, before)
    return TargetResult(member.target, Outcome.FAILED, str(error), before, before, retry=error.retry)


# UpdateService of a service that is no more, or drains.
_GONE = frozenset({"ServiceNotFoundException", "ServiceNotActiveException", "ClusterNotFoundException"})


def _sum_up(push: Push, targets: tuple[TargetResult, ...], rules: Rules) -> PushResult:
    """One result for all targets: the outcome that stands first in Outcome, and its reason."""
    if not targets:
        refusal = rules.refuses(push.record)
        reason = refusal or f"nothing in scope runs {push.repository}"
        suspicious = not rules.names_registry(push.repository.account)
        return PushResult(Outcome.SKIPPED, reason, suspicious=suspicious)
    first = min(targets, key=lambda one: planner.SEVERITY[one.outcome])
    retry = max((one.retry for one in targets if one.outcome is Outcome.FAILED), default=Retry.NEVER)
    return PushResult(first.outcome, first.reason, targets, retry)
