"""Draws custom notifications as a chat shows them, as SVG."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from html import escape, unescape
from typing import Any

_WIDTH, _MARGIN, _LINE = 760, 16, 20
_COLUMNS = 88
_STYLE = """
    text { font: 14px -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
    .page { fill: #ffffff; } .text { fill: #1d1c1d; } .quiet { fill: #616061; }
    .title { font-weight: bold; fill: #1d1c1d; }
    .code { font-family: Menlo, Consolas, monospace; font-size: 12.5px; fill: #c01343; }
    .bar { fill: #c9c9c9; } .button { fill: none; stroke: #a0a0a0; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #1a1d21; } .text { fill: #d1d2d3; } .quiet { fill: #9a9b9d; } .title { fill: #ffffff; }
      .code { fill: #e8912d; } .bar { fill: #4a4d52; } .button { stroke: #6a6d72; }
    }
"""


def draw(notifications: Iterable[Mapping[str, Any]], buttons: Iterable[str]) -> str:
    """Draw notifications below each other; those that ask for something have buttons."""
    parts: list[str] = []
    top = _MARGIN
    for notification in notifications:
        lines = list(_lines(notification["content"]))
        asks = "gate" in notification["metadata"]["additionalContext"]
        height = _LINE * (len(lines) + 1) + (_LINE * 2 if asks else 0)
        parts.append(f'<rect class="bar" x="{_MARGIN}" y="{top}" width="4" height="{height}" rx="2"/>')
        for number, (kind, text) in enumerate([("quiet", "Amazon Q  APP"), *lines]):
            place = f'x="{_MARGIN + 16}" y="{top + _LINE * number + 15}"'
            parts.append(f'<text class="{kind}" {place} xml:space="preserve">{escape(text)}</text>')
        if asks:
            parts += _buttons(buttons, top + _LINE * (len(lines) + 1) + 6)
        top += height + _MARGIN
    body = "\n  ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" role="img" '
        f'aria-label="Messages in a chat">\n  <style>{_STYLE}  </style>\n'
        f'  <rect class="page" width="{_WIDTH}" height="{top}" rx="8"/>\n  {body}\n</svg>\n'
    )


def _lines(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from (("title", line) for line in textwrap.wrap(unescape(content["title"]), _COLUMNS))
    for paragraph in unescape(content["description"]).splitlines():
        yield from (("text", line) for line in textwrap.wrap(paragraph, _COLUMNS))
    for step in content["nextSteps"]:
        yield ("code", step.strip("`")) if step.startswith("`") else ("quiet", step.replace("`", ""))


def _buttons(texts: Iterable[str], top: int) -> Iterator[str]:
    left = _MARGIN + 16
    for text in texts:
        width = 24 + 9 * len(text)
        yield f'<rect class="button" x="{left}" y="{top}" width="{width}" height="28" rx="4"/>'
        yield f'<text class="title" x="{left + 12}" y="{top + 19}">{escape(text)}</text>'
        left += width + 8
