"""How others do it: `ecs-deploy` from PyPI, and the calls that the Lambda function of AWS's article of 2018 makes.

Both meet the same AWS as the function does (bench/aws.py).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from bench import function
from bench.cases import CLUSTER
from tests.harness.road import APP

ECS_DEPLOY = "ecs-deploy==1.17.0"
_HOME = Path("build/ecs-deploy")
# Times what it does, not the start of Python; with enough of boto3's own retries, or it would fail.
_ARTICLE = f"""
import json, time
import boto3
from botocore.config import Config
client = boto3.client("ecs", config=Config(retries={{"total_max_attempts": 20}}))
cpu, wall = time.process_time(), time.time()
pages = lambda operation, **arguments: client.get_paginator(operation).paginate(**arguments)
registered = {{}}
families = [name for page in pages("list_task_definition_families") for name in page["families"]]
for family in families:
    definition = client.describe_task_definition(taskDefinition=family)["taskDefinition"]
    containers = definition["containerDefinitions"]
    if any(container["image"].startswith("{APP}:") for container in containers):
        containers[0]["image"] = "{APP}:v2"
        kept = ("family", "executionRoleArn", "taskRoleArn", "networkMode", "cpu", "memory")
        request = {{name: definition[name] for name in kept}}
        answer = client.register_task_definition(containerDefinitions=containers, **request)
        registered[definition["taskDefinitionArn"]] = answer["taskDefinition"]["taskDefinitionArn"]
for page in pages("list_services", cluster="{CLUSTER}"):
    for service in client.describe_services(cluster="{CLUSTER}", services=page["serviceArns"])["services"]:
        if service["taskDefinition"] in registered:
            new = registered[service["taskDefinition"]]
            client.update_service(cluster="{CLUSTER}", service=service["serviceName"], taskDefinition=new)
print(json.dumps({{"cpu": time.process_time() - cpu, "wall": time.time() - wall}}))
"""


def install() -> None:
    """Put ecs-deploy into an environment of its own."""
    if not (_HOME / "bin/ecs").exists():
        venv.create(_HOME, with_pip=True)
        subprocess.run([_HOME / "bin/pip", "install", "--quiet", ECS_DEPLOY], check=True)


def ecs_deploy(services: int, hit: int) -> dict[str, Any]:
    """Run ecs-deploy once for each service that runs the image, as its users do; they know which those are."""
    with tempfile.TemporaryDirectory() as directory, function.aws(services, hit, directory) as urls:
        environment = {**os.environ, **function.client_environment(urls, directory)}
        cpu, wall = _children(), time.time()
        for index in range(services - hit, services):
            # It would wait for the deployment to end, which is not what is measured.
            wait_for_nothing = ["--timeout", "-1", "--no-deregister"]
            deploy = [str(_HOME / "bin/ecs"), "deploy", CLUSTER, f"service-{index}", "--image", "main", f"{APP}:v2"]
            subprocess.run([*deploy, *wait_for_nothing], env=environment, check=True, stdout=subprocess.DEVNULL)
        return {"cpu": _children() - cpu, "wall": time.time() - wall}


def article(services: int, hit: int) -> dict[str, Any]:
    """Look at all families one after the other, then at all services, and update those that match."""
    with tempfile.TemporaryDirectory() as directory, function.aws(services, hit, directory) as urls:
        environment = {**os.environ, **function.client_environment(urls, directory)}
        ran = subprocess.run(
            [sys.executable, "-c", _ARTICLE], env=environment, check=True, capture_output=True, text=True
        )
        return dict(json.loads(ran.stdout))


def _children() -> float:
    """The CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
