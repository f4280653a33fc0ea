"""The function as it runs in Lambda: in a process of its own, over TLS, on a share of a core.

Everything is measured in the process of the function; AWS is played by another (bench/aws.py).
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import build_zip
from ecr_deploy.core import settings
from tests.harness.road import ACCOUNT, REGION, batch, pushed

SETTINGS = {
    "account_id": ACCOUNT,
    "table_name": "ecr-deploy",
    "queue_url": "https://queue",
    "dead_letter_queue_url": "https://dead",
}
MEMORIES = (256, 512, 1024, 1769)
"""Of MiB, of which the last gives a whole core. https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
_WHOLE_CORE = 1769
_CPU = Path("/sys/fs/cgroup/cpu")
_PERIOD = 20_000

_PROGRAM = """
import json, os, sys, time, urllib.request

def control(path):
    with urllib.request.urlopen(os.environ["CONTROL"] + path) as answer:
        return json.load(answer)

def measured(work):
    control("/forget")
    cpu, wall = time.process_time(), real_time()
    work()
    cpu, end, seen = time.process_time() - cpu, real_time(), control("/seen")
    return {"cpu": cpu, "wall": (seen["updated_at"] or end) - wall, **seen}

real_time, skipped = time.time, 0.0
time.time = lambda: real_time() + skipped

class Context:
    get_remaining_time_in_millis = staticmethod(lambda: 900_000)

found = {}

def start():
    global handler
    from ecr_deploy.handler import handler

def deliver(event):
    if "widgetContext" in event:
        assert "services" in handler(event, Context())
        return
    bodies = [json.dumps(event)]
    while bodies:
        message = {**json.loads(os.environ["MESSAGE"]), "body": bodies.pop(0)}
        answer = handler({"Records": [message]}, Context())
        assert answer == {"batchItemFailures": []}, answer
        bodies += control("/receive")["bodies"]

found["start"] = measured(start)
for name, event, skip in json.loads(os.environ["STORY"]):
    if skip > 60:
        control("/rest")
    skipped += skip
    found[name] = measured(lambda: deliver(event))
# getrusage would count the memory that the parent of the process had, too.
found["peak_kib"] = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
print(json.dumps(found), file=sys.stderr)
"""
_BARE = """
import time
start = time.process_time()
import boto3
boto3.client("ecs")
print(time.process_time() - start)
"""
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def pushes(services: int, memory: int | None = None, hit: int = 1) -> dict[str, Any]:
    """Push to some of so many services: cold, minutes after that, and at once after that."""
    story = [
        ("cold", pushed("v2", time="2026-11-23T01:00:00Z"), 0),
        ("warm up", pushed("v3", time="2026-11-23T02:00:00Z"), 600),
        ("idle", pushed("v4", time="2026-11-23T03:00:00Z"), 600),
        ("soon", pushed("v5", time="2026-11-23T04:00:00Z"), 120),
        ("hot", pushed("v6", time="2026-11-23T05:00:00Z"), 2),
    ]
    return _run(services, hit, story, {}, memory)


def peak_kib(services: int) -> int:
    """The most memory that a push to one of so many services takes, from a cold start."""
    story = [("cold", pushed("v2", time="2026-11-23T01:00:00Z"), 0)]
    return int(_run(services, 1, story, {}, None)["peak_kib"])


def scheduled_run(services: int) -> dict[str, Any]:
    """Look for lost pushes to so many services, each with a repository of its own: `adopting` them, and after that."""
    story = [("adopting", TICK, 0), ("next", TICK, 600)]
    return _run(services, 0, story, {"reconcile": True}, None)


def page(services: int, memory: int | None) -> dict[str, Any]:
    """Show the page of so many services: in a new environment, and again a minute later."""
    widget: dict[str, Any] = {"widgetContext": {}}
    return _run(services, 1, [("cold", widget, 0), ("again", widget, 60)], {}, memory)


def bare_client() -> float:
    """CPU seconds of importing boto3 and making a client: what the seconds above compare with on any machine."""
    environment = {**os.environ, "AWS_DEFAULT_REGION": REGION}
    runs = [
        subprocess.run([sys.executable, "-c", _BARE], env=environment, capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    return min(float(run.stdout) for run in runs)


def has_quota() -> bool:
    """Whether the kernel lets us give a process a share of a core."""
    return os.access(_CPU, os.W_OK) and (_CPU / "cpu.cfs_quota_us").exists()


def _run(
    services: int, hit: int, story: Sequence[Any], inputs: Mapping[str, Any], memory: int | None
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory, aws(services, hit, directory) as urls:
        zipfile.ZipFile(build_zip.COMMITTED).extractall(directory)
        environment = {
            **client_environment(urls, directory),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": directory,
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_FUNCTION_NAME": "ecr-deploy",
            "CONTROL": urls["control"],
            "STORY": json.dumps(story),
            "MESSAGE": json.dumps(batch("")["Records"][0]),
            settings.VARIABLE: json.dumps({**SETTINGS, **inputs}),
        }
        with _share(memory) as enter:
            command = [*enter, sys.executable, "-c", _PROGRAM]
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    return dict(json.loads(ran.stderr.splitlines()[-1]))


def client_environment(urls: Mapping[str, str], directory: str) -> dict[str, str]:
    """Variables by which the SDK finds that AWS, and trusts it."""
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_ENDPOINT_URL": urls["url"],
        "AWS_CA_BUNDLE": str(Path(directory, "bundle.pem")),
    }


@contextmanager
def aws(services: int, hit: int, directory: str) -> Iterator[dict[str, str]]:
    """AWS over TLS in a process of its own, with so many services, of which so many run the image that is pushed."""
    command = [sys.executable, "-m", "bench.aws", str(services), str(hit), directory]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None  # noqa: S101 - it is a pipe
        assert server.stdout is not None  # noqa: S101
        try:
            yield json.loads(server.stdout.readline())
        finally:
            server.stdin.close()


@contextmanager
def _share(memory: int | None) -> Iterator[list[str]]:
    """What a command begins with that is to have the share of a core that Lambda gives to so much memory."""
    if memory is None:
        yield []
        return
    group = _CPU / f"bench-{uuid4()}"
    group.mkdir()
    try:
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(_PERIOD * memory // _WHOLE_CORE))
        yield ["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        group.rmdir()


def measure() -> dict[str, Any]:
    """Measure pushes to one of 100 and of 1,000 services, on a core and on shares of it, and scheduled runs."""
    found: dict[str, Any] = {"bare_client_cpu": round(bare_client(), 3), "quota": has_quota(), "pushes": []}
    for services in (100, 1000):
        for memory in (None, *(MEMORIES if has_quota() else ())):
            ran = pushes(services, memory)
            for state in ("cold", "idle", "hot"):
                row = {"services": services, "memory": memory, "state": state, **_rounded(ran[state])}
                found["pushes"].append(row)
                print("function", row, flush=True)
    memory = 512 if has_quota() else None
    found["pages"] = [
        {"services": services, "memory": memory, "state": state, **_rounded(ran[state])}
        for services in (100, 1000)
        for ran in [page(services, memory)]
        for state in ("cold", "again")
    ]
    print("pages", found["pages"], flush=True)
    found["scheduled_runs"] = [
        {"services": services, **_rounded(scheduled_run(services)["next"])} for services in (100, 1000)
    ]
    print("scheduled runs", found["scheduled_runs"], flush=True)
    return found


def _rounded(ran: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cpu": round(ran["cpu"], 3),
        "wall": round(ran["wall"], 2),
        "connections": ran["connects"],
        "bytes": ran["bytes"],
        "calls": ran["calls"],
    }
