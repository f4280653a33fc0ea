"""Commands that deploy, or say what would be deployed: plan, diff, deploy, wait, rollback."""

from collections.abc import Mapping
from typing import Any

import click

from ecr_deploy.cli import diffs, nearest, waiting
from ecr_deploy.cli.layout import Row
from ecr_deploy.cli.options import DONE, FAILED, NOTHING, Caller, Image, command, narrowed, one_service
from ecr_deploy.cli.options import image as with_image
from ecr_deploy.cli.options import scope as with_scope
from ecr_deploy.cli.options import yes as with_yes
from ecr_deploy.cli.screen import changes, place, short
from ecr_deploy.core.errors import EcrDeployError, InvalidRequestError
from ecr_deploy.core.outcomes import Outcome

_MINUTES = 30
_EXIT_CODE_OF = {
    Outcome.DEPLOYED: DONE,
    Outcome.UNCHANGED: DONE,
    Outcome.FAILED: FAILED,
    Outcome.SUPERSEDED: NOTHING,
    Outcome.SKIPPED: NOTHING,
    Outcome.WAITING: NOTHING,
}

_force = click.option("--force", is_flag=True, help="Replace a newer image, too.")
_wait = click.option("--wait", "waits", is_flag=True, help="Stay until every rollout has ended.")
_timeout = click.option(
    "--timeout", "minutes", type=float, default=_MINUTES, show_default=True, metavar="MINUTES", help="Wait no longer."
)


@command("plan", local=True)
@click.argument("image", required=False, type=Image(), metavar="[IMAGE]")
@click.option("--all", "everything", is_flag=True, help="Instead of an image: what the next scheduled run would do.")
@_force
@with_scope
def plan(caller: Caller, image: dict[str, str] | None, *, everything: bool, force: bool, **scope: Any) -> int:
    """Say what a deployment would change, and change nothing.

    IMAGE is app:v2, app:v2@sha256:… or the same with its registry's host. With --all and --local it is what the
    newest image of each repository that the rules allow would change.
    """
    if everything == bool(image):
        message = "give an image, or --all"
        raise click.UsageError(message)
    if image is None:
        return _plan_all(caller, narrowed(**scope))
    return show(caller, _deployment(caller, "Planning", image, scope, force=force, dry_run=True))


@command("diff", local=True)
@with_image
@_force
@with_scope
def diff(caller: Caller, image: dict[str, str], *, force: bool, **scope: Any) -> int:
    """Show what would differ in each task definition.

    The image, and settings that come along from a newer revision of its family.
    The function says what it would do; the definitions are read with your own credentials
    (ecs:DescribeTaskDefinition).
    """
    answer = _deployment(caller, "Planning", image, scope, force=force, dry_run=True)
    found = diffs.of(caller.connection, answer)
    if caller.screen.as_json:
        caller.screen.json({**answer, "diffs": found})
        return _exit_code(answer)
    if not found:
        return show(caller, answer)
    for entry in found:
        for line in entry["lines"]:
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            caller.screen.say(line, style)
    return _exit_code(answer)


@command("deploy")
@with_image
@_force
@with_scope
@with_yes
@_wait
@_timeout
def deploy(  # noqa: PLR0913 - the options
    caller: Caller,
    image: dict[str, str],
    *,
    force: bool,
    is_sure: bool,
    waits: bool,
    minutes: float,
    **scope: Any,
) -> int:
    """Deploy an image now, wherever the rules allow it.

    With --wait, exit codes are those of `wait`. Stopped and begun again, it waits for what it began.
    """
    if not is_sure:
        planned = _deployment(caller, "Planning", image, scope, force=force, dry_run=True)
        if _outcome(planned) is Outcome.DEPLOYED:
            caller.screen.table_before(*_rows(planned))
            if not caller.screen.confirm("Deploy this?"):
                return FAILED
        elif not (waits and _outcome(planned) is Outcome.UNCHANGED):
            return show(caller, planned)
    answer = _deployment(caller, "Deploying", image, scope, force=force, by=caller.connection.by)
    _refuse_dry_run(answer)
    code = _exit_code(answer)
    if not waits or code == NOTHING:
        return show(caller, answer)
    if not caller.screen.as_json:
        show(caller, answer)
    rollouts, waited = waiting.until_ended(caller, waiting.of_image(caller, image, narrowed(**scope)), minutes)
    if caller.screen.as_json:
        caller.screen.json({**answer, "rollouts": rollouts})
    return code or waited


@command("wait", local=True)
@with_image
@with_scope
@_timeout
def wait(caller: Caller, image: dict[str, str], minutes: float, **scope: Any) -> int:
    """Wait until an image is live; deploys nothing, for CI.

    On every service that it reaches, whoever deploys it.

    \b
    Exit codes:
      0  live everywhere
      1  rolled back, or failed, on a service
      3  it reaches nothing: no rule allows it, nothing runs it, or newer ones run
      4  the time is over
    """  # noqa: D301 - click's mark for lines that stay as they are
    try:
        look = waiting.of_image(caller, image, narrowed(**scope))
        rollouts, code = waiting.until_ended(caller, look, minutes)
    except InvalidRequestError:
        raise
    except EcrDeployError as error:
        raise nearest.of_repository(caller, error, image["repository"]) from error
    if caller.screen.as_json:
        caller.screen.json({"rollouts": rollouts})
    elif not rollouts:
        nearest.check_scope(caller, **scope)
        _deployed_nowhere(caller, image, scope)
    return code


@command("rollback")
@one_service
@click.option(
    "--to", metavar="REVISION", help="A revision that `history` names, such as api:39; the one before unless given."
)
@click.option("--force", is_flag=True, help="Also where ECR no longer has the image.")
@with_yes
@_wait
@_timeout
def rollback(  # noqa: PLR0913 - the options
    caller: Caller,
    cluster: str,
    service: str,
    to: str | None,
    *,
    force: bool,
    is_sure: bool,
    waits: bool,
    minutes: float,
) -> int:
    """Roll a service back to what it ran before. What it ran is rejected there until it is pushed again."""
    asked = {"cluster": cluster, "service": service, "force": force, **({"to": to} if to else {})}
    try:
        if not is_sure:
            caller.screen.table_before(*_rollback_rows(caller.ask("Looking", {"rollback": asked | {"dry_run": True}})))
            if not caller.screen.confirm("Roll this back?"):
                return FAILED
        answer = caller.ask("Rolling back", {"rollback": asked, "by": caller.connection.by})
    except EcrDeployError as error:
        raise nearest.explain(caller, error, cluster, service) from error
    _refuse_dry_run(answer)
    if not caller.screen.as_json:
        caller.screen.table(*_rollback_rows(answer))
    rollouts: list[dict[str, Any]] = []
    code = DONE
    if waits:
        rollouts, code = waiting.until_ended(caller, waiting.of_rollback(caller, cluster, service), minutes)
    if caller.screen.as_json:
        caller.screen.json({**answer, **({"rollouts": rollouts} if waits else {})})
    return code


def _deployment(
    caller: Caller, title: str, image: Mapping[str, str], scope: Mapping[str, Any], *, force: bool, **fields: Any
) -> dict[str, Any]:
    request = {**image, **narrowed(**scope), **({"force": True} if force else {}), **fields}
    return ask(caller, title, request, image, scope)


def ask(
    caller: Caller, title: str, request: dict[str, Any], image: Mapping[str, str], scope: Mapping[str, Any]
) -> dict[str, Any]:
    """Ask what is about an image, and check that what was named is there."""
    try:
        answer = caller.ask(title, request)
    except InvalidRequestError:
        raise
    except EcrDeployError as error:
        raise nearest.of_repository(caller, error, image["repository"]) from error
    if not any(push["services"] or push["families"] for push in answer["pushes"]):
        nearest.check_scope(caller, **scope)
    return answer


def _plan_all(caller: Caller, scope: Mapping[str, Any]) -> int:
    answer = caller.ask("Planning", {"plan": {**scope, **caller.connection.plans_from_the_start}})
    if caller.screen.as_json:
        caller.screen.json(answer)
        return DONE
    headers, rows = _rows(answer, everything=True)
    rows += [[place(entry), "waiting", "", f"{short(entry['image'])}: {entry['reason']}"] for entry in answer["waits"]]
    caller.screen.table(headers, sorted(rows, key=list))
    changing = {row[0] for row in rows if row[1] == Outcome.DEPLOYED}
    caller.screen.say(f"{len(changing)} of {answer['looked_at']} services would change. Nothing was changed.")
    return DONE


def _deployed_nowhere(caller: Caller, image: Mapping[str, str], scope: Mapping[str, Any]) -> None:
    planned = caller.connection.ask({**image, **narrowed(**scope), "dry_run": True})
    reason = planned["pushes"][0]["reason"]
    caller.screen.note(f"It reaches nothing: {reason}", "red")


def show(caller: Caller, answer: Mapping[str, Any]) -> int:
    """Show what a deployment came to, or would; gives the exit code."""
    if caller.screen.as_json:
        caller.screen.json(answer)
    else:
        caller.screen.table(*_rows(answer))
    return _exit_code(answer)


def _rows(answer: Mapping[str, Any], *, everything: bool = False) -> tuple[Row, list[Row]]:
    """What a deployment came to, or would: a row for each service; what was pushed for none has one, too."""
    rows: list[Row] = []
    for push in answer["pushes"]:
        targets = [*push["services"], *push["families"], *push.get("scheduled_tasks", [])]
        rows += [[place(entry), entry["outcome"], _steps(entry), _what(entry)] for entry in targets]
        if not targets and not everything:
            rows.append([short(push["image"]), push["outcome"], "", push["reason"] or ""])
    return ["SERVICE", "WOULD BE" if answer["dry_run"] else "OUTCOME", "REVISION", "IMAGE OR REASON"], sorted(
        rows, key=list
    )


def _what(target: Mapping[str, Any]) -> str:
    return "; ".join(filter(None, [changes(target.get("images", [])), target["reason"]]))


def _rollback_rows(answer: Mapping[str, Any]) -> tuple[Row, list[Row]]:
    rollback = answer["rollback"]
    outcome = "WOULD BE" if answer["dry_run"] else "OUTCOME"
    back = f"{rollback['to']} → {rollback['from']}"
    return ["SERVICE", outcome, "REVISION", "REJECTED IMAGE"], [
        [place(rollback), rollback["outcome"], back, short(rollback["image"])]
    ]


def _steps(result: Mapping[str, Any]) -> str:
    before, after, base = result.get("from"), result.get("to"), result.get("base")
    if before == after:
        return before or ""
    return f"{before} → {after or 'new'}" + (f" (from {base})" if base and base != before and not after else "")


def _refuse_dry_run(answer: Mapping[str, Any]) -> None:
    if answer["dry_run"]:
        message = "The function's input dry_run is on, so that nothing was changed: set it to false, and apply."
        raise InvalidRequestError(message)


def _outcome(answer: Mapping[str, Any]) -> Outcome:
    return Outcome(answer["pushes"][0]["outcome"])


def _exit_code(answer: Mapping[str, Any]) -> int:
    return _EXIT_CODE_OF[_outcome(answer)]
