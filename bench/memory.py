"""The most memory that a function needs for fleets of some sizes, over what boto3 alone needs."""

import json
import os
import subprocess
import sys
from typing import Any

from bench.cases import CLUSTER, Case
from tests.harness.road import pushed
from tests.harness.strict_ecs import StrictEcs

SIZES = (100, 1000, 5000)
_KIB = 1024
# getrusage would count the memory that the parent of the process had, too.
_TELL = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_CLIENT_ALONE = f"""
import boto3
boto3.client("ecs").list_services(cluster="{CLUSTER}")
{_TELL}
"""
# The documented token buckets would only make us wait.
_PUSH = f"""
import json, os
from ecr_deploy.aws import pacing
pacing._LIMITS = dict.fromkeys(pacing._LIMITS, (1e9, 1e9))
from ecr_deploy.handler import handler
class Context:
    get_remaining_time_in_millis = lambda _: 900_000
assert handler(json.loads(os.environ["EVENT"]), Context())["pushes"][0]["outcome"] == "deployed"
{_TELL}
"""


def measure(sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Push cold in a process of its own, once with service revisions and once where every revision is described."""
    return {
        "service revisions": {size: _peak(Case(size, 1)) for size in sizes},
        "task definitions": {size: _peak(Case(size, 1, service_revisions=False)) for size in sizes},
    }


def _peak(case: Case) -> float:
    """The MiB that the push needs beyond a client that makes one call."""
    ecs = StrictEcs()
    case.build(ecs)
    with ecs.serve() as url:
        return round((_run(_PUSH, url) - _run(_CLIENT_ALONE, url)) / _KIB, 1)


def _run(program: str, url: str) -> int:
    environment = {**os.environ, "AWS_ENDPOINT_URL_ECS": url, "EVENT": json.dumps(pushed("v2"))}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return int(answer.stdout)
