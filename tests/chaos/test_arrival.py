"""Pushes in every order of arrival, twice over: what runs at the end is the newest, as the records say."""

import copy
import itertools
from typing import Any, NamedTuple

import pytest

from ecr_deploy.core import events
from ecr_deploy.core.pushes import Push
from tests.harness.road import APP, Road, definition, digest
from tests.harness.strict_ecs import StrictEcs
from tests.unit.test_order import at, trail


def of_repository(name: str, event: dict[str, Any]) -> dict[str, Any]:
    """The same event of another repository."""
    event = copy.deepcopy(event)
    if "responseElements" in event["detail"]:
        event["detail"]["responseElements"]["image"]["repositoryName"] = name
    else:
        event["detail"]["repository-name"] = name
    return event


class Case(NamedTuple):
    """Pushes in the order they were made, and the image that runs when all have arrived, in whatever order."""

    pushes: list[dict[str, Any]]
    image: str
    running: str = "v0"


CASES = {
    "three versions": Case([at(1, "v1"), at(2, "v2"), at(3, "v3")], "v3"),
    "both events of a push": Case([at(1, "v1"), at(2, "v2"), trail(3, "v2")], "v2"),
    "the trail's event tells a second less": Case([at(1, "v1"), trail(2, "v2"), at(3, "v2")], "v2"),
    "both events of both pushes": Case([at(1, "v1"), trail(2, "v1"), at(3, "v2"), trail(4, "v2")], "v2"),
    "the same tag three times": Case([at(1, "main", "a"), at(2, "main", "b"), at(3, "main", "c")], "c"),
    "back to the first image": Case([at(1, "v1"), at(2, "v2"), at(3, "v1")], "v1"),
    "back to the first image by another tag": Case([at(1, "v1", "a"), at(2, "v2", "b"), at(3, "back", "a")], "a"),
    "in the same second": Case([at(1, "v1", "a"), at(1, "v2", "c"), at(1, "v3", "b")], "c"),
    "latest beside versions": Case([at(1, "v1", "a"), at(2, "latest", "b"), at(3, "v2", "b")], "b"),
    "latest last": Case([at(1, "v1", "a"), at(2, "v2", "b"), at(3, "latest", "b")], "b"),
    "a service on latest": Case([at(1, "latest", "a"), at(2, "latest", "b"), at(3, "latest", "c")], "c", "latest"),
    "a service on latest that gets a version": Case(
        [at(1, "latest", "a"), at(2, "v1", "b"), at(3, "latest", "c")], "b", "latest"
    ),
}


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_order_of_arrival_ends_alike(ecs: StrictEcs, road: Road, case: Case, together: bool) -> None:  # noqa: FBT001 - a column of the table
    """The orders are tried side by side, each with a repository and a service of its own."""
    orders = {
        "".join(map(str, order)): [case.pushes[index] for index in order]
        for order in itertools.permutations(range(len(case.pushes)))
    }
    for name in orders:
        image = f"{APP._replace(name=f'app-{name}')}:{case.running}"
        ecs.add_service("prod", name, ecs.register(definition(f"family-{name}", image)))
    arriving = [[of_repository(f"app-{name}", event) for event in order] for name, order in orders.items()]
    rounds = [list(one) for one in zip(*arriving, strict=True)]

    for batch in [list(itertools.chain(*rounds))] if together else rounds:
        assert road.deliver(*batch) == []

    ends = {name: (road.image("prod", name), road.recorded("prod", name)[f"app-{name}"]) for name in orders}
    parsed = [events.parse(event) for event in case.pushes]
    tags = {push.record.tag for push in parsed if isinstance(push, Push) and push.record.digest == digest(case.image)}
    assert {name for name, (_, record) in ends.items() if digest(case.image) != record.digest} == set()
    assert {image.rpartition(":")[2] for image, _ in ends.values()} <= tags
    if together:
        assert ecs.count("UpdateService") == len(orders)
    writes = len(ecs.writes)
    assert road.deliver(*itertools.chain(*rounds, *reversed(rounds))) == []
    assert len(ecs.writes) == writes
