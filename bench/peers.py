"""How others do it: `ecs-deploy` from PyPI, and the calls that the Lambda function of AWS's article of 2018 makes."""

import os
import subprocess
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.config import Config

from bench.cases import CLUSTER, LATENCY, Case
from bench.pushes import Measured, TimedEcs, finish
from tests.harness.road import APP
from tests.harness.strict_ecs import SystemClock

ECS_DEPLOY = "ecs-deploy==1.17.0"
_HOME = Path("build/ecs-deploy")


def install() -> None:
    """Put ecs-deploy into an environment of its own."""
    if not (_HOME / "bin/ecs").exists():
        venv.create(_HOME, with_pip=True)
        subprocess.run([_HOME / "bin/pip", "install", "--quiet", ECS_DEPLOY], check=True)


def ecs_deploy(case: Case) -> Measured:
    """Run ecs-deploy once for each service that runs the image, as its users do; they know which those are."""
    ecs = _ecs(case)
    with ecs.serve() as url:
        environment = {**os.environ, "AWS_ENDPOINT_URL_ECS": url}
        start = time.time()
        for index in range(case.services - case.hit, case.services):
            # It would wait for the deployment to end, which is not what is measured.
            wait_for_nothing = ["--timeout", "-1", "--no-deregister"]
            deploy = [str(_HOME / "bin/ecs"), "deploy", CLUSTER, f"service-{index}", "--image", "main", f"{APP}:v2"]
            subprocess.run([*deploy, *wait_for_nothing], env=environment, check=True, stdout=subprocess.DEVNULL)
    return finish(case, ecs, start)


def article(case: Case) -> Measured:
    """Look at all families one after the other, then at all services, and update those that match."""
    ecs = _ecs(case)
    # boto3's own retries, as the article left them; more of them than by default, or it would fail.
    client: Any = ecs.client(config=Config(retries={"total_max_attempts": 20}))
    start = time.time()
    registered = {}
    families = [name for page in _pages(client, "list_task_definition_families") for name in page["families"]]
    for family in families:
        definition = client.describe_task_definition(taskDefinition=family)["taskDefinition"]
        containers = definition["containerDefinitions"]
        if any(container["image"].startswith(f"{APP}:") for container in containers):
            containers[0]["image"] = f"{APP}:v2"
            kept = ("family", "executionRoleArn", "taskRoleArn", "networkMode", "cpu", "memory")
            request = {name: definition[name] for name in kept}
            answer = client.register_task_definition(containerDefinitions=containers, **request)
            registered[definition["taskDefinitionArn"]] = answer["taskDefinition"]["taskDefinitionArn"]
    for page in _pages(client, "list_services", cluster=CLUSTER):
        for service in client.describe_services(cluster=CLUSTER, services=page["serviceArns"])["services"]:
            if service["taskDefinition"] in registered:
                new = registered[service["taskDefinition"]]
                client.update_service(cluster=CLUSTER, service=service["serviceName"], taskDefinition=new)
    return finish(case, ecs, start)


def _ecs(case: Case) -> TimedEcs:
    ecs = TimedEcs(clock=SystemClock(), throttle=True, latency=LATENCY)
    case.build(ecs)
    return ecs


def _pages(client: Any, operation: str, **arguments: str) -> Iterator[dict[str, Any]]:
    return iter(client.get_paginator(operation).paginate(**arguments))
