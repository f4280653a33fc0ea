"""Markup: HTML elements in which every text is escaped."""

import html
import json
from collections.abc import Mapping
from typing import Any

# Without an end tag. https://html.spec.whatwg.org/multipage/syntax.html#void-elements
_VOID = frozenset({"input", "meta", "br"})


class Html(str):
    """A piece of HTML, as opposed to a text that is yet to be escaped."""

    __slots__ = ()


def element(tag: str, *children: str | None, **attributes: str | bool | None) -> Html:
    """Make an element. Children that are no Html are escaped, attributes always are; None and False are left out.

    An underscore at the end of an attribute's name, or within it, stands for what Python does not take.
    """
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{join(*children)}</{tag}>")


def join(*children: str | None) -> Html:
    """Put children one after the other."""
    return Html("".join(child if isinstance(child, Html) else html.escape(child) for child in children if child))


def action(
    label: Html, event: Mapping[str, Any], endpoint: str, *, confirmation: str | None = None, popup: bool = False
) -> Html:
    """Make an element call the function with an event when it is clicked, after a question if there is one.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_interactivity.html
    """
    call = element(
        "cwdb-action",
        json.dumps(event),
        action="call",
        endpoint=endpoint,
        confirmation=confirmation,
        display="popup" if popup else "widget",
    )
    return join(label, call)
