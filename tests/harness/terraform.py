"""Real Terraform on moto: the module to apply, and what a second plan would still change."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
ZIP = _ROOT / "lambda" / "ecr_deploy.zip"
_LEFT_OUT_BY_MOTO = {("aws_lambda_function", "logging_config"), ("aws_ecs_service", "availability_zone_rebalancing")}
_WHAT_TERRAFORM_READS = (
    "*.tf",
    "modules/*/*.tf",
    "examples/*/*.tf",
    "examples/*/*.py",
    "examples/*/tests/*.hcl",
    "lambda/*.zip",
    "tests/mocks/*.hcl",
)
# What init says where providers come from a mirror instead of a registry.
_WARNINGS_OF_A_MIRROR = {"Incomplete lock file information for providers"}
_NO_EXAMPLES = ("tests/e2e/features", "tests/e2e/permissions", "tests/e2e/plans")


def copy_module(directory: Path) -> Path:
    """Copy the module and its examples, so that the checkout stays clean; return where the examples are.

    What is only tested stands beside them.
    """
    for pattern in _WHAT_TERRAFORM_READS:
        for source in _ROOT.glob(pattern):
            copy = directory / source.relative_to(_ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    for name in _NO_EXAMPLES:
        shutil.copytree(_ROOT / name, directory / "examples" / Path(name).name)
    return directory / "examples"


class Root:
    """A root module, for tests that apply it more than once. Warnings are errors."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._run("init", "-input=false")

    def diagnostics(self) -> list[dict[str, Any]]:
        """Return what Terraform has to say of the configuration, deprecated arguments included."""
        found: list[dict[str, Any]] = json.loads(self._run("validate", "-json"))["diagnostics"]
        return found

    def plan(self, **variables: Any) -> dict[str, Any]:
        """Plan with values of variables, which stay; return the plan as `terraform show -json` does."""
        self._set(variables)
        self._run("plan", "-input=false", "-out=plan")
        planned: dict[str, Any] = json.loads(self._run("show", "-json", "plan"))
        return planned

    def apply(self, **variables: Any) -> dict[str, Any]:
        """Apply with values of variables, which stay; return the values of the outputs."""
        self._set(variables)
        self._run("apply", "-input=false", "-auto-approve")
        outputs = json.loads(self._run("output", "-json"))
        return {name: output["value"] for name, output in outputs.items()}

    def unexpected_changes(self) -> list[str]:
        """Return what the next apply would change."""
        return unexpected_changes(self.plan())

    def destroy(self) -> None:
        """Destroy everything."""
        self._run("destroy", "-auto-approve")

    def _set(self, variables: Mapping[str, Any]) -> None:
        if variables:
            (self._directory / "terraform.tfvars.json").write_text(json.dumps(variables))

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["terraform", arguments[0], "-no-color", *arguments[1:]],
            cwd=self._directory,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            error = subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
            # pytest shows no more of it than its code.
            error.add_note(done.stderr)
            raise error
        assert set(re.findall("Warning: (.*)", done.stdout)) <= _WARNINGS_OF_A_MIRROR, done.stdout
        return done.stdout


def unexpected_changes_of(runner: Any) -> list[str]:
    """Plan once more what pytest-terraform has applied, and return what that would change."""
    with tempfile.TemporaryDirectory() as directory:
        plan = f"{directory}/plan"
        runner.plan(plan)
        shown = subprocess.run(
            [runner.tf_bin, "show", "-json", plan],
            cwd=runner.module_dir,
            env={**os.environ, "TF_DATA_DIR": runner.work_dir},
            capture_output=True,
            check=True,
        )
    return unexpected_changes(json.loads(shown.stdout))


def unexpected_changes(plan: Mapping[str, Any]) -> list[str]:
    """Return what a plan (`terraform show -json`) would change, without what moto alone is to blame for."""
    outputs = [
        f"output {name}" for name, change in plan.get("output_changes", {}).items() if change["actions"] != ["no-op"]
    ]
    return outputs + [line for change in plan.get("resource_changes", []) for line in _changes(change)]


def _changes(resource: Mapping[str, Any]) -> Iterator[str]:
    actions, before, after = (resource["change"][key] for key in ("actions", "before", "after"))
    if actions in (["no-op"], ["read"]):
        return
    if actions != ["update"]:
        yield f"{resource['address']}: {' and '.join(actions)}"
        return
    unknown = resource["change"]["after_unknown"]
    for name in sorted(before.keys() | after.keys() | unknown.keys()):
        old, new = before.get(name), after.get(name)
        if (old != new or unknown.get(name) is True) and not _is_a_quirk_of_moto(resource["type"], name, old, new):
            yield f"{resource['address']}.{name}: {old!r} becomes {new!r}"


def _is_a_quirk_of_moto(kind: str, name: str, old: Any, new: Any) -> bool:
    """Whether moto's answer is to blame: it leaves two members out, and has other spaces in its JSON."""
    if (kind, name) in _LEFT_OUT_BY_MOTO:
        return not old
    return (kind, name) == ("aws_sqs_queue", "redrive_policy") and bool(json.loads(old) == json.loads(new))
