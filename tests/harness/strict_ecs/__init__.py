"""A strict double of Amazon ECS, for tests.

It speaks the wire protocol of ECS (AWS JSON 1.1) and refuses what ECS refuses: where moto is lax, it is not. A real
boto3 client signs, writes and parses for real, whether in this process without a socket or over loopback HTTP.

    ecs = StrictEcs()
    ecs.add_service("prod", "api", ecs.register({"family": "api", "containerDefinitions": [...]}))
    client = ecs.client()                     # or ecs.attach(client_of_mine), or `with ecs.serve() as url:`
    client.list_services(cluster="prod")
    assert ecs.count("ListServices") == 1

Task definitions are kept as the JSON that was registered, members unknown to our botocore included. Unlike ECS, the
double adds none of ECS's defaults (such as an empty `mountPoints`), so that what was registered can be compared with
what runs. Where AWS promises no order, it answers in another order than it was asked in.
"""

from .clients import reuse_clients
from .double import Call, StrictEcs
from .errors import EcsError
from .faults import Died, Fault
from .lifeline import Lifeline
from .operations import DEPLOYMENT_OPERATIONS, OPERATIONS, WRITES
from .throttling import BUCKETS, Clock, FakeClock, SystemClock
from .transports import Answer

__all__ = [
    "BUCKETS",
    "DEPLOYMENT_OPERATIONS",
    "OPERATIONS",
    "WRITES",
    "Answer",
    "Call",
    "Clock",
    "Died",
    "EcsError",
    "FakeClock",
    "Fault",
    "Lifeline",
    "StrictEcs",
    "SystemClock",
    "reuse_clients",
]
