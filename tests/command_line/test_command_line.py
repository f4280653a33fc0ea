"""The command line, in this process: what is typed goes in, ECS is in a new state, and the exit code says so."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import ecr_deploy
from ecr_deploy.cli.main import cli
from ecr_deploy.core import settings
from ecr_deploy.core.fleet import Target
from ecr_deploy.rollout_watch import Watch
from tests.harness.command_line import FUNCTION, CommandLine, answer, refused, rows
from tests.harness.road import APP, Queues, client, definition, pushed
from tests.harness.strict_ecs import Fault


def test_plan_shows_and_changes_nothing(line: CommandLine) -> None:
    planned = line.run("plan", "app:v2")

    assert planned.exit_code == 0
    assert ["prod/api", "deployed", "api:1 → new", "app:v1 → v2"] in rows(planned)
    assert line.ecs.writes == []


def test_deploy(line: CommandLine) -> None:
    deployed = line.run("deploy", "app:v2", "--yes")

    assert deployed.exit_code == 0
    assert ["prod/api", "deployed", "api:1 → api:2", "app:v1 → v2"] in rows(deployed)
    assert line.road.image("prod", "api") == line.road.image("prod", "web", "sidecar-1") == f"{APP}:v2"
    assert line.function.asked[-1]["by"] == "jane"

    line.ecs.end_deployments()
    assert line.run("deploy", "app:v2", "--yes").exit_code == 0
    assert line.ecs.count("UpdateService") == 2


def test_a_scope_and_an_image_with_its_host(line: CommandLine) -> None:
    words = ["deploy", f"{APP}:v2", "--yes", "--cluster", "pr*", "--service", "w*", "--service", "x"]
    assert line.run(*words).exit_code == 0

    assert line.road.image("prod", "api") == f"{APP}:v1"
    assert line.road.image("prod", "web", "sidecar-1") == f"{APP}:v2"


def test_deploy_asks_first(line: CommandLine) -> None:
    refused_ = line.run("deploy", "app:v2", keys="n\n")
    assert refused_.exit_code == 1
    assert line.ecs.writes == []
    assert "api:1 → new" in refused_.stderr
    assert "Deploy this? [y/N]: " in refused_.stderr

    assert line.run("deploy", "app:v2", keys="y\n").exit_code == 0
    assert line.road.image("prod", "api") == f"{APP}:v2"


def test_nobody_is_asked_where_nothing_would_change(line: CommandLine) -> None:
    assert line.run("deploy", "app:v2", "--yes").exit_code == 0

    again = line.run("deploy", "app:v2")
    assert again.exit_code == 0
    assert {row[1] for row in rows(again)[1:]} == {"unchanged"}


def test_without_a_terminal_it_wants_yes(line: CommandLine) -> None:
    deployed = line.run("deploy", "app:v2")

    assert deployed.exit_code == 2
    assert deployed.stderr.splitlines()[-1] == "Deploy this? Nobody is there to say so: add --yes."
    assert line.ecs.writes == []


def test_what_reaches_nothing(line: CommandLine) -> None:
    line.configure(rules=[{"tags": ["main-*"]}])
    deployed = line.run("deploy", "app:v2", "--yes")
    assert deployed.exit_code == 3
    assert ["app:v2", "skipped", "no rule allows it: rules[0].tags does not match v2"] in rows(deployed)

    line.configure()
    assert line.run("deploy", "app:v2", "--yes").exit_code == 0
    older = line.run("deploy", "app:v1", "--yes")
    assert older.exit_code == 3
    assert "superseded" in {row[1] for row in rows(older)}
    assert line.run("deploy", "app:v1", "--yes", "--force").exit_code == 0


def test_what_fails(line: CommandLine) -> None:
    line.ecs.inject("UpdateService", Fault.ACCESS_DENIED)

    failed = line.run("deploy", "app:v2", "--yes", "-o", "json")

    assert failed.exit_code == 1
    outcomes = sorted(service["outcome"] for service in answer(failed)["pushes"][0]["services"])
    assert outcomes == ["deployed", "failed"]


def test_a_function_with_dry_run_deploys_nothing(line: CommandLine) -> None:
    line.configure(dry_run=True)

    deployed = line.run("deploy", "app:v2", "--yes")

    assert deployed.exit_code == 2
    assert "The function's input dry_run is on" in deployed.stderr
    assert line.ecs.writes == []


class Rolling:
    """Time that ends deployments as it passes."""

    def __init__(self, line: CommandLine, *ends: str | Callable[[], object]) -> None:
        self._ecs = line.ecs
        self._ends = list(ends)

    def time(self) -> float:
        return self._ecs.clock.time()

    def sleep(self, seconds: float, /) -> None:
        self._ecs.clock.sleep(seconds)
        if self._ends:
            end = self._ends.pop(0)
            if callable(end):
                end()
            else:
                self._ecs.move_deployment("prod", "api", end)


def track(line: CommandLine) -> None:
    """Do what the function does with the event of a rollout that has ended."""
    environment = line.road.handler.environment
    Watch(environment, environment.settings).follow(Target("prod", "api"))


@pytest.mark.parametrize(
    ("ends", "state", "code"),
    [
        (["IN_PROGRESS", "SUCCESSFUL"], "live", 0),
        (["ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "tracked"], "rolled-back", 1),
        ([], "started", 4),
    ],
)
def test_deploy_waits(line: CommandLine, ends: list[str], state: str, code: int) -> None:
    clock = Rolling(line, *(partial(track, line) if end == "tracked" else end for end in ends))
    words = ["deploy", "app:v2", "--service", "api", "--yes", "--wait", "--timeout", "2", "-o", "json"]

    waited = line.run(*words, clock=clock)

    assert waited.exit_code == code
    [rollout] = answer(waited)["rollouts"]
    assert (rollout["service"], rollout["state"]) == ("api", state)
    assert ("1 of 1 rollouts have not ended after 2 minutes." in waited.stderr) is (code == 4)


def test_a_line_for_each_change_of_a_service(line: CommandLine) -> None:
    clock = Rolling(line, "IN_PROGRESS", "SUCCESSFUL")

    waited = line.run("deploy", "app:v2", "--service", "api", "--yes", "--wait", clock=clock)

    assert [row[1:] for row in rows(waited)[-2:]] == [
        ["prod/api", "started", "api:2"],
        ["prod/api", "live", "api:2"],
    ]


def test_a_service_that_is_deleted_while_it_waits(line: CommandLine) -> None:
    clock = Rolling(line, lambda: line.ecs.delete_service("prod", "api"))

    waited = line.run("deploy", "app:v2", "--service", "api", "--yes", "--wait", clock=clock)

    assert waited.exit_code == 1
    assert rows(waited)[-1][1:] == ["prod/api", "failed", "api:2", "it is there no longer"]


def test_wait_deploys_nothing(line: CommandLine) -> None:
    line.road.push(pushed("v2"))
    writes = len(line.ecs.writes)

    waited = line.run("wait", "app:v2", "--service", "api", clock=Rolling(line, "IN_PROGRESS", "SUCCESSFUL"))

    assert waited.exit_code == 0
    assert len(line.ecs.writes) == writes
    # Only the first question leaves a line in the log.
    assert [one for one in line.function.asked if "dry_run" in one] == line.function.asked[:1]


def test_wait_for_a_push_whose_event_is_under_way(line: CommandLine) -> None:
    clock = Rolling(line, lambda: line.road.push(pushed("v2")), line.ecs.end_deployments)

    waited = line.run("wait", "app:v2", "--service", "api", clock=clock)

    assert waited.exit_code == 0
    assert [row[2] for row in rows(waited)] == ["pending", "started", "live"]


@pytest.mark.newer_boto3
def test_wait_says_why_a_rollout_was_rolled_back(line: CommandLine) -> None:
    line.road.push(pushed("v2"))
    line.ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL", reason="tasks failed to start")
    track(line)

    waited = line.run("wait", "app:v2", "--service", "api")

    assert waited.exit_code == 1
    assert rows(waited)[-1] == ["prod/api was rolled back: tasks failed to start"]


def test_wait_for_what_reaches_nothing(line: CommandLine) -> None:
    line.configure(rules=[{"tags": ["main-*"]}])

    waited = line.run("wait", "app:v2")

    assert waited.exit_code == 3
    assert waited.stderr == "It reaches nothing: no rule allows it: rules[0].tags does not match v2\n"


def test_wait_for_what_somebody_rejects(line: CommandLine) -> None:
    line.configure(rules=[{"approval": {}}])
    line.road.push(pushed("v2"))
    clock = Rolling(line, lambda: line.road.request(reject={"repository": "app", "tag": "v2"}, by="jane"))

    waited = line.run("wait", "app:v2", "--service", "api", clock=clock)

    assert waited.exit_code == 1
    assert [row[2] for row in rows(waited)[:2]] == ["waiting", "rejected"]


def test_wait_for_what_is_superseded(line: CommandLine) -> None:
    line.road.push(pushed("v2"))

    assert line.run("wait", "app:v1").exit_code == 3


def test_rollback(line: CommandLine) -> None:
    assert line.run("deploy", "app:v2", "--yes").exit_code == 0
    line.ecs.end_deployments()

    clock = Rolling(line, "IN_PROGRESS", "SUCCESSFUL")
    back = line.run("rollback", "prod", "api", "--yes", "--wait", clock=clock)

    assert back.exit_code == 0
    assert ["prod/api", "rolled-back", "api:2 → api:1", "app:v2"] in rows(back)
    assert rows(back)[-1][1:] == ["prod/api", "live", "api:1"]
    assert line.road.image("prod", "api") == f"{APP}:v1"


def test_rollback_of_what_still_rolls_out(line: CommandLine) -> None:
    assert line.run("deploy", "app:v2", "--yes").exit_code == 0

    clock = Rolling(line, "ROLLBACK_SUCCESSFUL")
    assert line.run("rollback", "prod", "api", "--yes", "--wait", clock=clock).exit_code == 0

    assert line.road.image("prod", "api") == f"{APP}:v1"


def test_rollback_asks_first(line: CommandLine) -> None:
    nothing = line.run("rollback", "prod", "api", keys="y\n")
    assert nothing.exit_code == 2
    assert "There is nothing to roll back: " in nothing.stderr
    assert line.run("deploy", "app:v2", "--yes").exit_code == 0
    writes = len(line.ecs.writes)

    no = line.run("rollback", "prod", "api", keys="n\n")
    assert no.exit_code == 1
    assert "api:2 → api:1" in no.stderr
    assert len(line.ecs.writes) == writes

    assert line.run("rollback", "prod", "api", keys="y\n").exit_code == 0
    assert line.road.image("prod", "api") == f"{APP}:v1"


def test_rollback_to_what_ran_before_that(line: CommandLine) -> None:
    line.registry.push("v3", time="2026-11-23T07:00:00Z")
    for tag in ("v2", "v3"):
        assert line.run("deploy", f"app:{tag}", "--yes").exit_code == 0
        line.ecs.end_deployments()

    assert line.run("rollback", "prod", "api", "--to", "api:1", "--yes").exit_code == 0

    assert line.road.image("prod", "api") == f"{APP}:v1"
    # Both that it ran since are rejected there.
    explained = {row[0]: row[1] for tag in ("v2", "v3") for row in rows(line.run("plan", f"app:{tag}"))}
    assert explained["prod/api"] == "skipped"

    unknown = line.run("rollback", "prod", "web", "--to", "web:9", "--yes")
    assert unknown.exit_code == 2
    assert (
        "There is no rollout from web:9 since which nothing was rolled back; there are from: web:2, web:1."
        in " ".join(unknown.stderr.split())
    )


def test_explain(line: CommandLine) -> None:
    line.configure(rules=[{}, {"tags": ["main-*"]}])
    tags = {"ecr-deploy:pinned": "INC-42"}
    line.ecs.add_service("prod", "old", line.ecs.register(definition("old", f"{APP}:v1")), tags=tags)

    found = rows(line.run("explain", "app:v2"))

    assert ["rules[0]", "yes"] in found
    assert ["rules[1]", "no", "tags does not match v2"] in found
    assert ["prod/api", "deployed"] in found
    assert ["prod/old", "skipped", "it is pinned by its tag ecr-deploy:pinned = INC-42"] in found


def test_status_as_a_page(line: CommandLine, tmp_path: Path) -> None:
    page = tmp_path / "page.html"

    written = line.run("status", "--html", str(page))

    assert (written.exit_code, written.stdout) == (0, "")
    assert "prod/api" in page.read_text()
    assert page.read_text().startswith("<!doctype html>")


def test_explain_shows_each_gate(line: CommandLine) -> None:
    line.configure(rules=[{"minimum_image_age": 5, "approval": {}}])

    found = rows(line.run("explain", "app:v2"))

    assert ["SERVICE", "GATE", "OPEN", "WHY NOT"] in found
    assert ["prod/api", "approval", "no", "somebody must approve it"] in found
    assert [row[:3] for row in found if row[1:2] == ["minimum_image_age"] and row[0] == "prod/api"] != []


def test_explain_says_why_nothing_is_reached(line: CommandLine) -> None:
    explained = line.run("explain", "worker:v2")

    assert rows(explained)[-1][0].startswith("worker:v2 would be skipped: nothing in scope runs ")


def test_history_of_a_service(line: CommandLine) -> None:
    assert line.run("deploy", "app:v2", "--yes").exit_code == 0
    line.ecs.end_deployments()

    found = rows(line.run("history", "prod", "api"))

    assert [[row[0], *row[2:]] for row in found[1:]] == [["prod/api", "started", "api:1 → api:2", "app:v2; jane"]]


def test_history_of_the_fleet(line: CommandLine) -> None:
    assert line.run("deploy", "app:v2", "--yes").exit_code == 0

    assert {row[0] for row in rows(line.run("history"))[1:]} == {"prod/api", "prod/web"}
    assert "There is no cluster staging in scope." in line.run("history", "staging").stderr


def test_history_of_what_was_never_deployed(line: CommandLine) -> None:
    for words in (["history"], ["history", "prod"], ["history", "prod", "api"]):
        told = line.run(*words)
        assert (told.exit_code, told.stdout) == (0, "")
        assert told.stderr == "ecr-deploy has deployed nothing there yet.\n"


def test_status(line: CommandLine) -> None:
    assert line.run("deploy", "app:v2", "--yes", "--service", "api").exit_code == 0
    tags = {"ecr-deploy:pinned": "INC-42"}
    line.ecs.add_service("prod", "old", line.ecs.register(definition("old", f"{APP}:v1")), tags=tags)

    told = {service["service"]: service for service in answer(line.run("status", "-o", "json"))["services"]}
    assert list(told) == ["api", "old", "web"]
    assert told["api"]["revision"] == "api:2"
    assert told["api"]["rollout"]["state"] == "started"

    line.ecs.end_deployments()
    shown = rows(line.run("status"))
    assert [row[:3] for row in shown[1:]] == [
        ["prod/api", "app:v2", "live"],
        ["prod/old", "app:v1", "live"],
        ["prod/web", "app:v1", "live"],
    ]
    assert shown[2][-1] == "it is pinned by its tag ecr-deploy:pinned = INC-42"


def test_status_by_image(line: CommandLine) -> None:
    assert line.run("deploy", "app:v2", "--yes", "--service", "api").exit_code == 0
    line.ecs.add_service("staging", "api", line.ecs.register(definition("staging", f"{APP}:main-7")))

    assert rows(line.run("status", "--by-image")) == [["IMAGE", "prod", "staging"], ["app", "v1 (1), v2 (1)", "main-7"]]


def test_status_is_watched_until_it_is_stopped(line: CommandLine) -> None:
    class Clock(Rolling):
        looks = 0

        def sleep(self, seconds: float, /) -> None:
            self.looks += 1
            super().sleep(seconds)
            if self.looks == 2:
                raise KeyboardInterrupt

    watched = line.run("status", "--watch", clock=Clock(line))

    assert watched.exit_code == 130
    assert [row[0] for row in rows(watched)] == ["SERVICE", "prod/api", "prod/web"] * 2


def test_status_tells_what_it_could_not_read(line: CommandLine) -> None:
    line.ecs.deny("DescribeServiceRevisions")
    line.ecs.inject("DescribeTaskDefinition", Fault.ACCESS_DENIED)

    told = line.run("status")

    assert told.exit_code == 1
    assert len(rows(told)) == 2
    assert "what it runs is unknown" in told.stderr


def test_plan_of_everything_is_what_the_next_scheduled_run_would_do(line: CommandLine) -> None:
    line.configure(reconcile=True)
    assert line.run("adopt").exit_code == 0
    assert rows(line.run("plan", "--all")) == [["0 of 2 services would change. Nothing was changed."]]

    line.registry.push("v3", time="2999-01-01T00:00:00Z")
    line.registry.push("v4", time="2999-01-02T00:00:00Z")
    planned = line.run("plan", "--all", "--service", "api")

    assert rows(planned) == [
        ["SERVICE", "WOULD BE", "REVISION", "IMAGE OR REASON"],
        ["prod/api", "deployed", "api:1 → new", "app:v1 → v4"],
        ["1 of 1 services would change. Nothing was changed."],
    ]
    assert [call.operation for call in line.ecs.writes] == []


def test_plan_of_everything_says_what_waits(line: CommandLine) -> None:
    line.configure(rules=[{"services": ["web"]}, {"services": ["api"], "approval": {}}])
    line.road.push(pushed("v2"))

    planned = rows(line.run("plan", "--all"))

    assert planned == [
        ["SERVICE", "WOULD BE", "IMAGE OR REASON"],
        ["prod/api", "waiting", "app:v2: somebody must approve it"],
        ["0 of 2 services would change. Nothing was changed."],
    ]
    assert rows(line.run("status"))[1][-1] == "app:v2 waits: somebody must approve it"


def test_plan_needs_an_image_or_all(line: CommandLine) -> None:
    for words in ([], ["app:v2", "--all"]):
        planned = line.run("plan", *words)
        assert planned.exit_code == 2
        assert "give an image, or --all" in planned.stderr


def test_diff_of_the_whole_definition(line: CommandLine) -> None:
    newer = {**definition("api", f"{APP}:v0"), "cpu": "512"}
    line.ecs.register(newer)

    shown = line.run("diff", "app:v2", "--service", "api")

    assert shown.exit_code == 0
    changed = [row for row in shown.stdout.splitlines() if row[:1] in "+-" and row[1:]]
    assert changed == [
        "--- prod/api api:1",
        "+++ prod/api new",
        f'-      "image": "{APP}:v1",',
        f'+      "image": "{APP}:v2",',
        '+  "cpu": "512",',
    ]
    assert "(from api:2)" in line.run("plan", "app:v2").stdout
    assert line.ecs.writes == []


def test_diff_where_nothing_would_change(line: CommandLine) -> None:
    assert rows(line.run("diff", "app:v1"))[1][1] == "unchanged"


def test_pin_and_unpin(line: CommandLine) -> None:
    assert line.run("pin", "prod", "api", "--reason", "INC-42").exit_code == 0
    skipped = {row[0]: row[1] for row in rows(line.run("plan", "app:v2"))}
    assert (skipped["prod/api"], skipped["prod/web"]) == ("skipped", "deployed")

    assert line.run("unpin", "prod", "api").exit_code == 0
    assert {row[1] for row in rows(line.run("plan", "app:v2"))[1:]} == {"deployed"}


@pytest.mark.newer_boto3
def test_a_daemon_is_pinned_as_a_service_is(line: CommandLine) -> None:
    line.configure(daemons=True)
    arn = line.ecs.daemons.add("prod", "agent", line.ecs.daemons.register(definition("agent", f"{APP}:v1")))

    assert line.run("pin", "prod", "daemon/agent", "--reason", "INC-42").exit_code == 0
    tagged = line.ecs.client().list_tags_for_resource(resourceArn=arn)
    assert tagged["tags"] == [{"key": "ecr-deploy:pinned", "value": "INC-42"}]
    gone = line.run("pin", "prod", "daemon/agents")
    assert (gone.exit_code, "daemon/agents" in gone.stderr) == (2, True)


def test_adopt(line: CommandLine) -> None:
    adopted = line.run("adopt")

    assert adopted.exit_code == 0
    assert rows(adopted) == [
        ["RECORDED"],
        ["prod/api"],
        ["prod/web"],
        ["2 recorded as they run, nothing deployed."],
    ]
    assert line.ecs.writes == []


@pytest.mark.parametrize(("verb", "image"), [("approve", "v2"), ("reject", "v1")])
def test_an_answer_to_what_waits(line: CommandLine, verb: str, image: str) -> None:
    line.configure(rules=[{"approval": {}}])
    line.road.push(pushed("v2"))

    answered = line.run(verb, "app:v2", "--cluster", "prod")

    assert answered.exit_code == 0
    assert line.road.image("prod", "api") == f"{APP}:{image}"
    assert line.function.asked[-1]["by"] == "jane"


def test_a_freeze_and_its_end(line: CommandLine) -> None:
    frozen = rows(line.run("freeze", "--cluster", "prod", "--reason", "audit", "--until", "2099-12-01T08:00:00Z"))
    assert frozen == [["FROZEN", "BY", "UNTIL", "WHY"], ["prod/*", "jane", "2099-12-01T08:00:00Z", "audit"]]

    line.road.push(pushed("v2"))
    status = line.run("status", "--cluster", "prod")
    assert "prod/* is frozen by jane until 2099-12-01T08:00:00Z: audit" in " ".join(status.stderr.split())
    assert "app:v2 waits: jane froze it" in status.stdout

    lifted = rows(line.run("unfreeze"))
    assert lifted[:2] == [["NOT FROZEN ANY MORE", "BY", "UNTIL", "WHY"], frozen[1]]
    assert ["prod/api", "deployed"] in [row[:2] for row in lifted]
    assert line.road.image("prod", "api") == f"{APP}:v2"
    assert line.run("unfreeze").exit_code == 2

    line.run("freeze", "--reason", "audit")
    assert rows(line.run("unfreeze")) == [["NOT FROZEN ANY MORE", "BY", "WHY"], ["*/*", "jane", "audit"]]


@pytest.fixture
def letters(line: CommandLine, aws_queues: Queues) -> Queues:
    """A push and something else in the dead-letter queue."""
    urls = {"queue_url": aws_queues.url, "dead_letter_queue_url": aws_queues.dead_letter_url}
    line.function.variables = {settings.VARIABLE: json.dumps({**FUNCTION, **urls})}
    line.session.own["sqs"] = client("sqs")
    for body in (json.dumps(pushed("v2")), "odd"):
        line.session.own["sqs"].send_message(
            QueueUrl=aws_queues.dead_letter_url,
            MessageBody=body,
            MessageGroupId="pushes",
            MessageDeduplicationId=body[:9],
        )
    return aws_queues


def test_dead_letters_are_listed_and_stay(line: CommandLine, letters: Queues) -> None:
    for _ in range(2):
        told = line.run("dead-letters", "list")
        assert [row[2] for row in rows(told)[1:]] == ["push of app:v2", "a message that can't be read"]
    assert len(letters.dead_letters()) == 2


def test_dead_letters_are_redriven_or_dropped(line: CommandLine, letters: Queues) -> None:
    push, _ = answer(line.run("dead-letters", "list", "-o", "json"))

    assert line.run("dead-letters", "redrive", push["id"], keys="n\n").exit_code == 1
    assert line.run("dead-letters", "redrive", push["id"], "--yes").exit_code == 0
    assert [json.loads(body)["detail"]["image-tag"] for body in letters.waiting()] == ["v2"]
    assert letters.dead_letters() == ["odd"]

    unknown = line.run("dead-letters", "drop", "nothing", "--yes")
    assert unknown.exit_code == 2
    assert "There is no dead letter nothing" in unknown.stderr
    assert line.run("dead-letters", "drop", "--yes").exit_code == 0
    assert letters.dead_letters() == []
    assert line.run("dead-letters", "drop", "--yes").exit_code == 3


class Logs:
    """CloudWatch's log of the function, a page for each line."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)

    def filter_log_events(self, *, logGroupName: str, startTime: int, nextToken: str = "0") -> dict[str, Any]:  # noqa: N803
        assert logGroupName == "/aws/lambda/ecr-deploy"
        page = int(nextToken)
        found = [
            {"eventId": str(number), "timestamp": startTime + 1, "message": text}
            for number, text in enumerate(self.lines)
            if number == page
        ]
        return {"events": found, **({"nextToken": str(page + 1)} if page + 1 < len(self.lines) else {})}


def test_events_show_the_log(line: CommandLine) -> None:
    log = Logs(
        '{"level": "INFO", "message": "app:v2: deployed"}',
        '{"type": "platform.report", "record": {}}',
        "Task timed out after 300.00 seconds",
    )
    line.session.own["logs"] = log

    shown = line.run("events")
    assert [row[1:] for row in rows(shown)] == [
        ["INFO", "app:v2: deployed"],
        ["ERROR", "Task timed out after 300.00 seconds"],
    ]
    assert len(rows(line.run("events", "--errors"))) == 1
    assert json.loads(line.run("events", "-o", "json").stdout.splitlines()[0])["level"] == "INFO"


def test_events_are_followed(line: CommandLine) -> None:
    log = Logs('{"level": "INFO", "message": "app:v2: deployed"}')
    line.session.own["logs"] = log

    def stop() -> None:
        raise KeyboardInterrupt

    clock = Rolling(line, lambda: log.lines.append('{"level": "INFO", "message": "app:v2 is live"}'), stop)
    shown = line.run("events", "--follow", clock=clock)

    assert shown.exit_code == 130
    assert [row[2] for row in rows(shown)] == ["app:v2: deployed", "app:v2 is live"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (None, "ecr-deploy is no function of ecr-deploy: it has no variable ECR_DEPLOY_SETTINGS."),
        (
            {"ErrorCode": "AccessDeniedException", "Message": "no kms:Decrypt"},
            "ecr-deploy does not give its settings: AccessDeniedException: no kms:Decrypt",
        ),
    ],
)
def test_a_function_that_tells_nothing(line: CommandLine, error: dict[str, str] | None, sentence: str) -> None:
    line.function.variables, line.function.error = None, error

    told = line.run("dead-letters", "list")

    assert told.exit_code == 2
    assert " ".join(told.stderr.split()) == sentence


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"base_revision": "old"}, 'The setting base_revision must be one of latest, running, but it is "old".'),
        ({"colour": "red"}, 'There is no setting colour, but it is "red".'),
        ("{", "rules.json can't be read as JSON: "),
        (7, "must hold a list of rules, or an object of settings, as JSON, but it holds 7"),
    ],
)
def test_rules_in_a_file_that_are_wrong(line: CommandLine, tmp_path: Path, values: Any, sentence: str) -> None:
    file = tmp_path / "rules.json"
    file.write_text(values if isinstance(values, str) else json.dumps(values))

    told = line.run("status", "--local", "--rules", str(file))

    assert told.exit_code == 2
    assert sentence in " ".join(told.stderr.split())


def test_local_needs_no_function(line: CommandLine, tmp_path: Path) -> None:
    line.session.own["lambda"] = None
    file = tmp_path / "rules.json"
    file.write_text(json.dumps([{"services": ["api"], "tags": ["v*"]}]))
    local = ["--local", "--rules", str(file)]

    everything = line.run("plan", "--all", *local)
    assert ["prod/api", "deployed", "api:1 → new", "app:v1 → v2"] in rows(everything)
    assert rows(everything)[-1] == ["1 of 1 services would change. Nothing was changed."]
    assert rows(line.run("plan", "app:v2", *local))[1][0] == "prod/api"
    assert rows(line.run("status", *local))[1][0] == "prod/api"
    assert rows(line.run("explain", "app:v2", *local))[1] == ["rules[0]", "yes"]
    assert line.ecs.writes == []
    assert line.road.table.items() == {}


def test_only_what_reads_is_local(line: CommandLine) -> None:
    assert "No such option '--local'" in line.run("deploy", "app:v2", "--local").stderr
    assert "--rules is for --local" in line.run("plan", "app:v2", "--rules", "x").stderr


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("app", "app has no tag"),
        ("app:v2:v3", '"app:v2:v3" is not an image reference'),
        ("docker.io/app:v2", "docker.io is no private registry of ECR"),
    ],
)
def test_what_is_no_image(line: CommandLine, image: str, sentence: str) -> None:
    told = line.run("plan", image)

    assert told.exit_code == 2
    assert sentence in told.stderr


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command there is, by its words."""
    return [
        words
        for name, command in group.commands.items()
        for words in (commands(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)])
    ]


# What each needs beside its name.
_ARGUMENTS: dict[tuple[str, ...], list[str]] = {
    ("completion",): ["bash"],
    **{(name,): ["app:v2"] for name in ("plan", "diff", "deploy", "wait", "explain", "approve", "reject")},
    **{(name,): ["prod", "api"] for name in ("rollback", "pin", "unpin")},
    ("freeze",): ["--reason", "audit"],
}
ALL = commands(cli)
ASKING = [words for words in ALL if words != ("completion",)]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help(line: CommandLine, words: tuple[str, ...]) -> None:
    helped = line.run(*words, "--help")

    assert helped.exit_code == 0
    assert helped.stdout.startswith(f"Usage: ecr-deploy {' '.join(words)} ")
    assert max(map(len, helped.stdout.splitlines())) <= 80
    # What stands in the list of commands is a whole sentence.
    assert "..." not in line.run(*words[:-1], "--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_wrong_word_names_the_nearest(line: CommandLine, words: tuple[str, ...]) -> None:
    *group, name = words
    told = line.run(*group, f"{name}x")
    assert told.exit_code == 2
    assert f"Did you mean '{name}'?" in told.stderr or f"'{name}'" in told.stderr

    told = line.run(*words, "--hepl")
    assert told.exit_code == 2
    assert "--help" in told.stderr


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_without_credentials(line: CommandLine, words: tuple[str, ...]) -> None:
    line.session.credentials = None

    told = line.run(*words, *_ARGUMENTS.get(words, []), keys="y\n")

    assert told.exit_code == 1
    sentence = "Unable to locate credentials. Log in (`aws sso login`, `aws configure`), or give --profile."
    assert told.stderr.splitlines()[-1] == sentence


@pytest.mark.parametrize("words", [["deploy", "app:v2"], ["rollback", "prod", "api"]], ids=" ".join)
def test_ctrl_d_at_a_question(line: CommandLine, words: list[str]) -> None:
    assert line.run("deploy", "app:v2", "--yes", "--service", "api").exit_code == 0
    writes = len(line.ecs.writes)

    told = line.run(*words, keys="")

    assert told.exit_code == 1
    assert told.stderr.splitlines()[-1] == "Nothing was changed."
    assert len(line.ecs.writes) == writes


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_ctrl_c(line: CommandLine, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(line.session), "client", stop)

    told = line.run(*words, *_ARGUMENTS.get(words, []))

    assert told.exit_code == 130
    assert "Stopped. What was started goes on" in told.stderr


def test_completion_of_words(line: CommandLine) -> None:
    assert "_ECR_DEPLOY_COMPLETE=bash_complete" in line.run("completion", "bash").stdout
    asked = {"_ECR_DEPLOY_COMPLETE": "bash_complete", "COMP_WORDS": "ecr-deploy roll", "COMP_CWORD": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in asked.items():
            patch.setenv(name, value)
        completed = CliRunner().invoke(cli, prog_name="ecr-deploy", complete_var="_ECR_DEPLOY_COMPLETE")
    assert completed.stdout == "plain,rollback\n"


def test_version(line: CommandLine) -> None:
    assert re.fullmatch(r"ecr-deploy, version \d+\.\d+\.\d+\n", line.run("--version").stdout)


def test_as_a_module() -> None:
    # From here, wherever it is installed.
    env = {**os.environ, "PYTHONPATH": str(Path(ecr_deploy.__file__).parents[1])}
    words = [sys.executable, "-m", "ecr_deploy", "staus"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, env=env)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines()[-1] == "Error: No such command 'staus'. Did you mean 'status'?"


def test_without_a_region(line: CommandLine) -> None:
    line.session.region_name = None

    told = line.run("status")

    assert told.exit_code == 2
    assert told.stderr == "There is no AWS region: give --region, or set AWS_REGION.\n"


def test_what_aws_refuses_the_caller(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "User: jane is not authorized to perform: lambda:InvokeFunction"
    denied = refused("Invoke", "AccessDeniedException", sentence)

    def refuse(**_: object) -> None:
        raise denied

    monkeypatch.setattr(line.function, "invoke", refuse)

    told = line.run("status")

    assert told.exit_code == 1
    assert "lambda:InvokeFunction" in told.stderr


@pytest.mark.parametrize(
    ("words", "member"),
    [
        (["plan", "app:v2"], "pushes"),
        (["plan", "--all"], "pushes"),
        (["diff", "app:v2"], "diffs"),
        (["explain", "app:v2"], "rules"),
        (["status"], "services"),
        (["approve", "app:v2"], "pushes"),
        (["adopt"], "adopted"),
        (["freeze", "--reason", "audit"], "freezes"),
        (["unfreeze"], "lifted"),
        (["history", "prod", "api"], "history"),
        (["rollback", "prod", "api", "--yes"], "rollback"),
        (["wait", "app:v2", "--timeout", "1"], "rollouts"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_answers_for_programs(line: CommandLine, words: list[str], member: str) -> None:
    line.run("deploy", "app:v1", "--yes")
    if words[0] == "unfreeze":
        line.run("freeze", "--reason", "audit")
    if words[0] in {"history", "rollback"}:
        line.run("deploy", "app:v2", "--yes")

    assert member in answer(line.run(*words, "-o", "json"))
