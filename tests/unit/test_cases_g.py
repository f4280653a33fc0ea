"""Cases G, of people at a terminal."""

import logging
import re
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest

from ecr_deploy.cli import layout
from tests.harness.command_line import CommandLine, rows
from tests.harness.road import APP, definition, pushed
from tests.harness.strict_ecs import StrictEcs
from tests.unit.test_command_line import Rolling

SCREENS = Path(__file__).parent / "screens"
TERMINAL = {"TTY_COMPATIBLE": "1", "TERM": "xterm", "COLUMNS": "80"}


def test_g1_deploy_that_waits_goes_on_where_it_was_stopped(line: CommandLine) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    stopped = line.run("deploy", "app:v2", "--yes", "--wait", clock=Rolling(line, stop))
    assert stopped.exit_code == 130

    again = line.run("deploy", "app:v2", "--yes", "--wait", clock=Rolling(line, line.ecs.end_deployments))
    assert again.exit_code == 0
    assert [row[1:3] for row in rows(again)[-4:]] == [
        ["prod/api", "started"],
        ["prod/web", "started"],
        ["prod/api", "live"],
        ["prod/web", "live"],
    ]
    assert line.ecs.count("UpdateService") == 2


def test_g2_the_deployed_function_is_asked(line: CommandLine) -> None:
    line.configure(rules=[{"services": ["web"]}])

    assert [row[0] for row in rows(line.run("plan", "app:v2"))] == ["SERVICE", "prod/web"]
    assert line.run("plan", "app:v2", ECR_DEPLOY_FUNCTION="another").exit_code == 2


def test_g2_without_the_function_it_says_so(line: CommandLine) -> None:
    told = line.run("plan", "app:v2", "--function", "another")

    assert (told.exit_code, told.stdout) == (2, "")
    assert " ".join(told.stderr.split()) == (
        "There is no function another in region eu-west-1 of account 123456789012. Give --function and --region, or "
        "set ECR_DEPLOY_FUNCTION. Before there is one, --local with --rules FILE says what it would do."
    )


def test_g3_it_installs_as_a_script() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    module, _, name = project["scripts"]["ecr-deploy"].partition(":")

    assert callable(getattr(import_module(module), name))
    # What it needs comes with it, without an extra.
    assert {re.split(r"[><=]", one)[0] for one in project["dependencies"]} == {"boto3", "click", "rich"}


def test_g4_a_requested_rollback_is_no_trouble(line: CommandLine, caplog: pytest.LogCaptureFixture) -> None:
    assert line.run("deploy", "app:v2", "--yes").exit_code == 0
    line.ecs.end_deployments()

    with caplog.at_level(logging.INFO, "ecr_deploy"):
        assert line.run("rollback", "prod", "api", "--yes").exit_code == 0

    told = [
        (record.levelname, record.getMessage()) for record in caplog.records if "rolled-back" in record.getMessage()
    ]
    sentence = f"{APP}:v2: rolled-back on api in cluster prod: on request of jane"
    assert told == [("INFO", sentence)]


@pytest.mark.parametrize("word", ["yes", "y", "YES"])
def test_g5_yes_is_taken(line: CommandLine, word: str) -> None:
    assert line.run("deploy", "app:v2", keys=f"{word}\n").exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["history", "prod", "apu"], "There is no service apu in cluster prod. Did you mean api?"),
        (["rollback", "prod", "apu", "--yes"], "There is no service apu in cluster prod. Did you mean api?"),
        (["rollback", "prd", "api", "--yes"], "There is no cluster prd in scope. Did you mean prod?"),
        (["pin", "prod", "apu"], "There is no service apu in cluster prod. Did you mean api?"),
        (["unpin", "prod", "wep"], "There is no service wep in cluster prod. Did you mean web?"),
        (["status", "--service", "apu"], "There is no service apu in scope. Did you mean api?"),
        (["plan", "app:v2", "--cluster", "prd"], "There is no cluster prd in scope. Did you mean prod?"),
        (["deploy", "app:v2", "--service", "apu", "--yes"], "There is no service apu in scope. Did you mean api?"),
        (["wait", "app:v2", "--service", "apu"], "There is no service apu in scope. Did you mean api?"),
        (["plan", "ap:v2"], "Nothing in scope runs a repository ap. Did you mean app?"),
        (["wait", "ap:v2"], "Nothing in scope runs a repository ap. Did you mean app?"),
    ],
)
def test_g5_a_typo_names_the_nearest(line: CommandLine, words: list[str], sentence: str) -> None:
    told = line.run(*words)

    assert (told.exit_code, told.stdout) == (2, "")
    assert " ".join(told.stderr.split()).endswith(sentence)


def test_g5_explain_says_what_would_really_happen(line: CommandLine) -> None:
    line.road.push(pushed("v2"))

    explained = rows(line.run("explain", "app:v1"))

    assert [row[:2] for row in explained if row[0].startswith("prod/")] == [
        ["prod/api", "superseded"],
        ["prod/web", "superseded"],
    ]


@pytest.fixture
def crowd(line: CommandLine) -> CommandLine:
    """Sixty services, with names as people have them."""
    image = f"{APP}:main-20261125-1f3c9a7"
    for number in range(58):
        name = f"checkout-payments-worker-{number:02}"
        line.ecs.add_service("production-eu", name, line.ecs.register(definition(name, image)))
    line.ecs.add_service(
        "production-eu",
        "frozen",
        line.ecs.register(definition("frozen", "nginx", image)),
        tags={"ecr-deploy:pinned": "INC-42: nobody touches this before the audit has ended"},
    )
    return line


@pytest.mark.parametrize("words", [["status"], ["plan", "app:v2"], ["plan", "--all"]], ids=" ".join)
def test_g6_one_line_for_each_service(crowd: CommandLine, words: list[str]) -> None:
    crowd.configure(reconcile=True)
    shown = crowd.run(*words, **TERMINAL)

    lines = click.unstyle(shown.stdout).splitlines()
    assert len(lines) == (1 if "--all" in words else 62)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("screen", "words"),
    [
        ("status", ["status"]),
        ("status-by-image", ["status", "--by-image"]),
        ("plan", ["plan", "app:v2"]),
        ("explain", ["explain", "app:v2"]),
    ],
)
@pytest.mark.parametrize("kind", ["terminal", "pipe"])
def test_g6_screens(line: CommandLine, ecs: StrictEcs, screen: str, words: list[str], kind: str) -> None:
    """A new screen is accepted by deleting the file, and running this twice."""
    image = f"{APP}:main-20261125-1f3c9a7"
    for cluster, name, tags in (
        ("staging", "checkout-payments-worker", {}),
        ("production-eu", "checkout-payments-worker", {"ecr-deploy:enabled": "false"}),
        ("production-eu", "web", {"ecr-deploy:pinned": "INC-42: nobody touches this before the audit has ended"}),
    ):
        ecs.add_service(cluster, name, ecs.register(definition(f"{cluster}-{name}", image)), tags=tags)
    line.road.push(pushed("v2"))

    shown = click.unstyle(line.run(*words, **(TERMINAL if kind == "terminal" else {})).stdout)

    file = SCREENS / f"{screen}.{kind}.txt"
    if not file.exists():
        file.write_text(shown)
        pytest.fail(f"{file} is new: look at it, and run this again")
    assert shown == file.read_text()


def test_g6_colours_are_for_terminals_that_want_them(line: CommandLine) -> None:
    line.road.push(pushed("v2"))

    assert "\x1b[33m" in line.run("status", **TERMINAL).stdout
    assert "\x1b[3" not in line.run("status", **TERMINAL, NO_COLOR="1").stdout
    assert "\x1b" not in line.run("status").stdout


def test_g6_the_narrowest_terminal_has_something_of_each_column() -> None:
    lines = layout.table(["SERVICE", "WHY"], [["production-eu/checkout-payments-worker", "it is pinned"]], 30)

    assert [line.plain for line in lines] == ["SERVICE           WHY", "producti…-worker  it is pinned"]
