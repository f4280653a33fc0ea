"""The rollout watch: how the rollouts that we started ended, and rolling back those that don't succeed.

ECS's deployments decide. What ECS can't say, because its history is refused or over, follows from what the service runs.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from ecr_deploy import fleet_reader
from ecr_deploy.aws.table import Known, OvertakenError
from ecr_deploy.core import memory, planner, revisions, rollouts
from ecr_deploy.core.desires import Desire
from ecr_deploy.core.errors import CallError, EcrDeployError, InvalidRequestError, Retry
from ecr_deploy.core.fleet import Member, Service, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import BAD, End, Rollout, State
from ecr_deploy.core.settings import Settings
from ecr_deploy.environment import Environment
from ecr_deploy.leases import FamilyLease

logger = logging.getLogger("ecr_deploy")

_MOST_TRIES = 3


class RolloutResult(NamedTuple):
    """What became of a rollout to a service."""

    target: Target
    rollout: Rollout

    @property
    def state(self) -> State:
        """What it came to."""
        return self.rollout.state

    @property
    def record(self) -> Record | None:
        """The newest push that it was made for."""
        return max(self.rollout.pushes, key=lambda push: push.pushed_at, default=None)


class Watch:
    """Watches rollouts at one moment.

    Every method raises CallError where AWS refuses or does not answer, and OutOfTimeError where the invocation would
    end first.
    """

    def __init__(self, env: Environment, settings: Settings) -> None:
        self._env = env
        self._settings = settings
        self._now = env.now()

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
        known = fleet_reader.read_memories(services, (), self._env, self._settings)
        for member in services:
            try:
                one = known[member.target]
                if isinstance(one, EcrDeployError):
                    raise one
                if one.memory.rollout:
                    ended = self._settle(member, one)
                    results += ended or self._roll_back_overdue(member)
            except EcrDeployError as error:
                results.append(error)
        return results

    def roll_back(self, target: Target, *, by: str | None, dry_run: bool, force: bool = False) -> RolloutResult | None:
        """Roll a service back to what it ran before, as somebody asks; None if we did not update it.

        Raises:
            InvalidRequestError: the image that it would go back to is gone.

        """
        member = self._member(target)
        if member is None or member.service is None:
            return None
        with FamilyLease(member.running.family, self._env, is_needed=not dry_run) as lease:
            known = self._read(member)
            current = self._current(member, known.memory)
            if current is None:
                return None
            self._check_images(member.service, current, force=force)
            end = End(State.ROLLED_BACK, "on request" + (f" of {by}" if by else ""))
            if dry_run:
                return RolloutResult(target, self._ended(current, end))
            lease.wait()
            return self._roll_back(member.service, current, end, known, lease)

    def _member(self, target: Target) -> Member | None:
        service = self._env.ecs.service(target)
        return Member(service, self._env.ecs.revision(service.revision)) if service else None

    def _read(self, member: Member) -> Known:
        known = fleet_reader.read_memories([member], (), self._env, self._settings)[member.target]
        if isinstance(known, EcrDeployError):
            raise known
        return known

    def _current(self, member: Member, known: Memory) -> Rollout | None:
        """The rollout that brought what the service runs, if that was ours and was not rolled back."""
        candidates = [*known.rollouts, *self._env.table.history(member.target)] if known.rollouts else []
        found = (one for one in candidates if one.revision == member.running.arn)
        current = next(found, None)
        return None if current is None or current.state in BAD else current

    def _settle(self, member: Member, known: Known) -> list[RolloutResult]:
        """Judge the open rollouts of a service, and write down what they came to."""
        for _ in range(_MOST_TRIES):
            ends = self._judge(member, known.memory)
            service = member.service
            newest = known.memory.rollout
            if service and newest and self._rolls_back(service) and (end := ends.get(newest)):
                is_ours = end.state is State.FAILED and service.revision == newest.revision
                if is_ours:
                    return self._try_roll_back(member, newest, end.reason)
            try:
                return self._end(member.target, ends, known)
            except OvertakenError as error:
                overtaken = error
                known = self._read(member)
        raise overtaken

    def _end(self, target: Target, ends: "dict[Rollout, End]", known: Known) -> list[RolloutResult]:
        ended = [self._ended(rollout, end) for rollout, end in ends.items()]
        now = known.memory
        for rollout in ended:
            now = now.with_rollout(rollout)
            if rollout.state in BAD:
                now = memory.rejecting(now, rollout.pushes, self._now)
        # The history first: written twice it stays the same.
        self._env.table.archive(target, ended)
        newest = now.rollouts[:1]
        open_ones = [one for one in now.rollouts[1:] if one.state is State.STARTED]
        changed = known._replace(memory=now._replace(rollouts=(*newest, *open_ones)))
        written = self._env.table.write({target: changed})[target]
        if isinstance(written, EcrDeployError):
            raise written
        return [RolloutResult(target, rollout) for rollout in ended]

    def _ended(self, rollout: Rollout, end: End) -> Rollout:
        return rollout._replace(state=end.state, reason=end.reason, since=self._now)

    def _judge(self, member: Member, known: Memory) -> "dict[Rollout, End]":
        """What came of the rollouts that are open, and of the newest, which somebody may have taken away."""
        service = member.service
        if service is None or not known.rollouts:
            return {}
        ends = {}
        for rollout in known.rollouts:
            is_newest = rollout is known.rollouts[0]
            end = self._end_of(service, rollout, is_newest=is_newest) if rollout.state is State.STARTED else None
            if end is None and is_newest and self._was_taken_away(member, rollout, known):
                reason = f"{service.runs} was put in its place by somebody else"
                end = End(State.ROLLED_BACK, reason)
            if end:
                ends[rollout] = end
        return ends

    def _end_of(self, service: Service, rollout: Rollout, *, is_newest: bool) -> End | None:
        if self._env.controllers.is_external(service):
            return self._env.controllers.end(service, rollout)
        primary = rollouts.primary_of(service.deployments)
        is_primary = primary is not None and rollout.id in ("", primary.id)
        if is_newest and service.revision == rollout.revision and is_primary:
            return rollouts.judge(rollout.revision, service.deployments)
        past = self._past(service)
        if end := rollouts.judge_past(rollout.revision, past):
            return end
        if not is_newest:
            return End(State.SUPERSEDED, None)
        if is_newest and service.revision == rollout.revision:
            return rollouts.judge(rollout.revision, service.deployments)
        return None

    def _past(self, service: Service) -> Sequence[rollouts.Deployment]:
        """The deployments of a service as ECS keeps them; where it does not give them, those it has now."""
        try:
            return self._env.ecs.service_deployments(service) or service.deployments
        except CallError as error:
            if error.retry is not Retry.NEVER:
                raise
            return service.deployments

    def _was_taken_away(self, member: Member, rollout: Rollout, known: Memory) -> bool:
        """Whether the service runs something older than what we deployed, without having been made anew."""
        service = member.service
        if service is None or rollout.state in BAD or known.start or service.revision == rollout.revision:
            return False
        if service.created_at and service.created_at > rollout.started_at:
            return False
        if service.target in self._env.fleet.waiting([service]):
            return False
        return any(self._runs_older(member, push, known) for push in rollout.pushes)

    def _runs_older(self, member: Member, push: Record, known: Memory) -> bool:
        desire = known.desires.get(push.repository, Desire())
        order = self._settings.rules.order(push.repository, member.target)
        deployed = planner.place_of_image(push, desire, order)
        for container in member.running.containers:
            if container.repository == push.repository:
                image = memory.image_of(container, known)
                place = planner.running_place(image, push.repository, desire, order)
                if image.digest != push.digest and place < deployed:
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
        return self._try_roll_back(member, newest, f"it was not live after {_minutes(limit)}")

    def _try_roll_back(self, member: Member, rollout: Rollout, reason: str | None) -> list[RolloutResult]:
        service = member.service
        if service is None:
            return []
        with FamilyLease(member.running.family, self._env) as lease:
            known = self._read(member)
            try:
                self._check_images(service, rollout, force=False)
            except InvalidRequestError as error:
                logger.error("%s is not rolled back: %s", service.name, error)  # noqa: TRY400 - the sentence says it all
                return self._end(member.target, {rollout: End(State.FAILED, reason)}, known)
            lease.wait()
            return [self._roll_back(service, rollout, End(State.ROLLED_BACK, reason), known, lease)]

    def _rolls_back(self, service: Service) -> bool:
        """Whether it is ours to roll a failed rollout back, not the circuit breaker's."""
        return self._settings.rollback_on_failure and not service.reverts

    def _check_images(self, service: Service, rollout: Rollout, *, force: bool) -> None:
        """Check that ECR still has the images that a service would go back to.

        Raises:
            InvalidRequestError: one is gone.

        """
        before = self._env.ecs.revision(rollout.before)
        wanted: dict[Repository, list[str]] = {}
        for container in before.containers:
            if force or not container.repository or container.name not in rollout.images:
                continue
            if not self._settings.rules.covers(container.repository, service.target):
                continue
            name = container.digest or container.tag
            if name and not self._has(container.repository, container.tag, container.digest):
                wanted.setdefault(container.repository, []).append(container.image)
        if wanted:
            gone = ", ".join(image for images in wanted.values() for image in images)
            message = f"ECR no longer has {gone}, which {before} runs; with force it is rolled back all the same."
            raise InvalidRequestError(message)

    def _has(self, repository: Repository, tag: str | None, digest: str | None) -> bool:
        try:
            ecr = self._env.ecr(repository.region)
            return bool(ecr.describe(repository, [] if digest else [tag or "latest"], [digest] if digest else []))
        except CallError as error:
            if error.retry is not Retry.NEVER:
                raise
            # A registry that we may not ask is taken to have it.
            return True

    def _roll_back(
        self, service: Service, rollout: Rollout, end: End, known: Known, lease: FamilyLease
    ) -> RolloutResult:
        """Roll a service back, and write it down."""
        if not (rollouts.is_rolling_out(service.deployments) and self._stop(service)):
            revision = self._revision_to_return_to(rollout, lease)
            for _, answer in self._env.controllers.update([service], revision, force=False):
                if isinstance(answer, EcrDeployError):
                    raise answer
        # What the service runs from now on is looked up anew.
        images = {name: one for name, one in known.memory.images.items() if name not in rollout.images}
        known = known._replace(memory=known.memory._replace(images=images))
        [result] = self._end(service.target, {rollout: end}, known)
        return result

    def _revision_to_return_to(self, rollout: Rollout, lease: FamilyLease) -> Revision:
        """What the service ran before, or a copy of it where that can't be run any more as it stands."""
        before = self._env.ecs.revision(rollout.before, fresh=True)
        if rollout.before == rollout.revision:
            # The tag stands for another image now.
            request = revisions.following(before, rollout.images)
        elif before.is_active:
            return before
        else:
            request = revisions.following(before, {})
        lease.note(before)
        copy = self._env.ecs.register(request)
        lease.add(copy)
        return copy

    def _stop(self, service: Service) -> bool:
        """Whether ECS rolls the deployment back that runs, by itself."""
        if service.service_deployment is None:
            return False
        try:
            self._env.ecs.stop(service.service_deployment)
        except CallError as error:
            # It ended meanwhile, or is of a kind that can't be stopped: an update does it, too.
            if error.retry is not Retry.NEVER:
                raise
            return False
        return True


def _minutes(limit: timedelta) -> str:
    return f"{limit.total_seconds() / 60:g} minutes"
