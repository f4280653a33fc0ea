"""The page "What runs where": CloudWatch asks for it, somebody presses its buttons, and nothing in it is unescaped."""

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from ecr_deploy.page import board, document
from ecr_deploy.page.view import View
from tests.harness.road import ACCOUNT, APP, REGION, Context, Registry, Road, definition, digest, pushed
from tests.harness.strict_ecs import StrictEcs

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:ecr-deploy"
HOSTILE = '<script>alert("x")</script>\'&lt;cwdb-action>'
VOID = {"input", "meta", "br"}


class Parsed(HTMLParser):
    """HTML as a browser reads it: what stands in which element; every element that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.actions: list[tuple[str, dict[str, str | None], dict[str, Any]]] = []
        self._content = ""
        self._label = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "cwdb-action":
            self._label, self._content = self._content.strip(), ""
        elif tag in {"a", "style"}:
            self._content = ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "cwdb-action":
            self.actions.append((self._label, self.tags[-1][1], json.loads(self._content)))

    def handle_data(self, data: str) -> None:
        self._content += data
        if not {"style", "script", "cwdb-action"} & set(self.open):
            self.text += data + " "


class Invoked(Context):
    invoked_function_arn = ARN


def widget(road: Road, event: Mapping[str, Any] | None = None, **context: Any) -> Parsed:
    """Ask as CloudWatch does."""
    forms = {"forms": {"all": context.pop("forms", {})}}
    zone = {"label": "Europe/Berlin", "offsetISO": "+01:00", "offsetInMinutes": -60}
    asked = {**(event or {}), "widgetContext": {"theme": "light", "timezone": zone, **forms, **context}}
    answer = road.handler(asked, Invoked())
    assert isinstance(answer, str)
    return Parsed(answer)


def button(page: Parsed, label: str) -> tuple[dict[str, str | None], dict[str, Any]]:
    """The first button of a label: its attributes and the event that it sends."""
    return next((attributes, event) for name, attributes, event in page.actions if name == label)


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    for cluster, name in (("prod", "api"), ("prod", "web"), ("staging", "api")):
        revision = ecs.register(definition(f"{cluster}-{name}", f"{APP}:v1"))
        ecs.add_service(cluster, name, revision, tags={"ecr-deploy:pinned": "INC-1"} if name == "web" else {})
    rules = [{"clusters": ["staging"]}, {"clusters": ["prod"], "approval": {}}]
    road = Road(ecs, registry=(registry := Registry()), inputs={"rules": rules})
    registry.push("v1", time="2026-11-22T06:00:00Z")
    registry.push("v2", time="2026-11-23T06:00:00Z")
    road.push(pushed("v2"))
    return road


def test_what_runs_where_and_what_waits(road: Road) -> None:
    page = widget(road)

    assert "prod/api" in page.text
    assert "staging/api" in page.text
    assert ["app:v2", digest("v2")[7:19]] == page.text.partition("Why")[2].split("staging/api")[1].split()[3:5]
    assert "app:v2 waits: somebody must approve it" in page.text
    assert "it is pinned by its tag ecr-deploy:pinned = INC-1" in page.text
    assert "Changed today: 1" in page.text
    # In the zone of whoever looks.
    assert "2026-11-24 01:00" in page.text


def test_its_documentation(road: Road) -> None:
    answer = road.handler({"describe": True}, Invoked())

    assert answer.startswith("### What runs where")


@pytest.mark.parametrize(("label", "image"), [("Approve", "v2"), ("Reject", "v1")])
def test_an_answer_with_a_question_first(road: Road, label: str, image: str) -> None:
    attributes, event = button(widget(road), label)
    assert (attributes["action"], attributes["endpoint"], attributes["display"]) == ("call", ARN, "widget")
    assert "app:v2" in (attributes["confirmation"] or "")

    assert "write your name first" in widget(road, event).text
    assert road.image("prod", "api") == f"{APP}:v1"

    page = widget(road, event, forms={"by": "ann"})
    assert f"{label.lower()} by ann: " in page.text
    assert road.image("prod", "api") == f"{APP}:{image}"
    assert "app:v2 waits" not in page.text


def test_rolling_back(road: Road) -> None:
    road.ecs.end_deployments()
    events = [event for label, _, event in widget(road).actions if label == "Roll back"]
    [event] = [event for event in events if event["do"]["rollback"]["cluster"] == "staging"]

    assert "rollback by ann: rolled-back" in widget(road, event, forms={"by": "ann"}).text

    assert road.image("staging", "api") == f"{APP}:v1"
    assert "There is nothing to roll back" in widget(road, event, forms={"by": "ann"}).text


def test_a_freeze_and_its_end(road: Road) -> None:
    _, event = button(widget(road), "Freeze")
    forms = {"by": "bob", "cluster": "staging"}
    assert 'reason of the request must be a text, but it is ""' in widget(road, event, forms=forms).text
    assert "freeze by bob: done." in widget(road, event, forms={**forms, "reason": "audit"}).text
    road.push(pushed("v3", time="2026-11-24T00:00:00Z"))

    page = widget(road)
    assert "staging/* is frozen by bob: audit" in page.text
    _, event = button(page, "Unfreeze")
    widget(road, event, forms={"by": "ann"})

    assert road.image("staging", "api") == f"{APP}:v3"


def test_history_and_why_not_pop_up(road: Road) -> None:
    page = widget(road)
    attributes, event = next(
        (attributes, event)
        for label, attributes, event in page.actions
        if label == "History" and event["history"]["cluster"] == "staging"
    )
    assert attributes["display"] == "popup"
    assert "staging-api:1 → staging-api:2" in widget(road, event).text

    _, event = button(page, "Why not?")
    assert "approval is closed" in widget(road, event).text


def test_filters(road: Road) -> None:
    assert "staging/api" not in widget(road, forms={"cluster": "prod"}).text.partition("Why")[2]
    page = widget(road, forms={"text": "WEB"})
    assert "1 services" in page.text
    assert [attributes.get("value") for tag, attributes in page.tags if tag == "input"] == ["WEB", None, ""]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sort", ["service", "image", "rollout", "since", "nonsense", 7])
def test_every_order_and_theme(road: Road, sort: object, theme: str) -> None:
    assert "3 services" in widget(road, {"sort": sort}, theme=theme).text


def test_the_heads_of_columns_sort(road: Road) -> None:
    _, event = button(widget(road), "Since")

    rows = widget(road, event).text.partition("Why")[2]

    assert rows.index("staging/api") < rows.index("prod/api")


def test_what_is_wrong_is_shown(road: Road) -> None:
    road.ecs.deny("ListServices")
    assert "is not allowed" in widget(road).text
    assert "must be the name of an ECS cluster" in widget(road, {"history": {"cluster": 1, "service": "api"}}).text


def test_no_event_does_what_has_no_button(road: Road) -> None:
    road.ecs.end_deployments()
    page = widget(road, {"do": {"adopt": {}}}, forms={"by": "ann"})

    assert "There is no button for adopt." in page.text


@pytest.mark.parametrize(
    "context",
    [None, [], "x", {"forms": []}, {"forms": {"all": {"by": 1, "text": []}}}, {"timezone": {"offsetISO": "x"}}],
)
def test_a_context_that_makes_no_sense(road: Road, context: Any) -> None:
    assert "3 services" in Parsed(road.handler({"widgetContext": context, "page": "x"}, Invoked())).text


def status(count: int = 1, text: str = "api") -> dict[str, Any]:
    """What `status` answers of so many services, of which all texts are of others' making."""
    service = {
        "cluster": text,
        "service": text,
        "revision": f"{text}:1",
        "images": [{"container": text, "image": f"{APP}:{text}", "digest": f"sha256:{text}", "pushed_at": None}],
        "rollout": {"state": text, "since": "2026-11-24T00:00:00Z", "reason": text},
        "waits": [{"image": f"{APP}:v2", "digest": text, "pushed_at": text, "reason": text, "reason_kind": "approval"}],
        "left_alone": text,
    }
    freeze = {"clusters": [text], "services": [text], "reason": text, "by": text, "at": text, "until": None}
    services = [{**service, "service": f"{text}-{number:04}"} for number in range(count)]
    unknown = [{"cluster": text, "service": text, "reason": text}]
    return {"services": services, "freezes": [freeze], "unknown": unknown}


def test_all_texts_are_escaped(road: Road) -> None:
    now = road.handler.environment.now()
    pages = [
        str(board.render(status(text=HOSTILE), View(text="", by=HOSTILE, cluster=HOSTILE, endpoint=ARN), now, HOSTILE)),
        document.render(status(text=HOSTILE), now),
    ]
    for text in pages:
        assert "<script>alert" not in text
        page = Parsed(text)
        assert HOSTILE in page.text
        assert [tag for tag, _ in page.tags].count("script") == ("<!doctype" in text)


def test_a_thousand_services_come_page_by_page(road: Road) -> None:
    view, now = View(endpoint=ARN), road.handler.environment.now()
    first = str(board.render(status(1000), view, now))
    assert len(first) < 400_000
    assert "1000 services , page 1 of 10" in Parsed(first).text

    _, event = button(Parsed(first), "→")
    assert event["page"] == 1
    last = Parsed(str(board.render(status(1000), view._replace(page=99), now))).text
    assert "page 10 of 10" in last
    assert "api-0999" in last
    assert "api-0001" not in last.partition("Why")[2]
