"""The zip is the same wherever it is built, and the committed one is up to date."""

import ast
import io
import json
import os
import shutil
import subprocess
import sys
import tokenize
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import build_zip
from ecr_deploy.aws import calls

SOURCES = {
    "__init__.py": "",
    "handler.py": "def handler(event, context):\n    return event\n",
    "sub/deep.py": "A = 'ä'\n",
}
COMMAND_LINE = {"__main__.py": "", "cli/__init__.py": "", "cli/main.py": ""}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return _checkout(tmp_path / "checkout")


def _checkout(directory: Path) -> Path:
    """Make a small copy of what the builder needs, so that nothing here depends on the package's own state."""
    for name, text in {**SOURCES, **COMMAND_LINE}.items():
        path = directory / "ecr_deploy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(build_zip.__file__, directory)
    return directory


def _build(checkout: Path, umask: int) -> Path:
    subprocess.run([sys.executable, checkout / "build_zip.py"], check=True, umask=umask)
    return checkout / "ecr_deploy.zip"


def test_committed_zip_is_a_fresh_build() -> None:
    committed = build_zip.COMMITTED.read_bytes() if build_zip.COMMITTED.exists() else b""
    fresh = build_zip.build() == committed
    assert fresh, "lambda/ecr_deploy.zip is not what lambda/ecr_deploy builds: run `make package` and commit it."


def test_umask_path_and_leftovers_make_no_difference(tmp_path: Path) -> None:
    one = _build(_checkout(tmp_path / "here"), 0o022)
    elsewhere = _checkout(tmp_path / "some where" / "deeper")
    for path in elsewhere.rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (0, 0))
    cache = elsewhere / "ecr_deploy" / "__pycache__" / "handler.cpython-311.pyc"
    cache.parent.mkdir()
    cache.write_bytes(b"left over")
    other = _build(elsewhere, 0o077)
    assert one.read_bytes() == other.read_bytes()


def test_archive_holds_the_sources(checkout: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(build_zip.build(checkout / "ecr_deploy"))) as archive:
        assert archive.testzip() is None
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    assert contents == {f"ecr_deploy/{name}": text.replace("    ", " ") for name, text in SOURCES.items()}


def test_what_ships_is_the_sources_on_the_same_lines_but_for_docstrings_and_annotations() -> None:
    with zipfile.ZipFile(build_zip.COMMITTED) as archive:
        for name in archive.namelist():
            if name.startswith("ecr_deploy/"):
                source = (build_zip.HERE / name).read_text()
                shipped = archive.read(name).decode()
                tokens = tokenize.generate_tokens(io.StringIO(shipped).readline)
                assert tokenize.COMMENT not in {token.type for token in tokens}
                assert _code(shipped) == _code(source), name


def _code(source: str) -> tuple[str, list[int | None]]:
    """The syntax tree and the line of each node, without docstrings and annotations that nobody reads."""
    tree = _Bare().visit(ast.parse(source))
    return ast.dump(tree), [getattr(node, "lineno", None) for node in ast.walk(tree)]


class _Bare(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
        return super().visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.body = [member if isinstance(member, ast.AnnAssign) else self.visit(member) for member in node.body]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_ImportFrom(self, _: ast.ImportFrom) -> None:
        """What is imported is looked at below."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        return ast.copy_location(ast.Assign([node.target], node.value), node) if node.value else node


def test_what_ships_imports_all_that_it_needs_and_nothing_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(build_zip.COMMITTED) as archive:
        archive.extractall(tmp_path)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F401,F821", "--output-format", "json"]
    found = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)
    # Named in texts, which nobody evaluates: most users need not load their modules.
    assert {one["message"] for one in json.loads(found.stdout)} == {
        "Undefined name `Freeze`",
        "Undefined name `OrderBy`",
        "Undefined name `Range`",
        "Undefined name `Slot`",
        "Undefined name `Task`",
    }


def test_annotations_go_wherever_they_stand() -> None:
    source = """
def first(a: "dict[str, int]" = {}, *rest: int, b: list[
    int
] = [], **more: str) -> dict[
    str, int
]:
    found: list[str] = ["ä"]; seen: int = 1
    later: int
    longer: dict[
        str, int
    ] = {}
    return found

class Second:
    kept: int = 1

    def third(self: "Second") -> None: self.kept: int = 2
"""
    assert (
        build_zip.bare(source)
        == """
def first(a = {}, *rest, b

= [], **more) -> dict[
 str, int
]:
 found = ["ä"]; seen = 1
 later: int
 longer: dict[
  str, int
 ] = {}
 return found

class Second:
 kept: int = 1

 def third(self): self.kept = 2
"""
    )


def test_every_entry_says_the_same_about_itself(checkout: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(build_zip.build(checkout / "ecr_deploy"))) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {(entry.date_time, entry.external_attr >> 16, entry.create_system) for entry in entries} == {
        ((1980, 1, 1, 0, 0, 0), 0o100644, 3)
    }


def test_function_can_import_from_the_archive(checkout: Path) -> None:
    archive = _build(checkout, 0o022)
    program = "from ecr_deploy.handler import handler; import ecr_deploy; print(handler(ecr_deploy.__file__, None))"
    answer = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(archive)}, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == str(archive / "ecr_deploy" / "__init__.py")


def test_the_oldest_boto3_is_the_same_everywhere() -> None:
    oldest = ".".join(map(str, calls._OLDEST))  # noqa: SLF001 - the one place that says it to the function
    assert f"OLDEST_BOTO3 := {oldest}\n" in (build_zip.HERE.parent / "Makefile").read_text()
    assert f'dependencies = ["boto3>={oldest}", ' in (build_zip.HERE.parent / "pyproject.toml").read_text()


def test_what_is_installed_is_all_of_it() -> None:
    project = tomllib.loads((build_zip.HERE.parent / "pyproject.toml").read_text())
    there = {path.parent.relative_to(build_zip.HERE) for path in (build_zip.HERE / "ecr_deploy").rglob("__init__.py")}
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(".".join(path.parts) for path in there)
