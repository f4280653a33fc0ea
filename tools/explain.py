"""Says why a push deploys, or does not, as the deployed function sees it.

python -m tools.explain FUNCTION REPOSITORY TAG
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import boto3
from rich.console import Console
from rich.table import Table


def main(function: str, repository: str, tag: str) -> int:
    """Ask the function and print its answer; 1 if it refused to answer."""
    payload = json.dumps({"explain": {"repository": repository, "tag": tag}})
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=payload)
    told = json.load(answer["Payload"])
    console = Console()
    if "FunctionError" in answer:
        console.print(told["errorMessage"])
        return 1
    console.print(told["image"])
    console.print(_table(["rule", "matches", "why not"], [_row(one, "rule", "matches") for one in told["rules"]]))
    reached = [_row(one, "cluster", "service", "reached") for one in told["services"]]
    reached += [("", *_row(one, "family", "reached")) for one in told["families"]]
    console.print(_table(["cluster", "service or family", "reached", "why not"], reached))
    return 0


def _row(told: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    values = [told[name] for name in names]
    return (
        *(("yes" if value else "no") if isinstance(value, bool) else str(value) for value in values),
        told["reason"] or "",
    )


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
