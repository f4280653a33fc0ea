"""The documentation as its readers find it: pages, and the blocks in them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What the placeholder of the documentation stands for: the tree that the page is in.
SOURCE = re.compile(r'source = "git::[^"]+"')

_BLOCK = re.compile(r"^```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: where it is, its language, and its text."""

    place: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Every block in one of the languages, in reading order; all blocks without any."""
    return [block for page in PAGES for block in _blocks(page) if not languages or block.language in languages]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(f"{page.relative_to(ROOT)}:{line}", match["language"], match["text"])
