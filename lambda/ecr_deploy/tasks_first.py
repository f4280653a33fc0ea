"""Tasks that run before services get an image: begun once for each image, waited for by events, judged once.

What is begun is written down before ECS is asked, with the very request: done again after a crash, it has the same
token, and ECS starts nothing twice.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from ecr_deploy import report
from ecr_deploy.aws import ecs_tasks
from ecr_deploy.core import revisions, tasks
from ecr_deploy.core.errors import CallError, EcrDeployError, InvalidRequestError, Retry
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.images import Image
from ecr_deploy.core.outcomes import Outcome, PushResult, Reason, TargetResult, sum_up
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.settings import Settings
from ecr_deploy.core.tasks import Run, RunState, Slot, Task
from ecr_deploy.environment import Environment
from ecr_deploy.leases import FamilyLease

logger = logging.getLogger("ecr_deploy")

# ECS knows a token for an hour after its task has stopped, at least.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
_TOKEN_LASTS = timedelta(minutes=50)
# ECS tells of stopped tasks for about an hour.
_TASK_LASTS = timedelta(hours=1)

Results = list[tuple[Push, PushResult]]


def begin(environment: Environment, results: Results, settings: Settings) -> Results:
    """Begin the tasks that pushes wait for; gives the results, failed where a task could not be begun."""
    waiting: dict[tuple[str, str], tuple[Task, list[tuple[Push, Target]]]] = {}
    for push, result in results:
        for reached in result.targets:
            task, cluster = _awaited(push, reached, settings), reached.target.cluster
            if task and cluster:
                _, found = waiting.setdefault((cluster, task.slot(cluster)), (task, []))
                found.append((push, reached.target))
    failures: dict[tuple[Push, str], EcrDeployError] = {}
    begun: dict[tuple[Push, str], Reason] = {}
    for (cluster, _), (task, found) in waiting.items():
        order = settings.rules.order(found[0][0].repository, found[0][1])
        # A daemon does not say where a task would run.
        push, target = max(found, key=lambda pair: (order(pair[0].record), not pair[1].is_daemon))
        try:
            _begin(environment, task, push, target)
            begun[push, cluster] = Reason("task", f"the task {task.family} was started for it")
        except EcrDeployError as error:
            failures[push, cluster] = error
    return [(push, _result(push, result, begun, failures)) for push, result in results]


def end(environment: Environment, started_by: str, stopped: Mapping[str, Any]) -> Results:
    """Judge a task of ours that has stopped, once; gives what came of its push where it failed.

    Raises:
        EcrDeployError: that can't be written down.

    """
    for name, slot in environment.slots.read().items():
        for run in slot.runs:
            if run.token == started_by and run.state in tasks.ACTIVE:
                return _end(environment, name, slot, run, stopped)
    return []


def look_after(environment: Environment, event_id: str) -> tuple[list[PushResult], Results]:
    """Judge tasks of whose end no event came, and stop those that take too long."""
    problems: list[PushResult] = []
    ended: Results = []
    for name, slot in environment.slots.read().items():
        run = slot.active
        if run is None or run.state is not RunState.STARTED or run.arn is None:
            continue
        try:
            ended += _look_after(environment, name, slot, run)
        except EcrDeployError as error:
            problems.append(report.log_failed(event_id, f"looking after the task {name}: {error}", error))
    return problems, ended


def _awaited(push: Push, result: TargetResult, settings: Settings) -> Task | None:
    """The task that a push waits for at a target, or that a request runs again."""
    kind = result.reason.kind if result.reason else ""
    if kind != "task" and not (kind == "task-failed" and push.origin == "request"):
        return None
    return settings.rules.awaited_task(push.record, result.target)


def _result(
    push: Push,
    result: PushResult,
    begun: Mapping[tuple[Push, str], Reason],
    failures: Mapping[tuple[Push, str], EcrDeployError],
) -> PushResult:
    """What came of a push once its tasks were begun, or could not be."""
    targets = []
    for reached in result.targets:
        place = (push, reached.target.cluster or "")
        kind = reached.reason.kind if reached.reason else ""
        changed = reached
        if kind in {"task", "task-failed"} and (error := failures.get(place)):
            changed = reached._replace(outcome=Outcome.FAILED, reason=Reason("task", str(error)), retry=error.retry)
        elif kind == "task-failed" and place in begun:
            changed = reached._replace(outcome=Outcome.WAITING, reason=begun[place])
        targets.append(changed)
    return sum_up(targets) if tuple(targets) != result.targets else result


def _begin(environment: Environment, task: Task, push: Push, target: Target) -> None:
    name = task.slot(target.cluster or "")
    slot = environment.slots.read().get(name, Slot())
    run, active = slot.of(push.record), slot.active
    if active and active is not run:
        if active.state is RunState.STARTED:
            return
        if active.request:
            _start(environment, name, slot, active)
            return
        # It never reached ECS.
        slot = slot.without(active)
    if run is None or (run.state is RunState.FAILED and push.origin == "request"):
        attempt = run.attempt + 1 if run else 1
        token = tasks.token(environment.function_name, name, push.record, attempt)
        run = Run(push.record, RunState.BEGUN, token, environment.now(), attempt, timeout=task.timeout)
        slot = environment.slots.write(name, slot.having(run))
    if run.state is not RunState.BEGUN:
        return
    if not run.request:
        request = _request(environment, task, push, target)
        run = run._replace(request=request, since=environment.now())
        slot = environment.slots.write(name, slot.having(run))
    _start(environment, name, slot, run)


def _start(environment: Environment, name: str, slot: Slot, run: Run) -> None:
    """Ask ECS for the task, as often as it takes: the token makes it one."""
    if environment.now() - run.since > _TOKEN_LASTS:
        reason = "it is not known whether the task ran, because the function could not go on for too long"
        environment.slots.write(name, slot.having(run._replace(state=RunState.FAILED, reason=reason)))
        message = f"{reason}: look, and a request runs it again"
        raise InvalidRequestError(message)
    try:
        arn = ecs_tasks.run(environment.ecs_with_events, run.request, run.token)
    except CallError as error:
        if error.code == ecs_tasks.NOTHING_STARTED:
            # What comes next is another try, for another token.
            environment.slots.write(name, slot.without(run))
        elif error.retry is Retry.NEVER:
            environment.slots.write(name, slot.having(run._replace(state=RunState.FAILED, reason=str(error))))
        raise
    environment.slots.write(name, slot.having(run._replace(state=RunState.STARTED, arn=arn)))


def _request(environment: Environment, task: Task, push: Push, target: Target) -> dict[str, Any]:
    """What RunTask gets, but for the token."""
    revision = _revision(environment, task, push)
    place = dict(task.launch)
    if not place and not target.is_daemon:
        awsvpc = b'"networkMode": "awsvpc"' in revision.source
        place = ecs_tasks.launch_settings(environment.ecs_with_events, target, awsvpc=awsvpc)
    command = {"overrides": {"containerOverrides": [{"name": task.container, "command": list(task.command)}]}}
    return {"cluster": target.cluster, "taskDefinition": revision.arn, **(command if task.command else {}), **place}


def _revision(environment: Environment, task: Task, push: Push) -> Revision:
    """The family's revision with the pushed image, registered unless it is the newest one already."""
    with FamilyLease(task.family, environment) as lease:
        newest = environment.ecs.newest(task.family)
        container = newest.container(task.container) if newest else None
        if newest is None or container is None:
            message = (
                f"The family {task.family} of run_before has no active revision with a container {task.container}."
            )
            raise InvalidRequestError(message)
        kept = container.reference if container.repository == push.repository else None
        # By digest, too: the tag may be moved before ECS looks.
        image = (kept or _image(push)).pointing_to(push.record.tag, push.record.digest, "tag+digest")
        request = revisions.following(newest, {task.container: str(image)})
        if revisions.is_like(newest, request):
            return newest
        lease.wait()
        revision = environment.ecs.register(task.family, request, newest.number)
        lease.add(revision, newest)
        return revision


def _image(push: Push) -> Image:
    from ecr_deploy.core import images  # noqa: PLC0415

    return images.parse(str(push.repository))


def _look_after(environment: Environment, name: str, slot: Slot, run: Run) -> Results:
    cluster = name.partition("/")[0]
    found = ecs_tasks.describe(environment.ecs_with_events, cluster, [run.arn or ""])
    age = environment.now() - run.since
    if found and found[0]["lastStatus"] == "STOPPED":
        return _end(environment, name, slot, run, found[0])
    if not found and age > _TASK_LASTS:
        return _end(environment, name, slot, run, {"stoppedReason": "ECS does not know the task any more"})
    if found and age > run.timeout and run.reason is None:
        reason = f"it had not ended after {run.timeout.total_seconds() / 60:g} minutes"
        environment.slots.write(name, slot.having(run._replace(reason=reason)))
        ecs_tasks.stop(environment.ecs_with_events, cluster, run.arn or "", reason)
    return []


def _end(environment: Environment, name: str, slot: Slot, run: Run, stopped: Mapping[str, Any]) -> Results:
    cluster, family, container = name.split("/")
    why = tasks.judge(stopped, container)
    if why is None:
        environment.slots.write(name, slot.having(run._replace(state=RunState.DONE, reason=None)))
        return []
    wrote = _last_lines(environment, run, container, run.arn or str(stopped.get("taskArn", "")))
    reason = "; ".join(filter(None, (f"the task {family} failed", run.reason, why, wrote)))
    environment.slots.write(name, slot.having(run._replace(state=RunState.FAILED, reason=reason)))
    target = TargetResult(Target(cluster, family), Outcome.FAILED, Reason("task", reason))
    return [(Push(run.push, run.token), PushResult(Outcome.FAILED, Reason("task", reason), (target,)))]


def _last_lines(environment: Environment, run: Run, container: str, arn: str) -> str | None:
    """What the task wrote last; what only tells can't keep us from acting."""
    try:
        revision = environment.ecs.revision(run.request["taskDefinition"])
        lines = ecs_tasks.last_lines(environment.logs, revision, container, arn)
    except EcrDeployError as error:
        logger.warning("the log of %s is not read: %s", arn, error)
        return None
    return "its log ends with:\n" + "\n".join(lines) if lines else None


def report_failed(environment: Environment, ended: Iterable[tuple[Push, PushResult]]) -> None:
    """Report tasks that failed."""
    from ecr_deploy import follow_ups  # noqa: PLC0415

    for push, result in ended:
        report.log(push, result, dry_run=False)
        follow_ups.report_pushes(environment, [push], [result], environment.settings)
