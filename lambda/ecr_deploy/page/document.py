"""The document: the board as a file of its own, which sorts and filters by itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ecr_deploy.page import board
from ecr_deploy.page.markup import Html, element, join
from ecr_deploy.page.view import View

_TITLE = "What runs where"
# Texts that are the page's own, so that nothing has to be escaped.
_STYLE = Html(
    "body{margin:16px;max-width:100%}input{margin-bottom:8px;font:13px sans-serif}th{cursor:pointer}"
    "@media(prefers-color-scheme:dark){body{background:#16191f}.ecr-deploy,input{color:#d5dbdb!important}"
    "input{background:#16191f}}"
)
_SCRIPT = Html(
    'const body = document.querySelector("tbody"), filter = document.querySelector("input");'
    'filter.addEventListener("input", () => {'
    "const words = filter.value.toLowerCase().split(/\\s+/);"
    "for (const row of body.rows)"
    " row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));"
    "});"
    'document.querySelectorAll("th[data-sort]").forEach((head, column) => {'
    "let down = false;"
    'head.addEventListener("click", () => {'
    "const text = (row) => row.cells[column].textContent;"
    "const rows = [...body.rows].sort((row, other) => text(row).localeCompare(text(other)) * (down ? -1 : 1));"
    "down = !down;"
    "body.append(...rows);"
    "});"
    "});"
)


def render(status: Mapping[str, Any], now: datetime) -> str:
    """The whole document, with all services; nothing in it can be pressed but the heads of columns."""
    made = f"As of {now:%Y-%m-%d %H:%M} UTC."
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", _TITLE),
        element("style", _STYLE),
    )
    page = element(
        "body",
        element("h2", _TITLE, class_="ecr-deploy"),
        element("input", placeholder="service or image", aria_label="service or image"),
        board.render(status, View(), now, per_page=None),
        element("p", made, class_="ecr-deploy"),
        element("script", _SCRIPT),
    )
    return "<!doctype html>\n" + join(element("html", head, page, lang="en")) + "\n"
