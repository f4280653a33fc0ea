"""The command line, in this process: what is typed goes in, ECS is in a new state, and the exit code says so."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.hooks import HierarchicalEmitter

import ecr_deploy
from ecr_deploy.aws.calls import CONFIG
from ecr_deploy.cli.main import main
from ecr_deploy.core import settings
from tests.harness.road import ACCOUNT, APP, REGION, Registry, Road, definition, digest
from tests.harness.strict_ecs import Fault, StrictEcs

Run = Callable[..., int]
FUNCTION = {
    "account_id": ACCOUNT,
    "table_name": "ecr-deploy",
    "queue_url": "https://queue",
    "dead_letter_queue_url": "https://dead",
}


class Functions:
    """As much of Lambda as tells a function's environment."""

    def __init__(self, environment: dict[str, Any] | None) -> None:
        self.environment = environment

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if FunctionName != "ecr-deploy":
            error = {"Code": "ResourceNotFoundException", "Message": "Function not found"}
            raise ClientError({"Error": error, "ResponseMetadata": {}}, "GetFunctionConfiguration")
        return {} if self.environment is None else {"Environment": self.environment}


def environment(**inputs: Any) -> dict[str, Any]:
    return {"Variables": {settings.VARIABLE: json.dumps({**FUNCTION, **inputs})}}


class Callers:
    """As much of STS as says whose credentials these are."""

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": ACCOUNT}


class Session:
    """A session of boto3 whose clients are the road's, and those that only the command line has."""

    def __init__(self, road: Road, functions: Functions, region_name: str | None = REGION) -> None:
        self._road = road
        # One client for all that a test types: to make one takes longer than the rest.
        self._own = {"lambda": functions, "sts": Callers(), "ecs": road.client("ecs", config=CONFIG)}
        self.region_name = region_name
        self.events = HierarchicalEmitter()

    def client(self, service: str, **kwargs: Any) -> Any:
        return self._own.get(service) or self._road.client(service, **kwargs)


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    app = ecs.register(definition("api", f"{APP}:v1"))
    ecs.add_service("prod", "api", app, service_revisions=True)
    ecs.add_service("prod", "web", ecs.register(definition("web", "nginx", f"{APP}:v1")), service_revisions=True)
    registry = Registry()
    for tag, time in (("v1", "2026-11-23T05:00:00Z"), ("v2", "2026-11-23T06:00:00Z")):
        registry.push(tag, time=time)
    return Road(ecs, clients={"ecr": registry})


@pytest.fixture
def functions() -> Functions:
    return Functions(None)


@pytest.fixture
def run(road: Road, functions: Functions) -> Run:
    session = Session(road, functions)
    return lambda *words, clock=road.ecs.clock: main(words, lambda **_: session, clock)


@pytest.fixture
def ask(run: Run, functions: Functions) -> Run:
    """Run a command with the settings of the deployed function, and so with its table."""
    functions.environment = environment()
    return lambda *words, **options: run(*words, "--function", "ecr-deploy", **options)


def table(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The cells of every row that was shown."""
    rows = re.findall(r"^│(.*)│$", capsys.readouterr().out, re.MULTILINE)
    return [[cell.strip() for cell in row.split("│")] for row in rows]


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def say(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sit at a terminal, and answer what is asked."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda *_: text)


def test_plan_shows_and_changes_nothing(ecs: StrictEcs, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "app:v2") == 0

    change = "main: app:v1 → app:v2"
    assert ["prod", "api", "deployed", "api:1 → a new one", change] in table(capsys)
    assert ecs.writes == []


def test_deploy(ecs: StrictEcs, road: Road, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "app:v2", "--yes") == 0

    assert ["prod", "api", "deployed", "api:1 → api:2", "main: app:v1 → app:v2"] in table(capsys)
    assert road.image("prod", "api") == road.image("prod", "web", "sidecar-1") == f"{APP}:v2"
    assert [kind for kind, _ in road.events.taken] == ["Deployment Started"] * 2

    ecs.end_deployments()
    assert run("deploy", "app:v2", "--yes") == 0
    assert ecs.count("UpdateService") == 2


def test_a_scope_and_an_image_with_its_host(road: Road, run: Run) -> None:
    assert run("deploy", f"{APP}:v2", "--yes", "--cluster", "pr*", "--service", "w*", "--service", "x") == 0

    assert road.image("prod", "api") == f"{APP}:v1"
    assert road.image("prod", "web", "sidecar-1") == f"{APP}:v2"


def test_deploy_asks_first(
    ecs: StrictEcs, road: Road, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say("n", monkeypatch)
    assert run("deploy", "app:v2") == 1
    assert ecs.writes == []
    told = capsys.readouterr().err
    assert "api:1 → a new one" in told
    assert "Deploy this? [y/n] (n): " in told

    say("y", monkeypatch)
    assert run("deploy", "app:v2") == 0
    assert road.image("prod", "api") == f"{APP}:v2"


def test_nobody_is_asked_where_nothing_would_change(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "app:v2", "--yes") == 0

    assert run("deploy", "app:v2") == 0
    assert "unchanged" in {cell for row in table(capsys) for cell in row}


def test_without_a_terminal_it_wants_yes(ecs: StrictEcs, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "app:v2") == 2

    assert capsys.readouterr().err.splitlines()[-1] == "Deploy this? Nobody is there to say so: add --yes."
    assert ecs.writes == []


def test_what_reaches_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "app:v2", "--yes", "--set", 'rules=[{"tags": ["main-*"]}]') == 3
    assert ["", "", "skipped", "", "no rule allows it: rules[0].tags does not match v2"] in table(capsys)

    assert run("deploy", "app:v2", "--yes") == 0
    assert run("deploy", "app:v1", "--yes") == 3
    assert "superseded" in {cell for row in table(capsys) for cell in row}
    assert run("deploy", "app:v1", "--yes", "--force") == 0


def test_what_fails(ecs: StrictEcs, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    ecs.inject("UpdateService", Fault.ACCESS_DENIED)

    assert run("deploy", "app:v2", "--yes", "--json") == 1

    outcomes = sorted(service["outcome"] for service in answer(capsys)["pushes"][0]["services"])
    assert outcomes == ["deployed", "failed"]


class Rolling:
    """Time that ends deployments as it passes."""

    def __init__(self, ecs: StrictEcs, *ends: str) -> None:
        self._ecs = ecs
        self._ends = list(ends)

    def time(self) -> float:
        return self._ecs.clock.time()

    def sleep(self, seconds: float, /) -> None:
        self._ecs.clock.sleep(seconds)
        if self._ends:
            self._ecs.move_deployment("prod", "api", self._ends.pop(0))


@pytest.mark.parametrize(
    ("ends", "end"),
    [
        (["IN_PROGRESS", "SUCCESSFUL"], ("live", 0)),
        (["ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"], ("rolled-back", 1)),
        ([], ("started", 1)),
    ],
)
def test_deploy_waits(
    ecs: StrictEcs, run: Run, capsys: pytest.CaptureFixture[str], ends: list[str], end: tuple[str, int]
) -> None:
    outcome, code = end
    words = [
        "deploy",
        "app:v2",
        "--service",
        "api",
        "--yes",
        "--wait",
        "--json",
        "--set",
        "deployment_timeout_minutes=2",
    ]

    assert run(*words, clock=Rolling(ecs, *ends)) == code

    [rollout] = answer(capsys)["rollouts"]
    assert (rollout["service"], rollout["to"], rollout["outcome"]) == ("api", "api:2", outcome)
    assert (rollout["reason"] == "it has not ended after 2 minutes") is (outcome == "started")


def test_a_service_that_is_deleted_while_it_waits(ecs: StrictEcs, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    class Clock(Rolling):
        def sleep(self, seconds: float, /) -> None:
            super().sleep(seconds)
            ecs.delete_service("prod", "api")

    words = ["deploy", "app:v2", "--service", "api", "--yes", "--wait"]
    assert run(*words, clock=Clock(ecs)) == 1

    assert ["prod", "api", "api:2", "failed", "the service was deleted meanwhile"] in table(capsys)


def test_nothing_is_waited_for_where_nothing_was_started(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "app:v2", "--set", "rules=[{}]", "--service", "nobody", "--yes", "--wait", "--json") == 3

    assert "rollouts" not in answer(capsys)


def test_rollback(ecs: StrictEcs, road: Road, ask: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("deploy", "app:v2", "--yes") == 0
    ecs.end_deployments()
    capsys.readouterr()

    words = ["rollback", "prod", "api", "--yes", "--wait"]
    assert ask(*words, clock=Rolling(ecs, "IN_PROGRESS", "SUCCESSFUL")) == 0

    rows = table(capsys)
    assert ["prod", "api", "api:2 → api:1", "app:v2", "rolled-back"] in rows
    assert ["prod", "api", "api:1", "live", ""] in rows
    assert road.image("prod", "api") == f"{APP}:v1"


def test_rollback_of_what_still_rolls_out(ecs: StrictEcs, road: Road, ask: Run) -> None:
    assert ask("deploy", "app:v2", "--yes") == 0

    words = ["rollback", "prod", "api", "--yes", "--wait"]
    assert ask(*words, clock=Rolling(ecs, "ROLLBACK_SUCCESSFUL")) == 0

    assert road.image("prod", "api") == f"{APP}:v1"


def test_rollback_asks_first(
    ecs: StrictEcs, road: Road, ask: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("rollback", "prod", "api") == 2
    assert "There is nothing to roll back: " in capsys.readouterr().err
    assert ask("deploy", "app:v2", "--yes") == 0
    writes = len(ecs.writes)

    say("n", monkeypatch)
    assert ask("rollback", "prod", "api") == 1
    assert "Would be taken back" in capsys.readouterr().err
    assert len(ecs.writes) == writes

    say("y", monkeypatch)
    assert ask("rollback", "prod", "api") == 0
    assert road.image("prod", "api") == f"{APP}:v1"


def test_explain(ecs: StrictEcs, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    ecs.add_service("prod", "old", ecs.register(definition("old", f"{APP}:v1")), tags={"ecr-deploy:pinned": "INC-42"})

    assert run("explain", "app:v2", "--set", 'rules=[{}, {"tags": ["main-*"]}]') == 0

    rows = table(capsys)
    assert ["rules[0]", "yes", ""] in rows
    assert ["rules[1]", "no", "tags does not match v2"] in rows
    assert ["prod", "api", "deployed", ""] in rows
    assert ["prod", "old", "skipped", "it is pinned by its tag ecr-deploy:pinned = INC-42"] in rows


def test_history(ecs: StrictEcs, ask: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("deploy", "app:v2", "--yes") == 0
    ecs.end_deployments()
    capsys.readouterr()

    assert ask("history", "prod", "api") == 0

    rows = table(capsys)
    assert [[row[0], row[1], row[3]] for row in rows] == [["api:1 → api:2", "started", "app:v2"]]


def test_status(ecs: StrictEcs, ask: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("deploy", "app:v2", "--yes", "--service", "api") == 0
    ecs.add_service("prod", "old", ecs.register(definition("old", f"{APP}:v1")), tags={"ecr-deploy:pinned": "INC-42"})
    capsys.readouterr()

    assert ask("status", "--json", "--cluster", "prod") == 0

    told = {service["service"]: service for service in answer(capsys)["services"]}
    assert list(told) == ["api", "old", "web"]
    assert told["api"]["revision"] == "api:2"
    assert told["api"]["images"] == [{"container": "main", "image": f"{APP}:v2", "pushed_at": "2026-11-23T06:00:00Z"}]
    assert told["api"]["rollout"]["state"] == "started"
    assert told["old"]["left_alone"] == "it is pinned by its tag ecr-deploy:pinned = INC-42"
    assert [image["container"] for image in told["web"]["images"]] == ["sidecar-1"]
    assert told["web"]["rollout"] == {"state": "live", "since": None, "reason": None}

    ecs.end_deployments()
    assert ask("status", "--service", "api") == 0
    [row] = table(capsys)
    assert row[:5] == ["prod", "api", "api:2", "main: app:v2", "live"]


def test_status_tells_what_it_could_not_read(ecs: StrictEcs, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    ecs.inject("DescribeTaskDefinition", Fault.ACCESS_DENIED)

    assert run("status") == 1

    assert len(table_rows := re.findall(r"^│ prod", capsys.readouterr().out, re.MULTILINE)) == 1, table_rows


def test_settings_are_the_functions(
    ecs: StrictEcs, functions: Functions, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.environment = environment(image_reference="digest", rules=[{"services": ["api"]}])

    assert run("plan", "app:v2", "--function", "ecr-deploy", "--json") == 0
    [service] = answer(capsys)["pushes"][0]["services"]
    assert service["service"] == "api"
    assert service["images"][0]["to"] == f"{APP}@{digest('v2')}"

    assert run("plan", "app:v2", "--function", "ecr-deploy", "--set", "image_reference=tag", "--json") == 0
    assert answer(capsys)["pushes"][0]["services"][0]["images"][0]["to"] == f"{APP}:v2"
    assert ecs.writes == []


def test_a_function_with_dry_run_deploys_nothing(
    ecs: StrictEcs, functions: Functions, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    functions.environment = environment(dry_run=True)

    assert run("deploy", "app:v2", "--function", "ecr-deploy", "--yes") == 2
    assert "The setting dry_run is on" in capsys.readouterr().err
    assert ecs.writes == []

    assert run("deploy", "app:v2", "--function", "ecr-deploy", "--yes", "--set", "dry_run=false") == 0


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (None, "ecr-deploy is no function of ecr-deploy: it has no variable ECR_DEPLOY_SETTINGS."),
        (
            {"Error": {"ErrorCode": "AccessDeniedException", "Message": "no kms:Decrypt"}},
            "ecr-deploy does not give its settings: AccessDeniedException: no kms:Decrypt",
        ),
    ],
)
def test_a_function_that_tells_nothing(
    run: Run, functions: Functions, capsys: pytest.CaptureFixture[str], told: dict[str, Any] | None, sentence: str
) -> None:
    functions.environment = told

    assert run("status", "--function", "ecr-deploy") == 2

    assert capsys.readouterr().err.strip() == sentence


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["status", "--function", "nobody"], 1, "GetFunctionConfiguration of nobody was refused: ResourceNotFound"),
        (["status", "--set", "base_revision=old"], 2, 'base_revision must be one of latest, running, but it is "old".'),
        (["status", "--set", "image_reference"], 2, "--set needs a name and a value, NAME=VALUE, but it is "),
        (["status", "--set", "account_id=12"], 2, 'must be an AWS account id of 12 digits, but it is "12".'),
        (["status", "--set", "colour=red"], 2, 'There is no setting colour, but it is "red".'),
        (["history", "prod", "nobody"], 2, "There is no active service nobody in cluster prod."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence(
    run: Run, capsys: pytest.CaptureFixture[str], words: list[str], code: int, sentence: str
) -> None:
    assert run(*words) == code

    told = capsys.readouterr()
    assert sentence in " ".join(told.err.split())
    assert told.out == ""


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("app", "app has no tag"),
        ("app:v2:v3", '"app:v2:v3" is not an image reference'),
        ("docker.io/app:v2", "docker.io is no private registry of ECR"),
    ],
)
def test_what_is_no_image(run: Run, capsys: pytest.CaptureFixture[str], image: str, sentence: str) -> None:
    with pytest.raises(SystemExit) as caught:
        run("plan", image)

    assert caught.value.code == 2
    assert f"argument image: {sentence}" in capsys.readouterr().err


def test_as_a_module() -> None:
    def ran(program: str) -> subprocess.CompletedProcess[str]:
        # Wherever it is installed: from here.
        environment = {**os.environ, "PYTHONPATH": str(Path(ecr_deploy.__file__).parents[1])}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    run_it = "import runpy, sys; sys.argv[1:] = ['--help']; runpy.run_module('ecr_deploy', run_name='__main__')"
    without_rich = f"import sys; sys.modules['rich'] = None; {run_it}"

    helped, refused = ran(run_it), ran(without_rich)

    assert (helped.returncode, helped.stderr) == (0, "")
    assert re.findall(r"^    (\w+) ", helped.stdout, re.MULTILINE) == [
        *("plan", "deploy", "explain", "history", "rollback", "approve", "reject", "status")
    ]
    assert (refused.returncode, refused.stderr) == (1, "The command line needs its extra: install ecr-deploy[cli].\n")


def test_without_a_region(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"], lambda **_: Session(road, Functions(None), None)) == 2

    assert capsys.readouterr().err == "There is no AWS region: give --region, or set AWS_REGION.\n"


def test_stopped_by_hand(run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Callers, "get_caller_identity", stop)

    assert run("status") == 130
    assert "the same command says where it stands" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "image"), [("approve", "v2"), ("reject", "v1")])
def test_an_answer_to_what_waits(road: Road, functions: Functions, run: Run, command: str, image: str) -> None:
    functions.environment = environment(rules=[{"approval": {}}])

    assert run(command, "app:v2", "--cluster", "prod", "--function", "ecr-deploy") == 0

    assert road.image("prod", "api") == f"{APP}:{image}"
