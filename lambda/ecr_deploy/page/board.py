"""The board: services by cluster, what each runs, what waits for what, and what is not managed, as HTML."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ecr_deploy.core import images
from ecr_deploy.page.markup import Html, action, element, join
from ecr_deploy.page.view import SORTS, View

# Some 150 KB of HTML with all buttons.
PER_PAGE = 100
_SHORT = len("sha256:") + 12
_COLORS = {
    False: {
        "text": "#16191f",
        "line": "#d5dbdb",
        "dim": "#545b64",
        "bad": "#b0082f",
        "warn": "#8a5a00",
        "good": "#1d7c2e",
    },
    True: {
        "text": "#d5dbdb",
        "line": "#414d5c",
        "dim": "#95a5a6",
        "bad": "#ff7a8a",
        "warn": "#f2c14e",
        "good": "#6aaf35",
    },
}
_KINDS = {"live": "good", "started": "warn", "rolled-back": "bad", "failed": "bad"}


def render(
    status: Mapping[str, Any], view: View, now: datetime, message: str = "", *, per_page: int | None = PER_PAGE
) -> Html:
    """The board of what `status` answers, a page of it or all; a message, if there is one, stands above all."""
    services = status["services"]
    chosen = sorted((entry for entry in services if _is_chosen(entry, view)), key=lambda entry: _key(entry, view.sort))
    if view.sort == "since":
        chosen.reverse()
    size = per_page or len(chosen) or 1
    last = max(0, (len(chosen) - 1) // size)
    page = min(view.page, last)
    shown = chosen[page * size : (page + 1) * size]
    return element(
        "div",
        element("style", Html(_style(view))),
        element("p", element("b", message), class_="message") if message else None,
        _filters(services, view),
        _today(services, view, now),
        *(element("p", _freeze(freeze, view), class_="warn") for freeze in status.get("freezes", ())),
        *(
            element("p", f"{entry['cluster']}/{entry['service']}: {entry['reason']}", class_="bad")
            for entry in status["unknown"]
        ),
        _table(shown, view),
        _pages(len(chosen), page, last, view),
        class_="ecr-deploy",
    )


def _is_chosen(service: Mapping[str, Any], view: View) -> bool:
    if view.cluster and service["cluster"] != view.cluster:
        return False
    texts = [service["cluster"], service["service"], *(entry["image"] for entry in service["images"])]
    texts += [wait["image"] for wait in service["waits"]]
    return all(any(word in text.lower() for text in texts) for word in view.text.lower().split())


def _key(service: Mapping[str, Any], sort: str) -> tuple[str, ...]:
    name = (service["cluster"], service["service"])
    first = {
        "service": "",
        "image": " ".join(short(entry["image"]) for entry in service["images"]),
        "rollout": service["rollout"]["state"],
        "since": service["rollout"]["since"] or "",
    }[sort]
    return first, *name


def short(image: str) -> str:
    """An image without its registry."""
    try:
        parsed = images.parse(image)
    except images.InvalidImageError:
        return image
    return f"{parsed.repository}:{parsed.tag}" if parsed.tag else parsed.repository


def _filters(services: Iterable[Mapping[str, Any]], view: View) -> Html | None:
    if not view.endpoint:
        return None
    clusters = ["", *sorted({service["cluster"] for service in services})]
    options = [
        element("option", name or "all clusters", value=name, selected=name == view.cluster) for name in clusters
    ]
    return element(
        "p",
        element("input", name="text", value=view.text, placeholder="service or image", size="20"),
        element("select", *options, name="cluster"),
        action(element("a", "Filter", class_="btn"), view.event(page=0), view.endpoint),
        " ",
        element("input", name="reason", placeholder="why freeze", size="14"),
        _button(
            "Freeze", {"do": {"freeze": {}}}, view, "Let nothing be deployed to the cluster that is chosen, or to any?"
        ),
        " You are ",
        element("input", name="by", value=view.by, placeholder="your name", size="14"),
        element(
            "small", " CloudWatch does not say who presses a button: whoever does writes it here; CloudTrail knows."
        ),
    )


def _today(services: Iterable[Mapping[str, Any]], view: View, now: datetime) -> Html:
    changed = [entry for entry in services if view.is_today(entry["rollout"]["since"], now)]
    changed.sort(key=lambda entry: entry["rollout"]["since"], reverse=True)
    if not changed:
        return element("p", "Nothing has changed today.", class_="dim")
    lines = [
        element(
            "li",
            f"{view.time(entry['rollout']['since'])[-5:]} {entry['cluster']}/{entry['service']}: ",
            ", ".join(short(image["image"]) for image in entry["images"]),
            " ",
            element("span", entry["rollout"]["state"], class_=_KINDS.get(entry["rollout"]["state"], "dim")),
        )
        for entry in changed[:10]
    ]
    more = len(changed) - len(lines)
    return join(
        element("h3", f"Changed today: {len(changed)}"),
        element("ul", *lines, element("li", f"and {more} more") if more else None),
    )


def _freeze(freeze: Mapping[str, Any], view: View) -> Html:
    what = f"{', '.join(freeze['clusters'])}/{', '.join(freeze['services'])}"
    until = f" until {view.time(freeze['until'])}" if freeze["until"] else ""
    text = f"{what} is frozen by {freeze['by']}{until}: {freeze['reason']} "
    scope = {"clusters": freeze["clusters"], "services": freeze["services"]}
    button = _button(
        "Unfreeze", {"do": {"unfreeze": scope}}, view, f"Lift the freeze of {what}, and deploy what waited?"
    )
    return join(text, button)


def _table(services: Sequence[Mapping[str, Any]], view: View) -> Html:
    titles = {"service": "Service", "image": "Image", "rollout": "Rollout", "since": "Since"}
    heads = [
        element("th", _sortable(titles[name], name, view), data_sort="" if not view.endpoint else None)
        for name in SORTS
    ]
    rows = [element("tr", *(element("td", cell) for cell in _cells(service, view))) for service in services]
    return element(
        "div",
        element("table", element("thead", element("tr", *heads, element("th", "Why"))), element("tbody", *rows)),
        class_="scroll",
    )


def _sortable(title: str, name: str, view: View) -> Html:
    mark = f"{title} ↓" if view.sort == name else title
    return action(element("a", mark), view.event(sort=name, page=0), view.endpoint) if view.endpoint else join(title)


def _cells(service: Mapping[str, Any], view: View) -> list[Html]:
    name, rollout = {"cluster": service["cluster"], "service": service["service"]}, service["rollout"]
    several = len(service["images"]) > 1
    pictures = [
        element(
            "div",
            f"{entry['container']} " if several else None,
            short(entry["image"]),
            element("small", f" {entry['digest'][len('sha256:') : _SHORT]}", title=entry["digest"])
            if entry.get("digest")
            else None,
        )
        for entry in service["images"]
    ]
    text = f"{name['cluster']}/{name['service']}"
    buttons = [
        _button("History", {"history": name}, view, popup=True),
        _button("Roll back", {"do": {"rollback": name}}, view, f"Roll {text} back to what it ran before?"),
    ]
    why = [_wait(wait, service, view) for wait in service["waits"]]
    why += [element("div", text, class_="dim") for text in (rollout["reason"], service["left_alone"]) if text]
    state = element("span", rollout["state"], class_=_KINDS.get(rollout["state"], "dim"))
    return [join(text, " ", *buttons), join(*pictures), state, join(view.time(rollout["since"])), join(*why)]


def _wait(wait: Mapping[str, Any], service: Mapping[str, Any], view: View) -> Html:
    image, digest = images.parse(wait["image"]), wait["digest"]
    place = image.ecr
    asked: dict[str, Any] = {"repository": image.repository, "tag": image.tag, "digest": digest}
    if place:
        asked |= {"registry": place.account, "region": place.region}
    there = {"clusters": [service["cluster"]], "services": [service["service"]]}
    where = f"{service['cluster']}/{service['service']}"
    buttons = [_button("Why not?", {"explain": asked}, view, popup=True)]
    if wait["reason_kind"] in {"approval", "hook"}:
        buttons += [
            _button(
                "Approve", {"do": {"approve": {**asked, **there}}}, view, f"Let {short(wait['image'])} go to {where}?"
            ),
            _button(
                "Reject", {"do": {"reject": {**asked, **there}}}, view, f"Keep {short(wait['image'])} out of {where}?"
            ),
        ]
    text = f"{short(wait['image'])} waits: {wait['reason']} "
    return element("div", element("span", text, class_="warn"), *buttons)


def _button(
    label: str, event: Mapping[str, Any], view: View, confirmation: str | None = None, *, popup: bool = False
) -> Html | None:
    if not view.endpoint:
        return None
    shown = view.event(**event) if "do" in event else event
    return action(element("a", label, class_="btn"), shown, view.endpoint, confirmation=confirmation, popup=popup)


def _pages(count: int, page: int, last: int, view: View) -> Html:
    found = element("span", f"{count} services", class_="dim")
    if not last or not view.endpoint:
        return element("p", found)
    links = [
        action(element("a", title), view.event(page=number), view.endpoint)
        for title, number in (("← ", page - 1), (" →", page + 1))
        if 0 <= number <= last
    ]
    return element("p", found, f", page {page + 1} of {last + 1} ", *links)


def _style(view: View) -> str:
    colors = _COLORS[view.is_dark]
    line = f"1px solid {colors['line']}"
    rules = {
        "": f"font:13px sans-serif;color:{colors['text']}",
        **{f".{name}": f"color:{colors[name]}" for name in ("dim", "bad", "warn", "good")},
        ".scroll": "overflow-x:auto",
        "table": "border-collapse:collapse;width:100%",
        "td": f"vertical-align:top;padding:4px 8px;border-bottom:{line}",
        "th": f"text-align:left;padding:4px 8px;border-bottom:{line}",
        "ul": "margin:0 0 8px;padding-left:18px",
        "h3": "margin:4px 0",
        ".btn": f"font-size:11px;padding:0 6px;border:{line};border-radius:3px;cursor:pointer;white-space:nowrap",
        "td:nth-child(n+3):not(:last-child)": "white-space:nowrap",
    }
    return "".join(f".ecr-deploy {name}{{{rule}}}" for name, rule in rules.items())
