"""Writes what the documentation says of inputs, outputs, versions and speed, from where those are: `make docs`.

Each generated part of a page stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]

_PART = re.compile(r"(?P<begin><!-- begin (?P<name>\w+) -->)\n(?:.*?\n)??(?P<end><!-- end (?P=name) -->)", re.DOTALL)
_OPTIONS = hcl2.SerializationOptions(with_comments=False, strip_string_quotes=True)
_FIELD = re.compile(r"\s*- (?P<name>\w+): (?P<text>.+)", re.DOTALL)
_SIZES = (10, 100, 1000, 5000)
_MEMORIES = (256, 512, 1024, 1769)
_STATES = {"cold": "after a start", "idle": "minutes after the last", "hot": "seconds after the last"}


def generated(page: str) -> str:
    """The text of a page with every generated part as it should be."""
    return _PART.sub(lambda part: f"{part['begin']}\n{_PARTS[part['name']]()}\n{part['end']}", page)


def _inputs() -> str:
    """A table for each group of variables: the comments that begin a line of variables.tf are their titles."""
    variables = dict(_blocks("variables.tf", "variable"))
    _, *parts = re.split(r"^# (.+)\.$", (ROOT / "variables.tf").read_text(), flags=re.MULTILINE)
    tables = (
        (
            title,
            [
                row
                for name in re.findall(r'^variable "(\w+)"', text, re.MULTILINE)
                for row in _input(name, variables[name])
            ],
        )
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    )
    return "\n\n".join(f"### {title}\n\n{_table(('Input', 'Type', 'Meaning'), rows)}" for title, rows in tables)


def _input(name: str, variable: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The row of a variable and, where it holds objects, one for each of their fields, told by `- field: …` lines."""
    listed, fields = _fields(name)
    kind = ("list(object)" if listed else "object") if fields else _expression(variable["type"])
    text, *told = re.split(r"\n(?=\s*- \w+: )", _text(variable["description"]))
    yield f"`{name}`", f"`{kind}`", _one_line(text)
    described = {match["name"]: match["text"] for match in map(_FIELD.fullmatch, told) if match}
    if described.keys() != fields.keys():
        message = f"The description of {name} tells of {sorted(described)}, but validation.tf has {sorted(fields)}"
        raise ValueError(message)
    for field, field_kind in fields.items():
        yield f"`{name}{'[*]' if listed else ''}.{field}`", f"`{field_kind}`", _one_line(described[field])


def _fields(name: str) -> tuple[bool, dict[str, str]]:
    """Whether an input is a list of objects, and the fields of its object or objects, each with its type."""
    [fields] = (block["fields"] for block in _load("validation.tf")["locals"] if "fields" in block)
    return f"{name}[*]" in fields, fields.get(f"{name}[*]", fields.get(name, {}))


def _outputs() -> str:
    rows = [(f"`{name}`", _one_line(_text(one["description"]))) for name, one in _blocks("outputs.tf", "output")]
    return _table(("Output", "Meaning"), rows)


def _versions() -> str:
    [settings] = _load("versions.tf")["terraform"]
    [providers] = settings["required_providers"]
    aws = providers["aws"]
    needed = f"Terraform {settings['required_version']}, and the provider {aws['source']} {aws['version']}"
    return f"Needs {needed}: no other provider, and nothing to build."


def _speed() -> str:
    """What `make bench` measured of the function, on a core and on the shares of it that Lambda gives."""
    results = _results()
    measured = results["function"]
    cores, python, _ = results["machine"].split(", ")
    latency = f"{results['latency_seconds'] * 1000:.0f} ms a call"
    how = "the kernel's quotas" if measured["quota"] else "CPU seconds divided by the share"
    machine = f"Measured by `make bench` on {cores} with {python}; shares of a core by {how}"
    double = (
        f"AWS is a double over TLS with {latency}, 100 events for each service, and connections that died when idle"
    )
    rows = [
        (
            f"{services:,}",
            _STATES[state],
            f"{_pushed(measured, services, state, None)['cpu']:.2f} s",
            *(_duration(_pushed(measured, services, state, memory)["wall"]) for memory in _MEMORIES),
            f"{sum(_pushed(measured, services, state, None)['calls'].values())}",
        )
        for services in (100, 1000)
        for state in _STATES
    ]
    header = ("Services", "A push to one of them", "CPU", *(f"{memory:,} MiB" for memory in _MEMORIES), "Calls")
    return f"{machine}. {double}:\n\n{_table(header, rows)}"


def _all_hit() -> str:
    """What `make bench` measured of pushes to all services, each with a family of its own."""
    seconds = {
        one["services"]: one["seconds"]
        for one in _results()["pushes"]
        if one["per_family"] == 1 and one["service_revisions"] and one["hit"] == one["services"] and not one["cold"]
    }
    return _table(("Services that all run the image", "Takes"), [(f"{n:,}", _duration(seconds[n])) for n in _SIZES])


def _pushed(measured: dict[str, Any], services: int, state: str, memory: int | None) -> dict[str, Any]:
    asked = (services, state, memory)
    rows = measured["pushes"]
    return dict(next(row for row in rows if (row["services"], row["state"], row["memory"]) == asked))


def _peers() -> str:
    """What `make bench` measured of the others, beside a cold function of ours, its start included."""
    rows = [
        (
            one["peer"],
            f"{one['hit']:,} of {one['services']:,}",
            *(_duration(one[name]) for name in ("wall", "cpu", "our_wall", "our_cpu")),
        )
        for one in _results()["peers"]
    ]
    return _table(("Other", "Services hit", "Takes", "of it CPU", "ecr-deploy, cold", "of it CPU"), rows)


def _results() -> Any:
    return json.loads((ROOT / "bench" / "results.json").read_text())


def _duration(seconds: float) -> str:
    minute = 60
    if seconds >= 2 * minute:
        return f"{seconds / minute:.1f} min"
    precision = 2 if seconds < 10 else 1 if seconds < minute else 0  # noqa: PLR2004 - three digits of it
    return f"{seconds:.{precision}f} s"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _blocks(file: str, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for block in _load(file)[kind]:
        yield from block.items()


def _load(file: str) -> dict[str, Any]:
    return hcl2.loads((ROOT / file).read_text(), serialization_options=_OPTIONS)


def _expression(value: str) -> str:
    return value.removeprefix("${").removesuffix("}")


def _text(value: str) -> str:
    """A string, or a heredoc without its marks."""
    lines = value.splitlines()
    return "\n".join(lines[1:-1]) if value.startswith("<<") else value.replace('\\"', '"')


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line[0].upper() + line[1:].replace("*", "\\*")


_PARTS = {
    "inputs": _inputs,
    "outputs": _outputs,
    "versions": _versions,
    "speed": _speed,
    "families": _all_hit,
    "peers": _peers,
}

if __name__ == "__main__":
    for page in PAGES:
        page.write_text(generated(page.read_text()))
