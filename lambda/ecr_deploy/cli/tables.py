"""Tables: an answer, for people."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

_STYLES = {
    "deployed": "green",
    "live": "green",
    "yes": "green",
    "started": "yellow",
    "failed": "red",
    "rolled-back": "red",
    "no": "red",
}


def of_pushes(answer: Mapping[str, Any]) -> list[Table]:
    """What a deployment came to, or would."""
    rows = []
    for push in answer["pushes"]:
        targets = [*push["services"], *push["families"], *push.get("scheduled_tasks", [])]
        for target in targets or [{"outcome": push["outcome"], "reason": push["reason"]}]:
            images = [
                f"{image['container']}: {_short(image['from'])} → {_short(image['to'])}"
                for image in target.get("images", [])
            ]
            rows.append(
                [
                    *_place(target),
                    target["outcome"],
                    _steps(target),
                    "\n".join(filter(None, [*images, target["reason"]])),
                ]
            )
    title = ", ".join(push["image"] for push in answer["pushes"])
    would = "Would end as" if answer["dry_run"] else "Outcome"
    return [_table(title, ["Cluster", "Service or family", would, "Revision", "Images, reason"], rows)]


def of_rollouts(rollouts: Iterable[Mapping[str, Any]]) -> list[Table]:
    """What became of rollouts."""
    rows = [[*_place(rollout), rollout["to"], rollout["outcome"], rollout["reason"] or ""] for rollout in rollouts]
    return [_table("Rollouts", ["Cluster", "Service", "Revision", "Outcome", "Reason"], rows)]


def of_rollback(answer: Mapping[str, Any]) -> list[Table]:
    """What a rollback took back, or would."""
    rollback = answer["rollback"]
    back = f"{rollback['to']} → {rollback['from']}"
    row = [*_place(rollback), back, _short(rollback["image"] or ""), rollback["outcome"]]
    title = "Would be taken back" if answer["dry_run"] else "Taken back"
    return [_table(title, ["Cluster", "Service", "Revision", "Image that goes", "Outcome"], [row])]


def of_explanation(answer: Mapping[str, Any]) -> list[Table]:
    """Which rules allow a push, and what becomes of it where the image runs."""
    rules = [[f"rules[{rule['rule']}]", _yes(rule["matches"]), rule["reason"] or ""] for rule in answer["rules"]]
    reached = [
        [*_place(target), target["outcome"], target["reason"] or ""]
        for target in [*answer["services"], *answer["families"]]
    ]
    return [
        _table(answer["image"], ["Rule", "Allows it", "Why not, or not now"], rules),
        _table("What runs the repository", ["Cluster", "Service or family", "Would end as", "Why"], reached),
    ]


def of_history(answer: Mapping[str, Any]) -> list[Table]:
    """What was deployed to a service when."""
    rows = [
        [
            _steps(rollout),
            rollout["state"],
            rollout["since"],
            "\n".join(_short(image["image"]) for image in rollout["images"]),
        ]
        for rollout in answer["history"]
    ]
    title = f"{answer['service']} in cluster {answer['cluster']}"
    return [_table(title, ["Revision", "Rollout", "Since", "Images of its pushes"], rows)]


def of_status(answer: Mapping[str, Any]) -> list[Table]:
    """What services run."""
    rows = []
    for service in answer["services"]:
        rollout = service["rollout"]
        images = [f"{image['container']}: {_short(image['image'])}" for image in service["images"]]
        reasons = "\n".join(filter(None, [rollout["reason"], service["left_alone"]]))
        rows.append(
            [
                *_place(service),
                service["revision"],
                "\n".join(images),
                rollout["state"],
                rollout["since"] or "",
                reasons,
            ]
        )
    columns = [
        "Cluster",
        "Service",
        "Revision",
        "Images from ECR",
        "Rollout",
        "Since",
        "Left alone, or failed, because",
    ]
    return [_table("What runs", columns, rows)]


def _place(target: Mapping[str, Any]) -> tuple[str, str]:
    known = ("service", "family", "schedule", "rule")
    return target.get("cluster") or "", next((str(target[name]) for name in known if target.get(name)), "")


def _steps(result: Mapping[str, Any]) -> str:
    before, after = result.get("from"), result.get("to")
    if before == after:
        return before or ""
    return f"{before} → {after or 'a new one'}"


def _short(image: str) -> str:
    """Leave the registry out: all are ECR's, and a terminal is narrow."""
    return image.partition("/")[2]


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As texts: an image reference is no markup.
        table.add_row(*(Text(cell, _STYLES.get(cell, "")) for cell in row))
    return table
