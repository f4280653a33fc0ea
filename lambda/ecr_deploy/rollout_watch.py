"""The rollout watch: how the rollouts that we started ended, and rolling back those that don't succeed.

ECS's deployments decide. What ECS can't say, because its history is refused or over, follows from what the service
runs.
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from ecr_deploy import memory_reader, rollbacks
from ecr_deploy.aws.table import Known
from ecr_deploy.core import decisions, memory, rollouts
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError, OvertakenError
from ecr_deploy.core.fleet import Member, Service, Target
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import BAD, End, Rollout, State
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.leases import FamilyLease

logger = logging.getLogger("ecr_deploy")

_MOST_TRIES = 3

# Rollouts and what they came to.
Ends = list[tuple[Rollout, End]]


class RolloutResult(NamedTuple):
    """What became of a rollout to a service; `is_requested` where somebody, `by`, asked for it to be rolled back."""

    target: Target
    rollout: Rollout
    is_requested: bool = False
    by: str | None = None

    @property
    def state(self) -> State:
        """What it came to."""
        return self.rollout.state

    @property
    def reason(self) -> str | None:
        """Why, where that is known."""
        return self.rollout.reason

    @property
    def family(self) -> str:
        """The family of its revision."""
        return self.rollout.after_name.rpartition(":")[0]

    @property
    def record(self) -> Record | None:
        """The newest push that it was made for."""
        return max(self.rollout.pushes, key=lambda push: push.pushed_at, default=None)


class Watch:
    """Watches rollouts at one moment.

    Every method raises CallError where AWS refuses or does not answer, and OutOfTimeError where the invocation would
    end first.
    """

    def __init__(self, environment: Environment, settings: Settings) -> None:
        self._environment = environment
        self._settings = settings
        self._now = environment.now()

    def follow(self, target: Target) -> list[RolloutResult]:
        """Find out which rollouts to a service have ended; each is reported once, however often it is asked."""
        member = self._member(target)
        if member is None or not self._settings.rules.reaches(target):
            return []
        return self._settle(member, self._read(member))

    def watch(self, members: Iterable[Member]) -> list[RolloutResult | EcrDeployError]:
        """Find out what became of all open rollouts, and roll back those that are not live in time."""
        services = [member for member in members if member.service]
        results: list[RolloutResult | EcrDeployError] = []
        known = memory_reader.read_memories(services, (), self._environment, self._settings)
        for member in services:
            try:
                read = known[member.target]
                if isinstance(read, EcrDeployError):
                    raise read
                if read.memory.rollout:
                    ended = self._settle(member, read)
                    results += ended or self._roll_back_overdue(member)
            except EcrDeployError as error:
                results.append(error)
        return results

    def roll_back(
        self, target: Target, *, by: str | None, dry_run: bool, force: bool = False, to: str | None = None
    ) -> RolloutResult | None:
        """Roll a service back to what it ran before, or to the revision `to`; None if we did not update it.

        Raises:
            InvalidRequestError: the image that it would go back to is gone, or it never ran the revision.

        """
        member = self._member(target)
        if member is None or member.service is None:
            return None
        with FamilyLease(member.running.family, self._environment, is_needed=not dry_run) as lease:
            known = self._read(member)
            current = self._current(member, known.memory)
            if current is None:
                return None
            if to:
                past = self._environment.table.history(member.target)
                current = rollbacks.back_to(to, current, (*known.memory.rollouts, *past))
            if not force:
                rollbacks.check_images(member.service, current, self._environment, self._settings)
            end = End(State.ROLLED_BACK, "on request" + (f" of {by}" if by else ""))
            if dry_run:
                return RolloutResult(target, self._ended(current, end), is_requested=True, by=by)
            lease.wait()
            result = self._roll_back(member.service, current, end, known, lease)
            return result._replace(is_requested=True, by=by)

    def _member(self, target: Target) -> Member | None:
        service = self._environment.ecs.service(target)
        return Member(service, self._environment.ecs.revision(service.revision)) if service else None

    def _read(self, member: Member) -> Known:
        known = memory_reader.read_memories([member], (), self._environment, self._settings)[member.target]
        if isinstance(known, EcrDeployError):
            raise known
        return known

    def _current(self, member: Member, known: Memory) -> Rollout | None:
        """The rollout that brought what the service runs, if that was ours and was not rolled back."""
        candidates = [*known.rollouts, *self._environment.table.history(member.target)] if known.rollouts else []
        found = (rollout for rollout in candidates if rollout.revision == member.running.arn)
        current = next(found, None)
        return None if current is None or current.state in BAD else current

    def _settle(self, member: Member, known: Known) -> list[RolloutResult]:
        """Judge the open rollouts of a service, and write down what they came to."""
        for _ in range(_MOST_TRIES):
            ends = self._judge(member, known.memory)
            service = member.service
            newest = known.memory.rollout
            if service and newest and self._rolls_back(service) and service.revision == newest.revision:
                failed = [end for rollout, end in ends if rollout is newest and end.state is State.FAILED]
                if failed:
                    return self._try_roll_back(member, newest, failed[0].reason)
            try:
                return self._end(member.target, ends, known, member.running)
            except OvertakenError as error:
                overtaken = error
                known = self._read(member)
        raise overtaken

    def _end(self, target: Target, ends: Ends, known: Known, running: Revision) -> list[RolloutResult]:
        """Write down how rollouts ended, and that the service runs a revision now."""
        ended = [self._ended(rollout, end) for rollout, end in ends]
        now = known.memory
        for rollout in ended:
            now = now.with_rollout(rollout)
            if rollout.state is State.ROLLED_BACK:
                now = memory.rolled_back(now, rollout, running, self._now)
            elif rollout.state is State.FAILED:
                now = memory.rejecting(now, rollout.pushes, self._now)
        # The history first: written twice it stays the same.
        self._environment.table.archive(target, ended)
        newest = now.rollouts[:1]
        open_ones = [rollout for rollout in now.rollouts[1:] if rollout.state is State.STARTED]
        changed = known._replace(memory=now._replace(rollouts=(*newest, *open_ones)))
        written = self._environment.table.write({target: changed})[target]
        if isinstance(written, EcrDeployError):
            raise written
        return [RolloutResult(target, rollout) for rollout in ended]

    def _ended(self, rollout: Rollout, end: End) -> Rollout:
        return rollout._replace(state=end.state, reason=end.reason, since=self._now)

    def _judge(self, member: Member, known: Memory) -> Ends:
        """What came of the rollouts that are open, and of the newest, which somebody may have taken away."""
        service = member.service
        if service is None or not known.rollouts:
            return []
        ends: Ends = []
        for number, rollout in enumerate(known.rollouts):
            is_newest = number == 0
            end = None
            if rollout.state is State.STARTED:
                # Of two with one revision, because a tag was moved meanwhile, ECS speaks of the newer.
                is_repeated = any(newer.revision == rollout.revision for newer in known.rollouts[:number])
                superseded = End(State.SUPERSEDED, None) if is_repeated else None
                end = superseded or self._end_of(service, rollout, is_newest=is_newest)
                if end and end.state in BAD:
                    end = self._explained(service, rollout, end)
            if end is None and is_newest and self._was_taken_away(member, rollout, known):
                reason = f"{service.runs} was put in its place by somebody else"
                end = End(State.ROLLED_BACK, reason)
            if end:
                ends.append((rollout, end))
        return ends

    def _end_of(self, service: Service, rollout: Rollout, *, is_newest: bool) -> End | None:
        controller = self._environment.controllers.of(service)
        if not controller.shows_target:
            return controller.end(service, self._environment.ecs.revision(rollout.revision), rollout.started_at)
        primary = rollouts.primary_of(service.deployments)
        is_primary = primary is not None and rollout.id in ("", primary.id)
        if is_newest and service.revision == rollout.revision and is_primary:
            return rollouts.judge(rollout.revision, service.deployments)
        past = self._environment.controllers.ecs.past(service)
        if end := rollouts.judge_past(rollout.revision, past):
            return end
        if not is_newest:
            return End(State.SUPERSEDED, None)
        return rollouts.judge(rollout.revision, service.deployments) if service.revision == rollout.revision else None

    def _explained(self, service: Service, rollout: Rollout, end: End) -> End:
        """Add why the tasks of a rollout failed, where ECS says it; what only tells can't keep us from acting."""
        from ecr_deploy.aws import ecs_tasks  # noqa: PLC0415 - most rollouts end well

        api = self._environment.ecs_with_events
        try:
            why = ecs_tasks.why_stopped(api, service, rollout.revision, rollout.started_at)
        except EcrDeployError as error:
            logger.warning("why %s failed on %s is not known: %s", rollout.after_name, service.name, error)
            return end
        return End(end.state, "; ".join(filter(None, (end.reason and end.reason.rstrip("."), why)))) if why else end

    def _was_taken_away(self, member: Member, rollout: Rollout, known: Memory) -> bool:
        """Whether the service runs something older than what we deployed, without having been made anew."""
        service = member.service
        if service is None or rollout.state in BAD or known.start or service.revision == rollout.revision:
            return False
        if rollout.state is State.STARTED and not self._environment.controllers.of(service).shows_target:
            return False
        if service.created_at and service.created_at > rollout.started_at:
            return False
        if service.target in self._environment.ecs.waiting([service]):
            return False
        return any(self._runs_older(member, push, known) for push in rollout.pushes)

    def _runs_older(self, member: Member, push: Record, known: Memory) -> bool:
        rules, target = self._settings.rules, member.target
        order = rules.order(push.repository, target)
        for container in member.running.containers:
            if container.repository == push.repository:
                desire = decisions.allowed(known, push.repository, rules, target, container.name)
                image = memory.image_of(container, known)
                place = decisions.running_place(image, push.repository, desire, order)
                if image.digest != push.digest and place < decisions.place_of_image(push, desire, order):
                    return True
        return False

    def _roll_back_overdue(self, member: Member) -> list[RolloutResult]:
        known = self._read(member)
        newest, service = known.memory.rollout, member.service
        limit = self._settings.deployment_timeout
        if service is None or newest is None or newest.state is not State.STARTED:
            return []
        is_current = service.revision == newest.revision
        if not is_current or not self._rolls_back(service) or self._now - newest.started_at < limit:
            return []
        from ecr_deploy.aws import ecs_hooks  # noqa: PLC0415 - most rollouts end in time

        pauses = ecs_hooks.read(self._environment.ecs_with_events, service)
        # To wait for a person is no failure.
        if pauses.hook or (pauses.went_on_at and self._now - pauses.went_on_at < limit):
            return []
        late = End(State.FAILED, f"it was not live after {limit.total_seconds() / 60:g} minutes")
        return self._try_roll_back(member, newest, self._explained(service, newest, late).reason)

    def _try_roll_back(self, member: Member, rollout: Rollout, reason: str | None) -> list[RolloutResult]:
        service = member.service
        if service is None:
            return []
        with FamilyLease(member.running.family, self._environment) as lease:
            known = self._read(member)
            try:
                rollbacks.check_images(service, rollout, self._environment, self._settings)
            except InvalidRequestError as error:
                logger.error("%s is not rolled back: %s", service.name, error)  # noqa: TRY400 - the sentence says it all
                return self._end(member.target, [(rollout, End(State.FAILED, reason))], known, member.running)
            lease.wait()
            return [self._roll_back(service, rollout, End(State.ROLLED_BACK, reason), known, lease)]

    def _roll_back(
        self, service: Service, rollout: Rollout, end: End, known: Known, lease: FamilyLease
    ) -> RolloutResult:
        """Roll a service back, and write it down."""
        revision = rollbacks.carry_out(service, rollout, self._environment, lease)
        [result] = self._end(service.target, [(rollout, end)], known, revision)
        return result

    def _rolls_back(self, service: Service) -> bool:
        """Whether it is ours to roll a failed rollout back, not the circuit breaker's."""
        return self._settings.rollback_on_failure and not service.reverts
