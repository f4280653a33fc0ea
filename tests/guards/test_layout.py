"""The layout: imports of the package run one way, botocore stays in its room, and no file grows too long."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lambda" / "ecr_deploy"
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
LONGEST = 300
# From the top down, files and folders: each may import what stands in its own line or below.
ROOMS = (
    ("handler.py",),
    ("dispatch.py",),
    (
        "freezing.py",
        "on_push.py",
        "on_remote.py",
        "on_request.py",
        "on_rollout.py",
        "on_scan.py",
        "on_schedule.py",
        "on_task.py",
        "on_widget.py",
        "waiting.py",
    ),
    (
        "deployer.py",
        "family_rollout.py",
        "fleet_reader.py",
        "follow_ups",
        "hooks.py",
        "leases.py",
        "memory_reader.py",
        "page",
        "reconcile.py",
        "report.py",
        "rollbacks.py",
        "rollout_watch.py",
        "scans.py",
        "status.py",
        "stages.py",
        "tasks_first.py",
    ),
    ("environment.py",),
    ("aws",),
    ("core",),
)
# It runs where people are: it may import anything, and nothing imports it.
COMMAND_LINE = ("__main__.py", "cli")


def imports(name: str) -> Iterator[str]:
    """The modules that a file imports, wherever it does; of a name out of a package, its own file where it has one."""
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if _file_of(whole) else node.module


def _file_of(module: str) -> str | None:
    path = module.removeprefix("ecr_deploy").removeprefix(".").replace(".", "/")
    if not module.startswith("ecr_deploy"):
        return None
    return next((name for name in (f"{path}.py", f"{path}/__init__.py".removeprefix("/")) if name in FILES), None)


def own_imports(name: str) -> set[str]:
    """The files of the package that a file imports."""
    found = {_file_of(module) for module in imports(name)}
    return {file for file in found if file} - {name}


def room(name: str) -> int | None:
    """The line of ROOMS in which a file stands; None for the command line, and for the package itself."""
    first = name.partition("/")[0]
    if first in COMMAND_LINE or name == "__init__.py":
        return None
    rank = next((rank for rank, names in enumerate(ROOMS) if first in names), None)
    assert rank is not None, f"{name} stands in no line of ROOMS"
    return rank


@pytest.mark.parametrize("name", FILES)
def test_imports_run_one_way(name: str) -> None:
    rank = room(name)
    for imported in own_imports(name):
        below = room(imported)
        if below is not None and rank is not None:
            assert below >= rank, f"{name} imports {imported}, which stands above it"
        if name.partition("/")[0] not in COMMAND_LINE:
            assert imported.partition("/")[0] not in COMMAND_LINE, f"{name} imports the command line"


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("follow_ups/") and "__init__" not in name])
def test_no_follow_up_knows_another(name: str) -> None:
    of_follow_ups = {imported for imported in own_imports(name) if imported.startswith("follow_ups/")}
    assert of_follow_ups <= {"follow_ups/__init__.py"}


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("page/")])
def test_the_page_is_pure(name: str) -> None:
    assert {imported.partition("/")[0] for imported in own_imports(name)} <= {"core", "page"}


def test_no_import_runs_in_a_circle() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' → '.join((*path[path.index(name) :], name))}"
        if name not in done:
            for imported in own_imports(name):
                visit(imported, (*path, name))
            done.add(name)

    for name in FILES:
        visit(name, ())


def test_names_are_the_fields_own() -> None:
    strange = {"tell", "told", "bury", "hurry", "lets", "one"}
    named = {
        f"{file}:{node.lineno}"
        for file, path in FILES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Name) and node.id in strange)
        or (isinstance(node, ast.arg) and node.arg in strange)
        or (isinstance(node, ast.FunctionDef) and node.name.strip("_") in strange)
    }

    assert named == set()


def test_botocore_stays_in_its_room() -> None:
    outside = {
        name
        for name in FILES
        if name.partition("/")[0] not in ("aws", "cli")
        and any(module.partition(".")[0] in ("boto3", "botocore") for module in imports(name))
    }
    assert outside == {"handler.py"}


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("core/")])
def test_the_core_is_pure(name: str) -> None:
    ours = own_imports(name)
    assert {imported for imported in ours if not imported.startswith("core/")} <= {"__init__.py"}
    others = {module.partition(".")[0] for module in imports(name)} - {"ecr_deploy"}
    assert not others & {"boto3", "botocore", "logging", "os", "random", "socket", "threading", "time", "urllib3"}


def test_errors_of_aws_are_translated_in_few_places() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, path in FILES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and node.type and "ClientError" in ast.dump(node.type)
    ]
    assert 1 <= len(found) <= 3, found


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_too_long(name: str) -> None:
    assert len(FILES[name].read_text().splitlines()) <= LONGEST


def test_one_place_decides_that_a_push_does_not_reach_a_service() -> None:
    """What is skipped beside pushes: events that are none, and targets of rules and schedules."""
    others = {"dispatch.py", "follow_ups/scheduled_tasks.py"}
    deciding = {name for name, file in FILES.items() if "Outcome.SKIPPED" in file.read_text()}
    assert {name for name in deciding - others if not name.startswith("cli/")} == {"core/admission.py"}
