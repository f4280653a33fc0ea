"""What the documentation tells its readers to write and to run works, as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tests.harness.documentation import ROOT, SOURCE, Block, blocks
from tests.harness.registry import upload
from tests.harness.terraform import copy_module

_ACCOUNT = "123456789012"
_APP = f"{_ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/app"
# For whoever is not here: what AWS's CLI would ask, we ask moto; what make would do, it only says.
_STAND_INS = {
    "aws": f'PYTHONPATH="{ROOT}:{ROOT}/lambda" exec "{sys.executable}" -m tests.harness.aws_cli "$@"',
    "ecr-deploy": f'PYTHONPATH="{ROOT}:{ROOT}/lambda" exec "{sys.executable}" -m tests.harness.ecr_deploy "$@"',
    # Ours is here, not there; the rest is what pip would fetch.
    "pipx": f"""exec "{sys.executable}" -m pip --quiet install --dry-run "${{2/git+https:*v0.1.0/file://{ROOT}}}" """,
    "make": f'PATH="{os.environ["PATH"]}" exec make --dry-run --directory="{ROOT}" "$@"',
}


def test_every_block_of_hcl_is_valid(tmp_path: Path) -> None:
    copy_module(tmp_path)
    written = blocks("hcl")
    assert written
    root = tmp_path / "readers"
    for index, block in enumerate(written):
        directory = root / f"block-{index}"
        directory.mkdir(parents=True)
        (directory / "main.tf").write_text(SOURCE.sub('source = "../.."', block.text))
    modules = (f'module "block_{index}" {{\n  source = "./block-{index}"\n}}\n' for index in range(len(written)))
    (root / "main.tf").write_text("\n".join(modules))
    _terraform(root, "init", "-backend=false", "-input=false")

    answer = json.loads(_terraform(root, "validate", "-json"))

    places = {f"block-{index}/main.tf": block.place for index, block in enumerate(written)}
    found = [f"{places.get(one['range']['filename'], one)}: {one['summary']}" for one in answer["diagnostics"]]
    assert not found


@pytest.mark.parametrize("block", blocks("hcl"), ids=lambda block: block.place)
def test_every_block_of_hcl_is_formatted(block: Block) -> None:
    formatted = subprocess.run(["terraform", "fmt", "-"], input=block.text, capture_output=True, text=True, check=True)
    assert formatted.stdout == block.text


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The new root module of a reader of the README, whose account has a cluster with a service."""
    directory = tmp_path_factory.mktemp("reader") / "module"
    copy_module(directory)
    ecs = boto3.client("ecs")
    ecs.create_cluster(clusterName="prod")
    containers = [{"name": "api", "image": f"{_APP}:v1", "memory": 256}]
    ecs.register_task_definition(family="api", containerDefinitions=containers)
    ecs.create_service(cluster="prod", serviceName="api", taskDefinition="api", desiredCount=0)
    boto3.client("ecr").create_repository(repositoryName="app")
    for tag in ("v1", "v2"):
        upload("app", tag)
    root = directory / "root"
    root.mkdir()
    # Those before it are steps on the way there, and deploy nothing.
    at_last = next(block for block in blocks("hcl") if not re.search("dry_run|require_opt_in", block.text))
    (root / "main.tf").write_text(SOURCE.sub('source = "./.."', at_last.text))
    return root


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("stand-ins")
    for name, command in _STAND_INS.items():
        (directory / name).write_text(f"#!/bin/bash\n{command}\n")
        (directory / name).chmod(0o755)
    return directory


def test_the_first_screen_shows_what_would_change(reader: Path, stand_ins: Path, tmp_path: Path) -> None:
    """From an empty folder, word by word: a plan without an apply, in three commands."""
    [first, *_] = blocks("shell")
    assert len(first.text.splitlines()) == 3
    del reader

    ran = _run(first, tmp_path, stand_ins)

    assert not ran.returncode, ran.stdout + ran.stderr
    assert [line.split() for line in ran.stdout.splitlines()[:3]] == [
        ["SERVICE", "WOULD", "BE", "REVISION", "IMAGE", "OR", "REASON"],
        ["prod/api", "deployed", "api:1", "→", "new", "app:v1", "→", "v2"],
        ["1", "of", "1", "services", "would", "change.", "Nothing", "was", "changed."],
    ]
    assert boto3.client("ecs").list_task_definitions(familyPrefix="api")["taskDefinitionArns"] == [
        f"arn:aws:ecs:eu-west-1:{_ACCOUNT}:task-definition/api:1"
    ]


# In their order: what a block needs, the blocks before it have made.
@pytest.mark.parametrize("block", blocks("shell"), ids=lambda block: block.place)
def test_every_block_of_shell_runs(block: Block, reader: Path, stand_ins: Path) -> None:
    ran = _run(block, reader, stand_ins)
    assert not ran.returncode, ran.stdout + ran.stderr
    if "lambda invoke" in block.text:
        [answer] = map(json.loads, ran.stdout.splitlines())
        ended = [*answer.get("pushes", []), *([answer["rollback"]] if "rollback" in answer else [])]
        outcomes = {"explain": [], "adopt": [], "rollback": ["rolled-back"], "approve": ["unchanged"]}
        expected = next((outcomes[kind] for kind in outcomes if f'"{kind}"' in block.text), ["deployed"])
        assert [one["outcome"] for one in ended] == expected


def _run(block: Block, directory: Path, stand_ins: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=directory,
        env={
            **os.environ,
            "PATH": f"{stand_ins}:{os.environ['PATH']}",
            "HOME": str(directory),
            "GITHUB_TOKEN": "token",
            "TF_CLI_ARGS_apply": "-auto-approve",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _terraform(directory: Path, *words: str) -> str:
    answer = subprocess.run(["terraform", *words], cwd=directory, capture_output=True, text=True, check=False)
    assert answer.returncode in (0, 1), answer.stderr
    return answer.stdout
