"""The product on a strict ECS."""

from tests.harness.fixtures import _clients, aws_queues, ecs, road

__all__ = ["_clients", "aws_queues", "ecs", "road"]
