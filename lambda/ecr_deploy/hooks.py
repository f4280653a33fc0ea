"""PAUSE hooks of ECS: deployments that await an action of somebody.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html
"""

from collections.abc import Iterable

from ecr_deploy import follow_ups, report
from ecr_deploy.aws import ecs_hooks
from ecr_deploy.aws.table import Known
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult, sum_up
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.rollouts import Rollout, State
from ecr_deploy.environment import Environment


def report_waiting(environment: Environment, event_id: str, targets: Iterable[Target]) -> list[PushResult]:
    """Report, once for each hook, that deployments of ours await an action; gives what failed of it."""
    problems = []
    for target in targets:
        try:
            _report_waiting(environment, event_id, target)
        except EcrDeployError as error:
            problems.append(report.log_failed(event_id, f"looking for the hook of {target.name}: {error}", error))
    return problems


def answer(environment: Environment, push: Push, result: PushResult) -> PushResult:
    """Let deployments of an approved image go on that are paused, and those of a rejected one roll back.

    Gives the result with what was done.

    Raises:
        InvalidRequestError: the runtime's botocore is too old for it.
        EcrDeployError: ECS refuses or does not answer.

    """
    action: ecs_hooks.Action = "CONTINUE" if push.answer == "approve" else "ROLLBACK"
    ended = "and goes on" if push.answer == "approve" else "and is rolled back"
    targets = tuple(
        reached._replace(reason=Reason("hook", f"its deployment was paused, {ended}"))
        if reached.outcome is Outcome.UNCHANGED and _act(environment, reached.target, push.record.digest, action)
        else reached
        for reached in result.targets
    )
    if targets == result.targets:
        return result
    answered = sum_up(targets)
    report.log(push, answered, dry_run=False)
    follow_ups.report_pushes(environment, [push], [answered], environment.settings)
    return answered


def _act(environment: Environment, target: Target, digest: str, action: ecs_hooks.Action) -> bool:
    """Whether a deployment of an image awaited an action, which was done."""
    if target.cluster is None or (found := _waiting(environment, target)) is None:
        return False
    rollout, hook = found
    if all(push.digest != digest for push in rollout.pushes):
        return False
    try:
        ecs_hooks.act(environment.ecs_with_events, hook, action)
    except ecs_hooks.TooOldError as error:
        raise InvalidRequestError(str(error)) from error
    return True


def _report_waiting(environment: Environment, event_id: str, target: Target) -> None:
    found = _waiting(environment, target)
    if found is None:
        return
    rollout, hook = found
    now = environment.now()
    newest = max(rollout.pushes, key=lambda push: push.pushed_at)
    if not environment.table.is_first(f"hook/{target.cluster}/{target.name}", hook.id, now):
        return
    reason = Reason("hook", str(hook))
    result = TargetResult(target, Outcome.WAITING, reason, rollout.before_name, rollout.after_name)
    push = Push(newest, event_id, "request" if rollout.trigger == "request" else "event", by=rollout.by)
    waits = PushResult(Outcome.WAITING, reason, (result,))
    report.log(push, waits, dry_run=False)
    follow_ups.report_pushes(environment, [push], [waits], environment.settings)


def _waiting(environment: Environment, target: Target) -> tuple[Rollout, ecs_hooks.Hook] | None:
    """The rollout of ours that a service is at, and the hook that it awaits an action at."""
    # Deployments of daemons have no hooks.
    service = None if target.is_daemon else environment.ecs.service(target)
    known = environment.table.read([target])[target]
    if not isinstance(known, Known):
        raise known
    rollout = known.memory.rollout
    if service is None or rollout is None or rollout.state is not State.STARTED or not rollout.pushes:
        return None
    if service.revision != rollout.revision:
        return None
    hook = ecs_hooks.read(environment.ecs_with_events, service).hook
    return (rollout, hook) if hook else None
