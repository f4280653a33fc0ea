"""Commands that look: status, explain, history."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ecr_deploy.cli import nearest
from ecr_deploy.cli.control import freeze_row
from ecr_deploy.cli.layout import Row
from ecr_deploy.cli.options import DONE, FAILED, Caller, command, narrowed
from ecr_deploy.cli.options import image as with_image
from ecr_deploy.cli.options import scope as with_scope
from ecr_deploy.cli.screen import place, short
from ecr_deploy.core import images
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.page import document

_SECONDS_BETWEEN = 5


@command("status", local=True)
@with_scope
@click.option("--by-image", is_flag=True, help="Images as rows, clusters as columns.")
@click.option("--watch", "watches", is_flag=True, help="Show it again every 5 seconds, until Ctrl-C.")
@click.option("--html", type=click.Path(dir_okay=False, writable=True), help="Write it as a page instead.")
def status(caller: Caller, *, by_image: bool, watches: bool, html: str | None, **scope: Any) -> int:
    """Say what services run, and where rollouts stand."""
    while True:
        answer = caller.ask("Looking", {"status": narrowed(**scope)})
        if html:
            now = datetime.fromtimestamp(caller.connection.clock.time(), UTC)
            Path(html).write_text(document.render(answer, now), encoding="utf-8")
            caller.screen.note(f"Wrote {html}.")
            return DONE
        if watches and not caller.screen.as_json:
            caller.screen.clear()
        code = _show_status(caller, answer, scope, by_image=by_image)
        if not watches:
            return code
        caller.connection.clock.sleep(_SECONDS_BETWEEN)


@command("explain", local=True)
@with_image
def explain(caller: Caller, image: dict[str, str]) -> int:
    """Say why a push would deploy, or would not.

    By rule, and by service. IMAGE need not be there yet.
    """
    answer = caller.ask("Looking", {"explain": image})
    if caller.screen.as_json:
        caller.screen.json(answer)
        return DONE
    rules = [[f"rules[{rule['rule']}]", _yes(rule["matches"]), rule["reason"] or ""] for rule in answer["rules"]]
    caller.screen.table(["RULE", "ALLOWS IT", "WHY NOT"], rows=rules)
    caller.screen.say()
    reached = [
        [place(entry), entry["outcome"], entry["reason"] or ""] for entry in [*answer["services"], *answer["families"]]
    ]
    caller.screen.table(["SERVICE", "WOULD BE", "WHY"], sorted(reached))
    if gates := [[place(found), *_gate(gate)] for found in answer["services"] for gate in found.get("gates", ())]:
        caller.screen.say()
        caller.screen.table(["SERVICE", "GATE", "OPEN", "WHY NOT"], sorted(gates))
    if not reached:
        caller.screen.say(f"{short(answer['image'])} would be {answer['outcome']}: {answer['reason']}")
    return DONE


def _gate(gate: dict[str, Any]) -> list[str]:
    return [gate["gate"], _yes(gate["open"]), gate["reason"] or ""]


@command("history")
@click.argument("cluster", required=False)
@click.argument("service", required=False)
def history(caller: Caller, cluster: str | None, service: str | None) -> int:
    """Say what was deployed when.

    To one service, to all of a cluster, or to all that are in scope.
    """
    if cluster and service:
        try:
            answer = caller.ask("Looking", {"history": {"cluster": cluster, "service": service}})
        except EcrDeployError as error:
            raise nearest.explain(caller, error, cluster, service) from error
    else:
        answer = caller.ask("Looking", {"history": {"clusters": [cluster]} if cluster else {}})
    if not answer["history"] and not service:
        nearest.check_scope(caller, clusters=[cluster] if cluster else [])
    if caller.screen.as_json:
        caller.screen.json(answer)
        return DONE
    caller.screen.table(["SERVICE", "SINCE", "STATE", "REVISION", "IMAGE OR REASON"], _history(answer))
    if not answer["history"]:
        caller.screen.note("ecr-deploy has deployed nothing there yet.")
    return DONE


def _history(answer: Mapping[str, Any]) -> list[Row]:
    return [
        [
            place(past) or f"{answer['cluster']}/{answer['service']}",
            _minute(past["since"]),
            past["state"],
            f"{past['from']} → {past['to']}",
            "; ".join(
                filter(None, [", ".join(short(entry["image"]) for entry in past["images"]), past["reason"], past["by"]])
            ),
        ]
        for past in answer["history"]
    ]


def _show_status(caller: Caller, answer: Mapping[str, Any], scope: Mapping[str, Any], *, by_image: bool) -> int:
    unknown = answer.get("unknown", [])
    if not answer["services"] and not unknown:
        nearest.check_scope(caller, **scope)
    if caller.screen.as_json:
        caller.screen.json(answer)
    elif by_image:
        caller.screen.table(*_by_image(answer["services"]))
    else:
        caller.screen.table(["SERVICE", "IMAGE", "ROLLOUT", "SINCE", "WHY"], map(_status, answer["services"]))
    for found in answer.get("freezes", []):
        what, by, until, why = freeze_row(found)
        caller.screen.note(f"{what} is frozen by {by}{f' until {until}' if until else ''}: {why}", "yellow")
    for entry in unknown:
        caller.screen.note(f"{place(entry)}: {entry['reason']}", "red")
    return FAILED if unknown else DONE


def _status(service: Mapping[str, Any]) -> Row:
    rollout = service["rollout"]
    several = len(service["images"]) > 1
    shown = ", ".join(
        f"{entry['container']} {short(entry['image'])}" if several else short(entry["image"])
        for entry in service["images"]
    )
    waits = [f"{short(entry['image'])} waits: {entry['reason']}" for entry in service["waits"]]
    why = "; ".join(filter(None, [*waits, rollout["reason"], service["left_alone"]]))
    return [place(service), shown, rollout["state"], _minute(rollout["since"]), why]


def _by_image(services: Iterable[Mapping[str, Any]]) -> tuple[Row, list[Row]]:
    """Each repository, and what of it runs in each cluster, with how many services where they differ."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    clusters: dict[str, None] = {}
    for service in services:
        for entry in service["images"]:
            image = images.parse(entry["image"])
            clusters[service["cluster"]] = None
            tags = found.setdefault(image.repository, {}).setdefault(service["cluster"], {})
            tag = image.tag or short(image.digest and f"/@{image.digest}")
            tags[tag] = tags.get(tag, 0) + 1
    rows: list[Row] = [
        [repository, *(_tags(of.get(cluster, {})) for cluster in clusters)] for repository, of in sorted(found.items())
    ]
    return ["IMAGE", *clusters], rows


def _tags(tags: Mapping[str, int]) -> str:
    if len(tags) == 1:
        return next(iter(tags))
    return ", ".join(f"{tag} ({count})" for tag, count in sorted(tags.items()))


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _minute(time: str | None) -> str:
    """Give a time without its year and seconds: a terminal is narrow."""
    return (time or "")[5:16].replace("T", " ")
