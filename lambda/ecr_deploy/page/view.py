"""The view: what somebody chose to see of the page, and how: from the widget's context and its forms."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

from ecr_deploy.core import records

SORTS = ("service", "image", "rollout", "since")
"""By which columns the services may be sorted."""


class View(NamedTuple):
    """How the page is shown.

    `by` is who says that they look, `reason` why they freeze; `zone` is the viewer's. Without an `endpoint`, the ARN of
    the function, nothing can be pressed.
    """

    text: str = ""
    cluster: str = ""
    sort: str = SORTS[0]
    page: int = 0
    by: str = ""
    reason: str = ""
    zone: timezone = UTC
    is_dark: bool = False
    endpoint: str = ""

    def time(self, text: str | None) -> str:
        """A time in the viewer's zone, to the minute; empty for None."""
        return f"{records.parse_time(text).astimezone(self.zone):%Y-%m-%d %H:%M}" if text else ""

    def is_today(self, text: str | None, now: datetime) -> bool:
        """Whether a time is of the viewer's today."""
        return (
            text is not None
            and records.parse_time(text).astimezone(self.zone).date() == now.astimezone(self.zone).date()
        )

    def event(self, **changed: Any) -> dict[str, Any]:
        """The event that shows the page again, with something changed; the forms bring the rest."""
        return {"sort": self.sort, "page": self.page, **changed}


def of(event: Mapping[str, Any], endpoint: str) -> View:
    """Read the view from what CloudWatch sends; what makes no sense there counts for nothing."""
    context = event.get("widgetContext")
    context = context if isinstance(context, Mapping) else {}
    forms = context.get("forms")
    fields = forms.get("all") if isinstance(forms, Mapping) else None
    fields = fields if isinstance(fields, Mapping) else {}
    sort, page = event.get("sort"), event.get("page")
    return View(
        text=_text(fields, "text"),
        cluster=_text(fields, "cluster"),
        sort=sort if sort in SORTS else SORTS[0],
        page=page if isinstance(page, int) and 0 <= page < 10**6 else 0,
        by=_text(fields, "by"),
        reason=_text(fields, "reason"),
        zone=_zone(context.get("timezone")),
        is_dark=context.get("theme") == "dark",
        endpoint=endpoint,
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value.strip()[:200] if isinstance(value, str) else ""


def _zone(given: object) -> timezone:
    """The zone of a viewer, by its offset as CloudWatch writes it: +01:00."""
    offset = given.get("offsetISO") if isinstance(given, Mapping) else None
    try:
        return timezone(datetime.strptime(str(offset), "%z").utcoffset() or timedelta(0))
    except ValueError:
        return UTC
