"""What runs on ECS: the fleet as a person would look it up."""

from dataclasses import dataclass
from typing import NamedTuple

import boto3


class Service(NamedTuple):
    cluster: str
    name: str


@dataclass(frozen=True)
class Running:
    """The revision that a service runs, as `family:revision`, and the image of each of its containers."""

    revision: str
    images: dict[str, str]


def running_services() -> dict[Service, Running]:
    """Return what every ACTIVE service of every cluster runs, by name."""
    ecs = boto3.client("ecs")
    fleet = {}
    for cluster in ecs.list_clusters()["clusterArns"]:
        for arn in ecs.list_services(cluster=cluster)["serviceArns"]:
            [service] = ecs.describe_services(cluster=cluster, services=[arn])["services"]
            if service["status"] != "ACTIVE":
                continue
            definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
            fleet[Service(cluster.rpartition("/")[2], service["serviceName"])] = Running(
                revision=f"{definition['family']}:{definition['revision']}",
                images={container["name"]: container["image"] for container in definition["containerDefinitions"]},
            )
    return dict(sorted(fleet.items()))
