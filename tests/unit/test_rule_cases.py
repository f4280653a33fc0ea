"""Each case of the table, from the event to what runs."""

import logging
from datetime import datetime
from typing import Any

import pytest

from tests.harness.road import Road, definition
from tests.harness.rule_cases import Case, cases, event
from tests.harness.strict_ecs import FakeClock, StrictEcs


class Calendars:
    """Change calendars, some of them closed until tomorrow."""

    def __init__(self, closed: list[str]) -> None:
        self._closed = closed

    def get_calendar_state(self, *, CalendarNames: list[str]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        [name] = CalendarNames
        if name not in self._closed:
            return {"State": "OPEN"}
        return {"State": "CLOSED", "NextTransitionTime": "2026-11-24T06:00:00Z"}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_case(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    ecs = StrictEcs(clock=FakeClock(datetime.fromisoformat(case.now).timestamp()))
    ecs.add_cluster("prod", tags=case.cluster_tags)
    ecs.add_cluster("staging")
    before = ecs.register(definition(case.family or "api", case.image))
    if not case.family:
        ecs.add_service("prod", "api", before, tags=case.tags, deployment_controller=case.controller)
    road = Road(ecs, inputs={**case.settings, "rules": case.rules}, clients={"ssm": Calendars(case.closed)})
    if case.first:
        assert road.push(event(case.first))["outcome"] == "deployed"
    revisions = ecs.revisions(case.family or "api")

    with caplog.at_level(logging.WARNING):
        result = road.push(case.event)

    assert result["outcome"] == case.outcome
    assert (case.reason or "") in (result["reason"] or "")
    deployed = case.outcome == "deployed"
    # A tag that stands for another image now is deployed by the revision that names it.
    added = deployed and case.image.rpartition(":")[2] != case.push["tag"]
    assert len(ecs.revisions(case.family or "api")) == len(revisions) + added
    if deployed and not case.family:
        assert road.image("prod", "api") == f"{case.image.rpartition(':')[0]}:{case.push['tag']}"
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == case.warns
