"""`make demo`: a push rolls out before your eyes, with no AWS account and no Docker.

Real are Terraform, the module and its simple example, the function from its zip, and AWS's own runtime client. moto
plays AWS, on loopback; what Lambda's service would do between queue and function, `tests.harness` does.
"""

import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ecr_deploy.page import document
from tests.harness.event_source import EventSourceMapping
from tests.harness.fleet import Running, Service, running_services
from tests.harness.lambda_runtime import Function, FunctionFailedError
from tests.harness.moto_server import moto_server
from tests.harness.processes import child_process
from tests.harness.registry import push
from tests.harness.terraform import ZIP, copy_module

Tell = Callable[[str], None]

_TAG = "v2"
_STYLES = {"deployed": "green", "failed": "red", "not concerned": "dim"}


class DemoFailedError(Exception):
    """A step came to another end than it should have."""


class Steps:
    """Shows each step while it runs, and remembers how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str) -> Iterator[Tell]:
        """Announce a step, and yield what tells about its progress."""
        started = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(title) as status:
                yield lambda detail: status.update(f"{title} [dim]{escape(detail)}[/]")
        else:
            self._console.print(f"… {title}")
            yield lambda detail: self._console.out(f"    {detail}", highlight=False)
        self._seconds[title] = time.monotonic() - started
        self._console.print(f"[green]✓[/] {title}")

    def table(self) -> Table:
        """Return how long each step took."""
        table = Table("Step", "Seconds", title="What took how long", show_footer=True)
        table.columns[1].justify = "right"
        for title, seconds in self._seconds.items():
            table.add_row(title, f"{seconds:.1f}")
        table.columns[0].footer = "All"
        table.columns[1].footer = f"{sum(self._seconds.values()):.1f}"
        return table


def main() -> None:
    """Run the demo, and leave nothing behind, however it ends."""
    console = Console()
    if shutil.which("terraform") is None:
        sys.exit("Terraform is missing: install 1.9 or newer from https://developer.hashicorp.com/terraform/install")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        _demo(console)
    except (DemoFailedError, FunctionFailedError) as error:
        console.out(str(error), style="red", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt as stopped:
        console.print("Stopped, and cleaned up.")
        sys.exit(128 + stopped.args[0])


def _stop(number: int, _: FrameType | None) -> None:
    """Unwind at the first signal, and let none disturb the cleaning up."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def _demo(console: Console) -> None:
    steps = Steps(console)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ecr-deploy-demo-")))
        example = copy_module(directory / "module") / "simple"
        with steps.step("Start moto, which plays AWS"):
            stack.enter_context(moto_server(directory / "moto.log"))
        with steps.step("terraform init") as tell:
            _terraform(example, tell, "init", "-input=false")
        with steps.step("terraform apply: a cluster, its services, a repository, and ecr-deploy") as tell:
            outputs = _terraform(example, tell, "apply", "-input=false", "-auto-approve")
        before = running_services()
        function = stack.enter_context(Function(outputs["function_name"], ZIP))
        repository = outputs["repository"]
        with steps.step(f"Push {repository}:{_TAG} to ECR, whose event EventBridge takes to the queue"):
            push(repository, _TAG)
        with steps.step("Let the function take it from the queue and deploy it"):
            EventSourceMapping(function).drain()
        outcomes = _outcomes(function)
        if "deployed" not in outcomes.values():
            lines = (json.dumps(line) for line in function.logs)
            raise DemoFailedError("\n".join(["The push reached no service; the function says:", *lines]))
        console.print(_fleet_table(before, running_services(), outcomes))
        console.print(steps.table())
        page = Path(tempfile.gettempdir(), "ecr-deploy-demo.html")
        page.write_text(document.render(function.invoke({"status": {}}), datetime.now(UTC)), encoding="utf-8")
        console.print(f"What runs where, as the dashboard shows it: {page}")


def _terraform(directory: Path, tell: Tell, command: str, *options: str) -> dict[str, Any]:
    """Run Terraform, tell what it says that it is doing, and return the outputs that it ends with."""
    outputs: dict[str, Any] = {}
    problems = []
    with child_process(["terraform", command, "-json", *options], cwd=directory) as process:
        assert process.stdout is not None
        for line in process.stdout:
            message = json.loads(line)
            if message["type"] == "outputs":
                outputs = {name: output["value"] for name, output in message["outputs"].items() if "value" in output}
            elif message["@level"] == "error":
                problems.append(message["@message"])
            elif message["type"] == "apply_complete":
                tell(message["@message"])
        if process.wait():
            raise DemoFailedError("\n".join(["terraform failed:", *problems]))
    return outputs


def _outcomes(function: Function) -> dict[Service, str]:
    """Return what became of each service, from the lines in which the function reports on pushes."""
    outcomes = {}
    for line in function.logs:
        for service in line.get("services", []):
            reason = f": {service['reason']}" if service["reason"] else ""
            outcomes[Service(service["cluster"], service["service"])] = service["outcome"] + reason
    return outcomes


def _fleet_table(before: dict[Service, Running], after: dict[Service, Running], outcomes: dict[Service, str]) -> Table:
    table = Table("Cluster", "Service", "Ran before", "Runs now", "Outcome", title="What runs on ECS", show_lines=True)
    for service, running in after.items():
        outcome = outcomes.get(service, "not concerned")
        style = _STYLES.get(outcome.partition(":")[0], "")
        table.add_row(
            *service, _spell(before[service]), _spell(running), f"[{style}]{outcome}[/]" if style else outcome
        )
    return table


def _spell(running: Running) -> str:
    containers = (f"{name}: {image.partition('/')[2] or image}" for name, image in running.images.items())
    return "\n".join([f"[bold]{running.revision}[/]", *containers])


if __name__ == "__main__":
    main()
