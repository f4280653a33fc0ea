"""Pop-ups: the history of a service, and why an image does not go on, as HTML."""

from collections.abc import Mapping
from typing import Any

from ecr_deploy.page.board import short
from ecr_deploy.page.markup import Html, element
from ecr_deploy.page.view import View


def history(answer: Mapping[str, Any], view: View) -> Html:
    """What was deployed to a service, the newest first."""
    rows = [
        [
            view.time(past["since"]),
            past["state"],
            f"{past['from']} → {past['to']}",
            ", ".join(short(image["image"]) for image in past["images"]),
            "; ".join(filter(None, [past["reason"], past["by"]])),
        ]
        for past in answer["history"]
    ]
    title = f"{answer['cluster']}/{answer['service']}"
    return _table(title, ["Since", "State", "Revision", "Image", "Why, or by whom"], rows)


def why(answer: Mapping[str, Any]) -> Html:
    """What would become of an image, by service, with each gate that it has to pass."""
    rows = []
    for service in answer["services"]:
        name = f"{service['cluster']}/{service['service']}"
        rows.append([name, service["outcome"], service["reason"] or ""])
        rows += [
            ["", f"{gate['gate']} is {'open' if gate['open'] else 'closed'}", gate["reason"] or ""]
            for gate in service.get("gates", ())
        ]
    return _table(short(answer["image"]), ["Service", "Would be", "Why"], rows)


def _table(title: str, heads: list[str], rows: list[list[str]]) -> Html:
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    head = element("tr", *(element("th", name) for name in heads))
    return element("div", element("h3", title), element("table", head, *body), class_="ecr-deploy")
