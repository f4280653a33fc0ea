"""Layout: rows as lines, one for each service, in as many columns as the terminal has."""

from collections.abc import Iterable, Sequence

from rich.text import Text

_GAP = 2
# What is left of a name that must give way to others.
_SHORTEST_NAME = 12
_SHORTEST_TEXT = 20
_CUT = "…"
STYLES = {
    "deployed": "green",
    "live": "green",
    "ok": "green",
    "yes": "green",
    "started": "yellow",
    "waiting": "yellow",
    "pending": "yellow",
    "warning": "yellow",
    "rolling back": "yellow",
    "failed": "red",
    "rolled-back": "red",
    "wrong": "red",
    "no": "red",
}

Row = Sequence[str]


def table(headers: Row, rows: Iterable[Row], width: int | None) -> list[Text]:
    """Lay rows out as lines of at most `width` columns; None is for files and pipes, where nothing is cut.

    The last column is text and is cut at its end; all others are names, and are cut in their middle if need be.
    """
    rows = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    if not rows:
        return []
    # A column that is empty says nothing.
    used = [index for index in range(len(headers)) if any(row[index] for row in rows)]
    cells = [[headers[index] for index in used], *([row[index] for index in used] for row in rows)]
    widths = _widths([max(len(row[index]) for row in cells) for index in range(len(used))], width)
    lines = []
    for number, row in enumerate(cells):
        line = Text(no_wrap=True, end="")
        for index, (cell, room) in enumerate(zip(row, widths, strict=True)):
            is_last = index == len(widths) - 1
            shown = _cut_end(cell, room) if is_last else _cut_middle(cell, room).ljust(room + _GAP)
            line.append(shown, "bold" if number == 0 else STYLES.get(cell, ""))
        line.rstrip()
        lines.append(line)
    return lines


def _widths(natural: list[int], width: int | None) -> list[int]:
    """How wide each column is: the text gives way first, then the widest name, until all fit."""
    if width is None:
        return natural
    *names, text = natural
    room = width - _GAP * len(names)
    while names and sum(names) + min(text, _SHORTEST_TEXT) > room and max(names) > _SHORTEST_NAME:
        names[names.index(max(names))] -= 1
    return [*names, max(1, min(text, room - sum(names)))]


def _cut_end(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + _CUT


def _cut_middle(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}{_CUT}{text[len(text) - tail :]}"
