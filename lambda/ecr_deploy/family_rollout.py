"""One family, from what runs to what is to run: planned, written down, registered, updated, recorded."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from ecr_deploy import fleet_reader, memory_reader
from ecr_deploy.aws.table import Known
from ecr_deploy.core import admission, memory, planner
from ecr_deploy.core.decisions import Verdict
from ecr_deploy.core.errors import EcrDeployError, OvertakenError, Retry
from ecr_deploy.core.fleet import Family, Target
from ecr_deploy.core.outcomes import Outcome, Reason, TargetResult
from ecr_deploy.core.planner import Plan, Step
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.fleet_reader import Hit
from ecr_deploy.leases import FamilyLease
from ecr_deploy.memory_reader import Reading

logger = logging.getLogger("ecr_deploy")

# Enough for whoever deploys beside us; a loop that registers without end must not take us with it.
_MOST_PLANS = 3
# How far below the newest revision of a family we look for one that a service may start from.
_MOST_OLDER = 50

# A revision that a target got, with its deployment's id; or why it did not.
Done = tuple[Revision | None, str] | EcrDeployError


class FamilyRollout:
    """One family, from what runs to what is to run."""

    def __init__(
        self, hit: Hit, pushes: Sequence[Push], environment: Environment, settings: Settings, lease: FamilyLease
    ) -> None:
        self._hit = hit
        self._pushes = pushes
        self._environment = environment
        self._settings = settings
        self._lease = lease
        self._known: dict[Target, Known] = {}
        self._newest = 0

    def run(self, read: Callable[[], Reading]) -> list[tuple[Push, TargetResult]]:
        """Plan the family and do what the plan says; gives what came of each push. `read` gives what is known of it.

        Raises:
            OvertakenError: another writer was quicker.
            EcrDeployError: nothing of it could be done.

        """
        family, results = self._read_family(read)
        if family is None:
            return results
        memories = {target: known.memory for target, known in self._known.items()}
        members = (
            memory_reader.as_deployed(member, memories[member.target], self._environment) for member in family.members
        )
        begun = {
            target: self._environment.ecs.revision(known.start.base)
            for target, known in memories.items()
            if known.start
        }
        family = family._replace(members=tuple(members), begun=begun)
        self._settings = self._environment.frozen(self._settings)
        pushed = [push.record for push in self._pushes]
        if any(self._settings.rules.scans(push.repository) for push in pushed):
            from ecr_deploy import scans  # noqa: PLC0415 - most users need not load it

            self._settings = scans.look_at(self._environment, self._settings, memories.values(), pushed)
        waits, problems = self._waits(family, memories)
        for plans_left in reversed(range(_MOST_PLANS)):
            plan = planner.plan(self._pushes, family, memories, self._settings, waits)
            if self._settings.dry_run:
                done: dict[Target, Done] = {
                    member.target: (step.revision, "") for step in plan.steps for member in step.members
                }
                break
            self._lease.wait()
            self._lease.begin_note(step.base for step in plan.steps if step.revision is None)
            refused = self._remember(plan)
            revisions = self._register_all(plan.steps)
            if plans_left and (theirs := self._overlooked(revisions)):
                family = family._replace(newest=theirs, spare=())
                continue
            done = {**self._update_all(plan.steps, revisions, refused), **refused}
            break
        self._record(plan, done)
        bases = {member.target: str(step.base) for step in plan.steps for member in step.members}
        concerned = {(push, target) for push, target, _ in self._hit.concerned}
        return results + [
            (verdict.push, _result(verdict, done, problems, bases))
            for verdict in plan.verdicts
            if verdict.push.origin == "memory" or (verdict.push, verdict.member.target) in concerned
        ]

    def _read_family(self, read: Callable[[], Reading]) -> tuple[Family | None, list[tuple[Push, TargetResult]]]:
        """The family, if ECS has a revision of it; and what came of targets of which something is unknown."""
        reading = read()
        known, newest = reading.memories, reading.newest[self._hit.family]
        if isinstance(newest, EcrDeployError):
            raise newest
        members, unknown = fleet_reader.members_of(self._hit, self._environment)
        unreadable = {
            member.target: error for member in members if isinstance(error := known[member.target], EcrDeployError)
        }
        readable = tuple(member for member in members if member.target not in unreadable)
        self._known = {member.target: item for member in readable if isinstance(item := known[member.target], Known)}
        results = [
            (push, result) for result in unknown for push, target, _ in self._hit.concerned if target == result.target
        ] + [
            (push, failed(target, before, unreadable[target]))
            for push, target, before in self._hit.concerned
            if target in unreadable
        ]
        if not readable:
            return None, results
        highest = max((member.running for member in readable), key=lambda revision: revision.number)
        self._newest = max(highest.number, newest.number if newest else 0)
        if newest is None or self._settings.base_revision == "running":
            return Family(highest, readable, self._spare(newest, highest)), results
        line = self._line(newest)
        is_hidden = newest.instance == self._environment.function_name and line is not newest
        family = Family(line, readable, self._spare(newest, highest), is_hidden=is_hidden)
        return family._replace(origin=self._origin(family)), results

    def _line(self, newest: Revision) -> Revision:
        """The newest revision that a service may start from.

        Another instance of the module works for clusters that we can't see: what it registered is not ours. What others
        registered between one of ours and its base would be hidden by ours for good.
        """
        ours = self._environment.function_name
        if newest.instance is None:
            return newest
        base = self._lease.base_of(newest)
        if newest.instance == ours and newest.number - base <= 1:
            return newest
        for older in islice(self._environment.ecs.older(newest), _MOST_OLDER):
            if newest.instance == ours and older.number <= base:
                break
            if older.instance is None:
                return older
            if newest.instance != ours and older.instance == ours:
                return self._line(older)
        return newest

    def _origin(self, family: Family) -> Revision | None:
        """The newest revision of the family's owner, where the newest is one of ours that only some members run."""
        running = {member.running.arn for member in family.members}
        if family.newest.instance is None or family.newest.arn not in running or len(running) == 1:
            return None
        older = islice(self._environment.ecs.older(family.newest), _MOST_OLDER)
        return next((revision for revision in older if revision.instance is None), None)

    def _spare(self, newest: Revision | None, highest: Revision) -> tuple[Revision, ...]:
        """The revisions that a crash may have left behind."""
        if newest is None or newest.instance != self._environment.function_name or newest.number <= highest.number:
            return ()
        if not self._lease.was_interrupted:
            return (newest,)
        older = islice(self._environment.ecs.older(newest), _MOST_OLDER)
        return (newest, *(revision for revision in older if revision.number > highest.number))

    def _waits(
        self, family: Family, memories: Mapping[Target, memory.Memory]
    ) -> tuple[Mapping[Target, Reason], Mapping[Target, EcrDeployError]]:
        """Why targets must not be updated now; and which of them can't be, for good or for now."""
        waits = dict(self._hit.waits)
        due = planner.plan(self._pushes, family, memories, self._settings, waits).steps
        services = [member.service for step in due for member in step.members if member.service]
        busy, problems = self._environment.controllers.ask(services)
        return {**waits, **busy, **{target: Reason.of(error) for target, error in problems.items()}}, problems

    def _remember(self, plan: Plan) -> dict[Target, EcrDeployError]:
        """Write down what is desired; gives for which targets it could not be.

        Raises:
            OvertakenError: another writer was quicker.

        """
        desired = {
            target: self._known[target]._replace(memory=desired_memory)
            for target, desired_memory in plan.memories.items()
        }
        refused = {}
        for target, written in self._environment.table.write(desired).items():
            if isinstance(written, OvertakenError):
                raise written
            if isinstance(written, EcrDeployError):
                refused[target] = written
            else:
                self._known[target] = written
        return refused

    def _register_all(self, steps: Sequence[Step]) -> list[Revision | EcrDeployError]:
        revisions = [step.revision or self._register(step) for step in steps]
        if None in [step.revision for step in steps] and all(isinstance(revision, Revision) for revision in revisions):
            self._lease.end_note()
        return revisions

    def _register(self, step: Step) -> Revision | EcrDeployError:
        try:
            self._lease.wait()
            revision = self._environment.ecs.register(step.base.family, step.request, self._newest)
        except EcrDeployError as error:
            return error
        self._lease.add(revision, step.base)
        return revision

    def _overlooked(self, revisions: Iterable[Revision | EcrDeployError]) -> Revision | None:
        """The newest ACTIVE revision that others registered since we looked, and before the last of ours.

        ECS has no compare-and-swap: ours would hide theirs for good.
        """
        known = self._newest
        ours = {
            revision.number: revision
            for revision in revisions
            if isinstance(revision, Revision) and revision.number > known
        }
        if self._settings.base_revision == "running" or len(ours) == max(ours, default=known) - known:
            return None
        theirs = next(
            (revision for revision in self._environment.ecs.older(ours[max(ours)]) if revision.number not in ours), None
        )
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
            services = [member.service for member in step.members if member.service and member.target not in refused]
            done |= {member.target: (revision, "") for member in step.members if member.service is None}
            for service, answer in self._environment.controllers.update(services, revision, force=step.force):
                done[service.target] = answer if isinstance(answer, EcrDeployError) else (revision, answer)
        return done

    def _record(self, plan: Plan, done: Mapping[Target, Done]) -> None:
        """Record what was done. Where that can't be written, the next look at the target finds it out."""
        if self._settings.dry_run:
            return
        self._lease.begin_release()
        members = {member.target: member for step in plan.steps for member in step.members}
        finished = {}
        for target, end in done.items():
            if isinstance(end, tuple) and end[0]:
                known = self._known[target]
                now = memory.finished(known.memory, members[target], end[0].arn, end[1])
                finished[target] = known._replace(memory=now)
        for target, written in self._environment.table.write(finished).items():
            if isinstance(written, EcrDeployError):
                logger.warning("what was deployed to %s is recorded later: %s", target.name, written)


def _result(
    verdict: Verdict,
    done: Mapping[Target, Done],
    problems: Mapping[Target, EcrDeployError],
    bases: Mapping[Target, str],
) -> TargetResult:
    target, before = verdict.member.target, str(verdict.member.running)
    problem = problems.get(target)
    if problem and verdict.outcome is Outcome.WAITING:
        return failed(target, before, problem)
    if verdict.outcome is not Outcome.DEPLOYED:
        return TargetResult(target, verdict.outcome, verdict.reason, before, before, gates=verdict.gates)
    end = done[target]
    if isinstance(end, EcrDeployError):
        return failed(target, before, end)
    after = str(end[0]) if end[0] else None
    result = TargetResult(target, Outcome.DEPLOYED, None, before, after, verdict.changes, gates=verdict.gates)
    return result._replace(base=bases[target], deployment=end[1] or None)


def failed(target: Target, before: str, error: EcrDeployError) -> TargetResult:
    """What came of a push for a target that could not be updated."""
    outcome, reason = admission.by_refusal(error)
    retry = error.retry if outcome is Outcome.FAILED else Retry.NEVER
    return TargetResult(target, outcome, reason, before, before, retry=retry)
