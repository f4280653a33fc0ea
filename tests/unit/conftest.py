"""The product on a strict ECS."""

from tests.harness.fixtures import _clients, _moto, aws_queues, ecs, moto, road

__all__ = ["_clients", "_moto", "aws_queues", "ecs", "moto", "road"]
