"""The most memory that a function needs for fleets of some sizes, over what boto3 alone needs."""

import os
import subprocess
import sys

from bench import function
from tests.harness.road import REGION

SIZES = (100, 1000, 5000)
_KIB = 1024
_CLIENT_ALONE = """
import boto3
boto3.client("ecs")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def measure(sizes: tuple[int, ...] = SIZES) -> dict[int, float]:
    """Push to a fleet of each size from a cold start, and give the MiB beyond a client that was only made."""
    environment = {**os.environ, "AWS_DEFAULT_REGION": REGION}
    command = [sys.executable, "-c", _CLIENT_ALONE]
    alone = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return {size: round((function.peak_kib(size) - int(alone.stdout)) / _KIB, 1) for size in sizes}
