"""Deployments: carries plans out on ECS, and tells what came of each push."""

from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from ecr_deploy.aws.ecs import WORKERS, Ecs
from ecr_deploy.core import planner, records
from ecr_deploy.core.errors import CallError, EcrDeployError
from ecr_deploy.core.events import Push
from ecr_deploy.core.fleet import CODE_DEPLOY, Family, Member, Service, Target
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult, sum_up
from ecr_deploy.core.planner import Plan, Step, Verdict
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings

if TYPE_CHECKING:
    from ecr_deploy.aws.codedeploy import CodeDeploy

# Enough for whoever deploys beside us; a loop that registers without end must not take us with it.
_MOST_PLANS = 3


def deploy(
    pushes: Sequence[Push], ecs: Ecs, settings: Settings, codedeploy: "CodeDeploy | None" = None
) -> list[PushResult]:
    """Deploy the pushes of one batch together; gives one result for each, in their order.

    Services that CodeDeploy rolls out are left alone without `codedeploy`.

    Raises:
        CallError: ECS does not tell what runs.
        OutOfTimeError: the invocation ends before that is known.

    """
    rules = settings.rules
    # A batch may hold the same event twice. What no rule lets in costs no call.
    results: dict[Push, list[TargetResult]] = {push: [] for push in pushes if not rules.rejection(push.record)}
    if results:
        hits, unknown = _find_hits(tuple(results), ecs, rules)
        # Families wait for each other only in the pacer, so that reading the next ones overlaps with registering.
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="family") as pool:
            for outcomes in pool.map(lambda hit: _roll_out(hit, tuple(results), ecs, settings, codedeploy), hits):
                for push, result in outcomes:
                    results[push].append(result)
        for push, found in results.items():
            found += [result for result in unknown if rules.allows(push.record, result.target)]
    return [_sum_up(push, tuple(results.get(push, ())), rules) for push in pushes]


def read_fleet(ecs: Ecs, settings: Settings) -> tuple[list[Member], list[TargetResult]]:
    """What is in scope, with the revisions that run; and what came of services whose revision ECS would not tell."""
    services = list(ecs.services(settings.rules))
    members, unknown = _read_members(services, ecs)
    standalone = _standalone({service.family for service in services}, ecs, settings.rules)
    return [*members, *(Member(None, revision) for revision in standalone)], unknown


def _read_members(services: Sequence[Service], ecs: Ecs) -> tuple[list[Member], list[TargetResult]]:
    running = ecs.running(services)
    members: list[Member] = []
    unknown: list[TargetResult] = []
    for service in services:
        revision = running[service.revision]
        if isinstance(revision, Revision):
            members.append(Member(service, revision))
        else:
            unknown.append(_unknown(service, revision))
    return members, unknown


def _standalone(run: Container[str], ecs: Ecs, rules: Rules) -> list[Revision]:
    """The newest revisions of the families that rules reach, but for those that services run."""
    globs = rules.families()
    return ecs.all_newest(family for family in ecs.families(globs) if family not in run) if globs else []


def _unknown(service: Service, error: CallError) -> TargetResult:
    # A definition that was deleted for good must not fail every push.
    outcome = Outcome.SKIPPED if error.code == "ClientException" else Outcome.FAILED
    reason = Reason("unknown", f"what it runs is unknown: {error}")
    return TargetResult(service.target, outcome, reason, retry=error.retry)


class _Hit(NamedTuple):
    """A family that pushes concern: all services that run it, if any does, and which push concerns what of it.

    What a push concerns comes with what that runs, as `family:number`.
    """

    family: str
    services: Sequence[Service]
    concerned: Sequence[tuple[Push, Target, str]]


def _find_hits(pushes: Sequence[Push], ecs: Ecs, rules: Rules) -> tuple[list[_Hit], list[TargetResult]]:
    """The families that the pushes concern; and what came of services of which nobody knows what they run."""
    families: dict[str, list[Service]] = {}
    concerned: dict[str, list[tuple[Push, Target, str]]] = {}
    unknown: list[TargetResult] = []
    for service, repositories in ecs.repositories(ecs.services(rules)):
        families.setdefault(service.family, []).append(service)
        if isinstance(repositories, CallError):
            unknown.append(_unknown(service, repositories))
            continue
        for push in planner.concerned(pushes, service.target, repositories, rules):
            concerned.setdefault(service.family, []).append((push, service.target, service.runs))
    for newest in _standalone(families, ecs, rules):
        target = Target(None, newest.family)
        for push in planner.concerned(pushes, target, newest.repositories, rules):
            concerned.setdefault(newest.family, []).append((push, target, str(newest)))
    ready = {
        service.arn: service for service in ecs.waiting(one for family in concerned for one in families.get(family, ()))
    }
    return [
        _Hit(family, [ready[one.arn] for one in families.get(family, ())], found) for family, found in concerned.items()
    ], unknown


def _roll_out(
    hit: _Hit, pushes: Sequence[Push], ecs: Ecs, settings: Settings, codedeploy: "CodeDeploy | None"
) -> list[tuple[Push, TargetResult]]:
    """Plan one family and do what the plan says."""
    try:
        problems: Mapping[str, EcrDeployError] = {}
        family, unknown = _read_family(hit, pushes, ecs, settings)
        if family and codedeploy:
            family, problems = codedeploy.ask(family, planner.plan(pushes, family, settings))
        plan, revisions = _register(family, pushes, ecs, settings) if family else (planner.Plan(), [])
    except EcrDeployError as error:
        return [(push, _failed(target, before, error)) for push, target, before in hit.concerned]
    done: dict[str, Revision | EcrDeployError | None] = {}
    for step, revision in zip(plan.steps, revisions, strict=True):
        done.update(_update(step, revision, ecs, codedeploy, dry_run=settings.dry_run))
    results = [(verdict.push, _result(verdict, done, problems)) for verdict in plan.verdicts]
    return results + [(push, one) for one in unknown for push, target, _ in hit.concerned if target == one.target]


def _read_family(
    hit: _Hit, pushes: Sequence[Push], ecs: Ecs, settings: Settings
) -> tuple[Family | None, list[TargetResult]]:
    """The family, if ECS has a revision of it; and what came of services whose revision ECS would not tell."""
    # Asked first, because it is mostly what the services run, too.
    newest = ecs.newest(hit.family)
    members, unknown = _read_members(hit.services, ecs)
    if newest and not hit.services:
        members.append(Member(None, newest))
    if not members:
        return None, unknown
    highest = max((member.running for member in members), key=lambda one: one.number)
    family = Family(newest or highest, tuple(members))
    if settings.base_revision == "latest" and (hidden := _hidden_by(family.newest, ecs)):
        family = family._replace(newest=hidden, older=(family.newest,))
    if planner.needs_older(pushes, family, settings):
        for older in ecs.older(family.newest):
            family = family._replace(older=(*family.older, older))
            if not planner.needs_older(pushes, family, settings):
                break
    return family, unknown


def _hidden_by(ours: Revision, ecs: Ecs) -> Revision | None:
    """The newest revision that others registered between one of ours and its base.

    A crash may have come between finding that out and planning again.
    """
    base = ours.tags.get(records.BASE, "")
    if not base.isdigit() or ours.number - int(base) <= 1:
        return None
    between = takewhile(lambda one: one.number > int(base), ecs.older(ours))
    return next((one for one in between if records.BASE not in one.tags), None)


def _register(
    family: Family, pushes: Sequence[Push], ecs: Ecs, settings: Settings
) -> tuple[Plan, list[Revision | EcrDeployError | None]]:
    """Plan a family and register what the plan asks for; gives for each step its revision, or why there is none.

    ECS has no compare-and-swap: ours would hide for good what somebody else registers between our look and our turn.
    Where that happened, all is planned again from theirs.
    """
    ours: dict[str, Revision] = {}
    for _ in range(_MOST_PLANS):
        plan = planner.plan(pushes, family, settings)
        if settings.dry_run:
            return plan, [step.revision for step in plan.steps]
        for revision, tags in plan.refreshed:
            ecs.tag(revision, tags)
        for step in plan.steps:
            if step.revision and step.tags:
                ecs.tag(step.revision, step.tags)
        revisions = [step.revision or _try_register(step, ecs) for step in plan.steps]
        ours.update({one.arn: one for one in revisions if isinstance(one, Revision)})
        known = max(family.revisions, key=lambda one: one.number)
        theirs = _overlooked(known, ours, ecs) if settings.base_revision == "latest" else None
        if theirs is None:
            break
        family = _going_on_from(theirs, family)
    return plan, list(revisions)


def _try_register(step: Step, ecs: Ecs) -> Revision | EcrDeployError:
    try:
        return ecs.register(step.request)
    except EcrDeployError as error:
        return error


def _overlooked(known: Revision, ours: Mapping[str, Revision], ecs: Ecs) -> Revision | None:
    """The newest ACTIVE revision that somebody else registered after the known one and before the last of ours."""
    numbers = {one.number for one in ours.values() if one.number > known.number}
    if len(numbers) == max(numbers, default=known.number) - known.number:
        return None
    last = max(ours.values(), key=lambda one: one.number)
    theirs = next((one for one in ecs.older(last) if one.arn not in ours), None)
    return theirs if theirs and theirs.number > known.number else None


def _going_on_from(theirs: Revision, family: Family) -> Family:
    """The family with a newest revision that came in between."""
    if not theirs.records:
        return family._replace(newest=theirs)
    # Another invocation of ours made it, and updates the services to it now: its images are to stay.
    members = (member._replace(running=theirs) for member in family.members)
    return family._replace(newest=theirs, members=tuple(members))


def _update(
    step: Step, revision: Revision | EcrDeployError | None, ecs: Ecs, codedeploy: "CodeDeploy | None", *, dry_run: bool
) -> dict[str, Revision | EcrDeployError | None]:
    """Update services to their revision; gives for each member what it runs now, or why it could not."""
    done: dict[str, Revision | EcrDeployError | None] = {member.arn: revision for member in step.members}
    if dry_run or not isinstance(revision, Revision):
        return done
    services = [member.service for member in step.members if member.service]
    theirs = [service for service in services if codedeploy and service.controller == CODE_DEPLOY]
    ours = [service for service in services if service not in theirs]
    problems: list[EcrDeployError | None] = [*ecs.update(ours, revision)]
    if codedeploy:
        problems += codedeploy.update(theirs, revision)
    return done | {service.arn: problem for service, problem in zip([*ours, *theirs], problems, strict=True) if problem}


def _result(
    verdict: Verdict, done: Mapping[str, Revision | EcrDeployError | None], problems: Mapping[str, EcrDeployError]
) -> TargetResult:
    member, before = verdict.member, str(verdict.member.running)
    problem = problems.get(member.arn)
    if problem and verdict.reason and verdict.reason.text == str(problem):
        return _failed(member.target, before, problem)
    if verdict.outcome is not Outcome.DEPLOYED:
        return TargetResult(member.target, verdict.outcome, verdict.reason, before, before)
    revision = done[member.arn]
    if isinstance(revision, EcrDeployError):
        return _failed(member.target, before, revision)
    after = str(revision) if revision else None
    return TargetResult(member.target, Outcome.DEPLOYED, None, before, after, verdict.changes)


def _failed(target: Target, before: str, error: EcrDeployError) -> TargetResult:
    if isinstance(error, CallError) and error.code in _GONE:
        return TargetResult(target, Outcome.SKIPPED, Reason("deleted", "it was deleted meanwhile"), before, before)
    return TargetResult(target, Outcome.FAILED, Reason.of(error), before, before, retry=error.retry)


# UpdateService of a service that is no more, or drains.
_GONE = frozenset({"ServiceNotFoundException", "ServiceNotActiveException", "ClusterNotFoundException"})


def _sum_up(push: Push, targets: tuple[TargetResult, ...], rules: Rules) -> PushResult:
    if targets:
        return sum_up(targets)
    reason = rules.rejection(push.record) or Reason("not-running", f"nothing in scope runs {push.repository}")
    return PushResult(Outcome.SKIPPED, reason, suspicious=not rules.names_registry(push.repository.account))
