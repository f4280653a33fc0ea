"""The deployer: carries plans out on ECS, and gives what came of each push.

For each family: what is desired is written down, then ECS is brought to it, then what was done is recorded. Doing the same
again after a crash finds what is done, and does the rest.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from ecr_deploy import fleet_reader
from ecr_deploy.aws.calls import WORKERS
from ecr_deploy.aws.table import Known, OvertakenError
from ecr_deploy.core import memory, planner
from ecr_deploy.core.errors import CallError, EcrDeployError
from ecr_deploy.core.events import Push
from ecr_deploy.core.fleet import Family, Member, Target
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult, sum_up
from ecr_deploy.core.planner import Plan, Step, Verdict
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.fleet_reader import Hit, Memories
from ecr_deploy.leases import FamilyLease

logger = logging.getLogger("ecr_deploy")

# Enough for whoever deploys beside us; a loop that registers without end must not take us with it.
_MOST_PLANS = 3
# How far below the newest revision of a family we look for one that a service may start from.
_MOST_OLDER = 50
# UpdateService of a service that is no more, or drains.
_GONE = frozenset({"ServiceNotFoundException", "ServiceNotActiveException", "ClusterNotFoundException"})

Results = list[tuple[Push, PushResult]]
# A revision that a target got, with its deployment's id; or why it did not.
Done = tuple[Revision | None, str] | EcrDeployError


def deploy(pushes: Sequence[Push], env: Environment, settings: Settings) -> Results:
    """Deploy the pushes of one batch together.

    Gives one result for each, in their order, and then those of pushes that had to wait and came along with them.

    Raises:
        CallError: ECS does not say what runs.
        OutOfTimeError: the invocation ends before that is known.

    """
    rules = settings.rules
    # A batch may hold the same event twice. What no rule allows costs no call.
    found: dict[Push, list[TargetResult]] = {push: [] for push in pushes if not rules.rejection(push.record)}
    if found:
        news = tuple(found)
        hits, unknown = fleet_reader.find_hits(news, env, settings)
        with (
            ThreadPoolExecutor(1, thread_name_prefix="memories") as reader,
            ThreadPoolExecutor(WORKERS, thread_name_prefix="family") as pool,
        ):
            memories = reader.submit(_read_memories, hits, news, env, settings)
            # Families wait for each other only in the pacer, so that reading the next ones overlaps with registering.
            for results in pool.map(lambda hit: _roll_out(hit, news, memories, env, settings), hits):
                for push, result in results:
                    found.setdefault(push, []).append(result)
        for push in news:
            found[push] += [result for result in unknown if rules.allows(push.record, result.target)]
    late = [push for push in found if push.origin == "memory" and push not in pushes]
    return [(push, _sum_up(push, found.get(push, ()), rules)) for push in [*pushes, *late]]


def _read_memories(hits: Iterable[Hit], news: Sequence[Push], env: Environment, settings: Settings) -> Memories:
    members = []
    for hit in hits:
        members += _members_of(hit, env)[0]
    return fleet_reader.read_memories(members, news, env, settings)


def _members_of(hit: Hit, env: Environment) -> tuple[list[Member], list[TargetResult]]:
    if hit.newest:
        return [Member(None, hit.newest)], []
    return fleet_reader.read_members(hit.services, env)


def _roll_out(
    hit: Hit, pushes: Sequence[Push], memories: "Future[Memories]", env: Environment, settings: Settings
) -> list[tuple[Push, TargetResult]]:
    """Roll one family out, whatever becomes of others."""
    try:
        with FamilyLease(hit.family, env, is_needed=not settings.dry_run) as lease:
            known = memories.result()
            for _ in range(_MOST_PLANS):
                try:
                    return _Rollout(hit, pushes, env, settings, lease).run(known)
                except OvertakenError as error:
                    overtaken = error
                    known = _read_memories([hit], pushes, env, settings)
            raise overtaken
    except EcrDeployError as error:
        return [(push, _failed(target, before, error)) for push, target, before in hit.concerned]


class _Rollout:
    """One family, from what runs to what is to run."""

    def __init__(
        self, hit: Hit, pushes: Sequence[Push], env: Environment, settings: Settings, lease: FamilyLease
    ) -> None:
        self._hit = hit
        self._pushes = pushes
        self._env = env
        self._settings = settings
        self._lease = lease
        self._known: dict[Target, Known] = {}

    def run(self, known: Memories) -> list[tuple[Push, TargetResult]]:
        """Plan the family and do what the plan says; gives what came of each push.

        Raises:
            OvertakenError: another writer was quicker.
            EcrDeployError: nothing of it could be done.

        """
        family, results = self._read_family(known)
        if family is None:
            return results
        memories = {target: one.memory for target, one in self._known.items()}
        waits, problems = self._waits(family, memories)
        for _ in range(_MOST_PLANS):
            plan = planner.plan(self._pushes, family, memories, self._settings, waits)
            if self._settings.dry_run:
                done: dict[Target, Done] = {
                    member.target: (step.revision, "") for step in plan.steps for member in step.members
                }
                break
            self._lease.wait()
            refused = self._remember(plan)
            revisions = [self._register(step) for step in plan.steps]
            if theirs := self._overlooked(family, revisions):
                family = family._replace(newest=theirs, spare=())
                continue
            done = {**self._update_all(plan.steps, revisions, refused), **refused}
            break
        self._record(plan, done)
        return results + [(verdict.push, _result(verdict, done, problems)) for verdict in plan.verdicts]

    def _read_family(self, known: Memories) -> tuple[Family | None, list[tuple[Push, TargetResult]]]:
        """The family, if ECS has a revision of it; and what came of targets of which something is unknown."""
        # Asked first, because it is mostly what the services run, too.
        newest = self._hit.newest or self._env.ecs.newest(self._hit.family)
        members, unknown = _members_of(self._hit, self._env)
        unreadable = {one.target: error for one in members if isinstance(error := known[one.target], EcrDeployError)}
        readable = tuple(one for one in members if one.target not in unreadable)
        self._known = {one.target: read for one in readable if isinstance(read := known[one.target], Known)}
        results = [
            (push, one) for one in unknown for push, target, _ in self._hit.concerned if target == one.target
        ] + [
            (push, _failed(target, before, unreadable[target]))
            for push, target, before in self._hit.concerned
            if target in unreadable
        ]
        if not readable:
            return None, results
        highest = max((one.running for one in readable), key=lambda one: one.number)
        if newest is None or self._settings.base_revision == "running":
            return Family(highest, readable, self._spare(newest, highest)), results
        return Family(self._line(newest), readable, self._spare(newest, highest)), results

    def _line(self, newest: Revision) -> Revision:
        """The newest revision that a service may start from.

        Another instance of the module works for clusters that we can't see: what it registered is not ours. What others
        registered between one of ours and its base would be hidden by ours for good.
        """
        ours = self._env.function_name
        if newest.instance is None:
            return newest
        base = self._lease.base_of(newest)
        if newest.instance == ours and newest.number - base <= 1:
            return newest
        for older in islice(self._env.ecs.older(newest), _MOST_OLDER):
            if newest.instance == ours and older.number <= base:
                break
            if older.instance is None:
                return older
            if newest.instance != ours and older.instance == ours:
                return self._line(older)
        return newest

    def _spare(self, newest: Revision | None, highest: Revision) -> tuple[Revision, ...]:
        """The revisions that a crash may have left behind."""
        if newest is None or newest.instance != self._env.function_name or newest.number <= highest.number:
            return ()
        if not self._lease.was_interrupted:
            return (newest,)
        older = islice(self._env.ecs.older(newest), _MOST_OLDER)
        return (newest, *(one for one in older if one.number > highest.number))

    def _waits(
        self, family: Family, memories: Mapping[Target, memory.Memory]
    ) -> tuple[Mapping[Target, Reason], Mapping[Target, EcrDeployError]]:
        """Why targets must not be updated now; and which of them can't be, for good or for now."""
        waits = dict(self._hit.waits)
        due = planner.plan(self._pushes, family, memories, self._settings, waits).steps
        members = [member for step in due for member in step.members]
        busy, problems = self._env.controllers.ask(members)
        return {**waits, **busy, **{target: Reason.of(error) for target, error in problems.items()}}, problems

    def _remember(self, plan: Plan) -> dict[Target, EcrDeployError]:
        """Write down what is desired; gives for which targets it could not be.

        Raises:
            OvertakenError: another writer was quicker.

        """
        desired = {target: self._known[target]._replace(memory=one) for target, one in plan.memories.items()}
        refused = {}
        for target, written in self._env.table.write(desired).items():
            if isinstance(written, OvertakenError):
                raise written
            if isinstance(written, EcrDeployError):
                refused[target] = written
            else:
                self._known[target] = written
        return refused

    def _register(self, step: Step) -> Revision | EcrDeployError:
        if step.revision:
            return step.revision
        try:
            self._lease.wait()
            self._lease.note(step.base)
            revision = self._env.ecs.register(step.request)
            self._lease.add(revision)
        except EcrDeployError as error:
            return error
        return revision

    def _overlooked(self, family: Family, revisions: Iterable[Revision | EcrDeployError]) -> Revision | None:
        """The newest ACTIVE revision that others registered since we looked, and before the last of ours.

        ECS has no compare-and-swap: ours would hide theirs for good.
        """
        known = max(one.number for one in (family.newest, *family.spare, *(one.running for one in family.members)))
        ours = {one.number: one for one in revisions if isinstance(one, Revision) and one.number > known}
        if self._settings.base_revision == "running" or len(ours) == max(ours, default=known) - known:
            return None
        theirs = next((one for one in self._env.ecs.older(ours[max(ours)]) if one.number not in ours), None)
        return theirs if theirs and theirs.number > known and theirs.instance is None else None

    def _update_all(
        self,
        steps: Sequence[Step],
        revisions: Sequence[Revision | EcrDeployError],
        refused: Mapping[Target, EcrDeployError],
    ) -> dict[Target, Done]:
        """Update targets to their revisions; gives for each what it runs now, or why it could not."""
        done: dict[Target, Done] = {}
        for step, revision in zip(steps, revisions, strict=True):
            if isinstance(revision, EcrDeployError):
                done |= dict.fromkeys((member.target for member in step.members), revision)
                continue
            services = [one.service for one in step.members if one.service and one.target not in refused]
            done |= {one.target: (revision, "") for one in step.members if one.service is None}
            for service, answer in self._env.controllers.update(services, revision, force=step.force):
                done[service.target] = answer if isinstance(answer, EcrDeployError) else (revision, answer)
        return done

    def _record(self, plan: Plan, done: Mapping[Target, Done]) -> None:
        """Record what was done. Where that can't be written, the next look at the target finds it out."""
        if self._settings.dry_run:
            return
        members = {member.target: member for step in plan.steps for member in step.members}
        finished = {}
        for target, end in done.items():
            if isinstance(end, tuple) and end[0]:
                known = self._known[target]
                now = memory.finished(known.memory, members[target], end[0].arn, end[1])
                finished[target] = known._replace(memory=now)
        for target, written in self._env.table.write(finished).items():
            if isinstance(written, EcrDeployError):
                logger.warning("what was deployed to %s is recorded later: %s", target.name, written)


def _result(verdict: Verdict, done: Mapping[Target, Done], problems: Mapping[Target, EcrDeployError]) -> TargetResult:
    target, before = verdict.member.target, str(verdict.member.running)
    problem = problems.get(target)
    if problem and verdict.outcome is Outcome.WAITING:
        return _failed(target, before, problem)
    if verdict.outcome is not Outcome.DEPLOYED:
        return TargetResult(target, verdict.outcome, verdict.reason, before, before)
    end = done[target]
    if isinstance(end, EcrDeployError):
        return _failed(target, before, end)
    after = str(end[0]) if end[0] else None
    return TargetResult(target, Outcome.DEPLOYED, None, before, after, verdict.changes)


def _failed(target: Target, before: str, error: EcrDeployError) -> TargetResult:
    if isinstance(error, CallError) and error.code in _GONE:
        return TargetResult(target, Outcome.SKIPPED, Reason("deleted", "it was deleted meanwhile"), before, before)
    return TargetResult(target, Outcome.FAILED, Reason.of(error), before, before, retry=error.retry)


def _sum_up(push: Push, targets: Iterable[TargetResult], rules: Rules) -> PushResult:
    targets = tuple(targets)
    if targets:
        return sum_up(targets)
    reason = rules.rejection(push.record) or Reason("not-running", f"nothing in scope runs {push.repository}")
    return PushResult(Outcome.SKIPPED, reason, suspicious=not rules.names_registry(push.repository.account))
