"""Follow-ups: one more is a class and a row; each acts at its moments, and its failure means what its row says."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from ecr_deploy import follow_ups
from ecr_deploy.core.errors import InvalidRequestError
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.outcomes import PushResult, TargetResult
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.settings import Settings
from ecr_deploy.follow_ups import FollowUp, Row, Wait
from ecr_deploy.rollout_watch import RolloutResult
from tests.harness.road import APP, Queues, Registry, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs
from tests.unit.test_rollouts import changed

TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
MOMENTS = frozenset({"after_push", "after_rollouts", "on_schedule", "on_waits", "after_giving_up"})


class Diary(FollowUp):
    """A follow-up that writes down when it acted, and may fail."""

    entries: list[str] = []  # noqa: RUF012 - each test has its own
    problem: Exception | None = None

    def after_push(self, pushes: Sequence[Push], results: Sequence[PushResult], settings: Settings) -> list[PushResult]:
        self._note("push")
        return super().after_push(pushes, results, settings)

    def after_rollouts(self, event_id: str, results: Sequence[RolloutResult], targets: Sequence[Target]) -> None:
        del event_id, results
        self._note(f"rollouts of {[target.name for target in targets]}")

    def on_schedule(self, event_id: str, members: Sequence[Member], unknown: Sequence[TargetResult]) -> None:
        del event_id, unknown
        self._note(f"schedule of {len(members)}")

    def on_waits(self, event_id: str, waits: Sequence[Wait]) -> None:
        del event_id
        self._note(f"{len(waits)} wait")

    def after_giving_up(self, push: Push, result: PushResult) -> None:
        del result
        self._note(f"gave up {push.record.tag}")

    def _note(self, entry: str) -> None:
        self.entries.append(entry)
        if self.problem:
            raise self.problem


@pytest.fixture
def road(ecs: StrictEcs, aws_queues: Queues, monkeypatch: pytest.MonkeyPatch) -> Road:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    monkeypatch.setattr(Diary, "entries", [])
    return Road(ecs, aws_queues, {"rollback_on_failure": True}, clients={"ecr": Registry()})


def add(monkeypatch: pytest.MonkeyPatch, *, fails: bool, moments: frozenset[str] = MOMENTS) -> None:
    """Give the diary its row."""
    row = Row(__name__, "Diary", moments, lambda settings: not settings.dry_run, fails=fails)
    monkeypatch.setattr(follow_ups, "TABLE", (*follow_ups.TABLE, row))


@pytest.mark.parametrize("fails", [True, False])
def test_one_more_acts_at_each_of_its_moments(road: Road, monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
    add(monkeypatch, fails=fails)

    assert road.deliver(pushed("v2")) == []
    road.ecs.end_deployments()
    assert road.deliver(changed()) == []
    assert road.deliver(TICK) == []

    # The schedule watches rollouts, too, whether or not one has ended.
    assert Diary.entries == ["push", "rollouts of ['api']", "schedule of 1", "rollouts of []", "0 wait"]


def test_one_that_is_off_or_has_another_moment_does_nothing(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, fails=True, moments=frozenset({"on_schedule"}))

    road.deliver(pushed("v2"))
    Road(road.ecs, inputs={"dry_run": True}).deliver(TICK)

    assert Diary.entries == []


def test_a_failure_fails_the_push_and_is_retried(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, fails=True)
    monkeypatch.setattr(Diary, "problem", InvalidRequestError("The diary is full."))

    result = road.push(pushed("v2"))

    assert (result["outcome"], result["reason"], result["reason_kind"]) == ("failed", "The diary is full.", "invalid")
    assert road.image("prod", "api") == f"{APP}:v2"


@pytest.mark.parametrize("problem", [InvalidRequestError("The diary is full."), ValueError("a bug")])
def test_a_failure_of_what_only_reports_is_a_line_of_the_log(
    road: Road, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, problem: Exception
) -> None:
    add(monkeypatch, fails=False)
    monkeypatch.setattr(Diary, "problem", problem)

    assert road.deliver(pushed("v2", event_id="mine")) == []
    assert road.deliver(changed()) == []
    assert road.deliver(TICK) == []

    assert road.image("prod", "api") == f"{APP}:v2"
    lines = [record for record in caplog.records if str(problem) in record.getMessage()]
    assert len(lines) >= 3
    assert vars(lines[0])["event_id"] == "mine"


def test_a_bug_in_a_follow_up_of_rollouts_is_retried(
    road: Road, monkeypatch: pytest.MonkeyPatch, aws_queues: Queues
) -> None:
    add(monkeypatch, fails=True, moments=frozenset({"after_rollouts", "after_giving_up"}))
    road.deliver(pushed("v2"))
    monkeypatch.setattr(Diary, "problem", ValueError("a bug"))

    event: dict[str, Any] = changed()
    assert road.deliver(event) == ["message-0"]
    assert road.deliver(event, receives=7) == []

    assert aws_queues.dead_letters() == [json.dumps(event)]


def test_every_row_says_what_its_follow_up_does() -> None:
    for row in follow_ups.TABLE:
        module = __import__(f"{follow_ups.__name__}{row.module}", fromlist=[row.name])
        assert {name for name in MOMENTS if name in vars(getattr(module, row.name))} == row.moments, row.name


def test_the_log_is_warned_and_no_more(
    road: Road, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(monkeypatch, fails=False, moments=frozenset({"after_push"}))
    monkeypatch.setattr(Diary, "problem", InvalidRequestError("The diary is full."))

    road.push(pushed("v2"))

    assert [record.levelno for record in caplog.records if "diary" in record.getMessage()] == [logging.WARNING]
