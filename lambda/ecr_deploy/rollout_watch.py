"""Watching: what became of the rollouts that we started, and taking back those that don't succeed."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ecr_deploy.aws.ecs import Ecs
from ecr_deploy.core import rollouts
from ecr_deploy.core.errors import CallError, Retry
from ecr_deploy.core.fleet import CODE_DEPLOY, Member, Service, Target
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rollouts import End, Rollout, State
from ecr_deploy.core.settings import Settings

if TYPE_CHECKING:
    from ecr_deploy.aws.codedeploy import CodeDeploy


class RolloutResult(NamedTuple):
    """What became of a rollout: `before` is what the service ran until it started, as `family:number`."""

    target: Target
    state: State
    reason: str | None
    revision: Revision
    before: str

    @property
    def record(self) -> Record | None:
        """The newest push that the revision was made for."""
        return max(self.revision.records.values(), key=lambda record: record.pushed_at, default=None)


class _Watched(NamedTuple):
    """A service, a revision that we updated it to, and what is recorded of that."""

    service: Service
    revision: Revision
    rollout: Rollout

    @property
    def before(self) -> str:
        """The ARN of the revision that the service ran before."""
        return f"{self.revision.arn.rpartition(':')[0]}:{self.rollout.before}"

    @property
    def is_current(self) -> bool:
        """Whether the service is told to run the revision."""
        return self.service.revision == self.revision.arn


class Watch:
    """Looks after rollouts at one moment.

    Every method raises CallError where ECS refuses or does not answer, and OutOfTimeError where the invocation would
    end first.
    """

    def __init__(self, ecs: Ecs, settings: Settings, now: datetime, codedeploy: "CodeDeploy | None") -> None:
        self._ecs = ecs
        self._settings = settings
        self._now = now
        self._codedeploy = codedeploy

    def follow(self, target: Target) -> list[RolloutResult]:
        """Find out which rollouts to a service have ended; each is told once, however often it is asked."""
        service = self._ecs.service(target)
        if service is None or not self._settings.rules.reaches(target):
            return []
        results = []
        for revision in self._candidates(service):
            one = _watched(service, revision)
            if one and one.rollout.state is State.STARTED and (end := self._judge(one)):
                back = end.state is State.FAILED and one.is_current and self._takes_back(service)
                results.append(self._take_back(one, end.reason) if back else self._end(one, end))
        return results

    def look_after(self, members: Iterable[Member]) -> list[RolloutResult | CallError]:
        """Find out what became of all open rollouts, and take back those that are not live in time."""
        results: list[RolloutResult | CallError] = []
        for service, running in members:
            one = _watched(service, running) if service else None
            is_open = one is not None and one.rollout.state is State.STARTED
            # What CodeDeploy rolls out, a service is not told to run until that takes the traffic.
            if service and (is_open or self._codedeploy_of(service)):
                try:
                    ended = self.follow(service.target)
                    results += ended or self._take_back_if_overdue(service.target)
                except CallError as error:
                    results.append(error)
        return results

    def take_back(self, target: Target, *, dry_run: bool) -> RolloutResult | None:
        """Take a service back to what it ran before, as somebody asks; None if we did not update it."""
        service = self._ecs.service(target)
        one = _watched(service, self._ecs.read_again(service.revision)) if service else None
        if one is None or one.rollout.state is State.ROLLED_BACK:
            return None
        end = End(State.ROLLED_BACK, "on request")
        return _tell(one, end) if dry_run else self._take_back(one, end.reason)

    def _take_back_if_overdue(self, target: Target) -> list[RolloutResult]:
        service = self._ecs.service(target)
        one = _watched(service, self._ecs.revision(service.revision)) if service else None
        limit = self._settings.deployment_timeout
        if one is None or not self._takes_back(one.service) or self._now - one.rollout.since < limit:
            return []
        return [self._take_back(one, f"it was not live after {limit.total_seconds() / 60:g} minutes")]

    def _takes_back(self, service: Service) -> bool:
        """Whether it is ours to take a failed rollout back, not the circuit breaker's."""
        return self._settings.rollback_on_failure and not service.reverts

    def _take_back(self, one: _Watched, reason: str | None) -> RolloutResult:
        if not (rollouts.is_rolling_out(one.service.deployments) and self._stop(one.service)):
            updating = self._codedeploy_of(one.service) or self._ecs
            [problem] = updating.update([one.service], self._ecs.revision(one.before))
            if problem:
                raise problem
        return self._end(one, End(State.ROLLED_BACK, reason))

    def _codedeploy_of(self, service: Service) -> "CodeDeploy | None":
        """CodeDeploy, where it rolls the service out."""
        return self._codedeploy if service.controller == CODE_DEPLOY else None

    def _stop(self, service: Service) -> bool:
        """Whether ECS takes the deployment that runs back by itself."""
        if service.service_deployment is None:
            return False
        try:
            self._ecs.stop(service.service_deployment)
        except CallError as error:
            # It ended meanwhile, or is of a kind that can't be stopped: an update does it, too.
            if error.retry is not Retry.NEVER:
                raise
            return False
        return True

    def _candidates(self, service: Service) -> list[Revision]:
        """The revisions whose rollouts to the service may be open, as ECS has them now."""
        newest = self._ecs.newest(service.family)
        found = [newest] if newest else []
        arns = dict.fromkeys([service.revision, *(one.revision for one in service.deployments)])
        return found + [self._ecs.read_again(arn) for arn in arns if arn not in (one.arn for one in found)]

    def _judge(self, one: _Watched) -> End | None:
        if one.service.controller == CODE_DEPLOY:
            codedeploy = self._codedeploy_of(one.service)
            return codedeploy.end(one.service, one.revision, one.rollout.since) if codedeploy else None
        deployments = one.service.deployments
        if one.is_current:
            return rollouts.judge(one.revision.arn, deployments)
        past = self._ecs.service_deployments(one.service)
        return rollouts.judge_past(one.revision.arn, past or deployments)

    def _end(self, one: _Watched, end: End) -> RolloutResult:
        ended = one.rollout._replace(state=end.state, since=self._now)
        self._ecs.tag(one.revision, {rollouts.key(one.service.target): str(ended)})
        return _tell(one, end)


def _watched(service: Service, revision: Revision) -> _Watched | None:
    rollout = rollouts.read(revision.tags, service.target)
    return _Watched(service, revision, rollout) if rollout else None


def _tell(one: _Watched, end: End) -> RolloutResult:
    return RolloutResult(one.service.target, end.state, end.reason, one.revision, one.before.rpartition("/")[2])
