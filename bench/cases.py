"""The fleets that are measured, and the lower bound of a push to each (docs/decisions/lower-bound.md)."""

from collections import Counter
from math import ceil
from typing import NamedTuple

from tests.harness.road import ACCOUNT, APP, REGION
from tests.harness.strict_ecs import BUCKETS, StrictEcs
from tests.harness.strict_ecs.validation import Json

LATENCY = 0.030
CLUSTER = "prod"


class Case(NamedTuple):
    """One cluster of services, so many to a family, of which so many services run the image that is pushed."""

    services: int
    hit: int
    per_family: int = 1
    cold: bool = False
    service_revisions: bool = True

    @property
    def families(self) -> int:
        """How many families there are."""
        return ceil(self.services / self.per_family)

    @property
    def families_hit(self) -> int:
        """How many of them run the image."""
        return ceil(self.hit / self.per_family)

    def build(self, ecs: StrictEcs) -> None:
        """Set the fleet up, as an earlier push left it."""
        arns = [
            ecs.register(_definition(index, f"{APP}:v1"))
            if index >= self.families - self.families_hit
            else ecs.register(_definition(index, f"{APP}-{index}:v1"))
            for index in range(self.families)
        ]
        # The services that are hit come last, which spares nobody the reading of all.
        offset = self.families * self.per_family - self.services
        for index in range(self.services):
            arn = arns[(index + offset) // self.per_family]
            ecs.add_service(CLUSTER, f"service-{index}", arn, service_revisions=self.service_revisions)

    @property
    def calls(self) -> Counter[str]:
        """The calls that no design could avoid."""
        unknown = self.families if self.cold else 0
        by_service_revision = unknown if self.service_revisions else 0
        return +Counter(
            ListClusters=1,
            ListServices=ceil(self.services / 100),
            DescribeServices=ceil(self.services / 10),
            DescribeServiceRevisions=ceil(by_service_revision / 20),
            DescribeTaskDefinition=unknown - by_service_revision + self.families_hit,
            RegisterTaskDefinition=self.families_hit,
            UpdateService=self.hit,
        )

    @property
    def bound(self) -> float:
        """The seconds that no design could go below."""
        calls = self.calls
        reading = LATENCY  # after ListClusters
        pages = reading + LATENCY * calls["ListServices"]
        read = max(pages, reading + _wait("service read", calls["ListServices"] + calls["DescribeServices"])) + LATENCY
        if self.cold:
            # What the first services run can be asked for as soon as they are described.
            first = reading + 2 * LATENCY
            operation = "DescribeServiceRevisions" if self.service_revisions else "DescribeTaskDefinition"
            asked = calls[operation] - (0 if self.service_revisions else self.families_hit)
            read = max(read, first + _wait(_BUCKET_OF[operation], asked)) + LATENCY
        # What is desired is written down as soon as the family is known.
        described = read + 2 * LATENCY
        last_described = read + _wait("task definition read", self.families_hit) + 2 * LATENCY
        first_registered = described + LATENCY
        registered = max(described + _wait("task definition modify", self.families_hit), last_described) + LATENCY
        return max(first_registered + _wait("service modify", self.hit), registered) + LATENCY


def _wait(bucket: str, calls: int) -> float:
    """The seconds until a full bucket has let through so many calls."""
    burst, per_second, _ = BUCKETS[bucket]
    return max(0.0, (calls - burst) / per_second)


_BUCKET_OF = {operation: name for name, (_, _, operations) in BUCKETS.items() for operation in operations}


def _definition(index: int, image: str) -> Json:
    """A Fargate definition of the usual size: an application and a log router."""
    logs = {"logDriver": "awslogs", "options": {"awslogs-group": f"/ecs/{index}", "awslogs-region": REGION}}
    role = f"arn:aws:iam::{ACCOUNT}:role/service-{index}"
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:service-{index}"
    return {
        "family": f"family-{index}",
        "executionRoleArn": role,
        "taskRoleArn": role,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "volumes": [],
        "containerDefinitions": [
            {
                "name": "main",
                "image": image,
                "essential": True,
                "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
                "environment": [{"name": f"SETTING_{number}", "value": f"value {number}"} for number in range(20)],
                "secrets": [{"name": f"SECRET_{n}", "valueFrom": f"{secret}:{n}"} for n in range(4)],
                "logConfiguration": logs,
            },
            {"name": "log-router", "image": "fluent/fluent-bit:3.1", "essential": False, "logConfiguration": logs},
        ],
    }
