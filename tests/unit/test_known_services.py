"""What a push finds that comes soon after another: services that changed meanwhile, in all the ways they do."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.road import APP, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs
from tests.unit.test_rollouts import IN_PROGRESS, changed

V2, V3 = pushed("v2"), pushed("v3", time="2026-11-23T08:00:00Z")
NOBODYS = pushed("v1", repository="nobody")
OTHER = APP._replace(name="other")


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    """Thirty services, two of which run the image, after a push."""
    for index in range(28):
        ecs.add_service("prod", f"other-{index}", ecs.register(definition(f"other-{index}", f"{OTHER}:v1")))
    for name in ("api", "web"):
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")))
    road = Road(ecs)
    assert road.deliver(V2) == []
    ecs.end_deployments()
    ecs.clock.sleep(30)
    # What it has updated itself is described again with the next push.
    assert road.deliver(NOBODYS) == []
    ecs.clock.sleep(30)
    ecs.calls.clear()
    return road


def described(ecs: StrictEcs) -> list[str]:
    """The services that were described."""
    return sorted(
        str(name) for call in ecs.calls if call.operation == "DescribeServices" for name in call.request["services"]
    )


def test_only_what_a_push_reaches_is_described(ecs: StrictEcs, road: Road) -> None:
    road.deliver(V3)

    assert described(ecs) == ["api", "web"]
    assert [road.image("prod", name) for name in ("api", "web")] == [f"{APP}:v3"] * 2


def test_a_push_that_reaches_nothing_describes_nothing(ecs: StrictEcs, road: Road) -> None:
    road.deliver(pushed("v2", repository="nobody"))

    assert described(ecs) == []


def test_a_new_service_is_found(ecs: StrictEcs, road: Road) -> None:
    ecs.add_service("prod", "new", ecs.register(definition("new", f"{APP}:v1")))

    road.deliver(V3)

    assert road.image("prod", "new") == f"{APP}:v3"


def test_a_service_that_is_gone_is_left_out(ecs: StrictEcs, road: Road) -> None:
    ecs.delete_service("prod", "web")

    assert road.deliver(V3) == []

    assert road.image("prod", "api") == f"{APP}:v3"


def test_a_service_made_anew_is_taken_as_it_is(ecs: StrictEcs, road: Road) -> None:
    ecs.recreate_service("prod", "web", ecs.register(definition("web", f"{OTHER}:v1")))

    road.deliver(V3)

    assert road.image("prod", "web") == f"{OTHER}:v1"


def test_an_opt_out_counts_at_once(ecs: StrictEcs, road: Road) -> None:
    ecs.retag_service("prod", "web", {"ecr-deploy:enabled": "false"})

    road.deliver(V3)

    assert [road.image("prod", name) for name in ("api", "web")] == [f"{APP}:v3", f"{APP}:v2"]


def test_an_opt_out_of_the_cluster_counts_at_once(ecs: StrictEcs, road: Road) -> None:
    ecs.retag_cluster("prod", {"ecr-deploy:enabled": "false"})

    road.deliver(V3)

    assert road.image("prod", "web") == f"{APP}:v2"


def test_a_service_that_left_the_repository_is_left_alone(ecs: StrictEcs, road: Road) -> None:
    ecs.update_service("prod", "web", ecs.register(definition("web", f"{OTHER}:v1")))

    road.deliver(V3)

    assert road.image("prod", "web") == f"{OTHER}:v1"


def test_a_service_that_moved_to_another_family_brings_that_family_along(ecs: StrictEcs, road: Road) -> None:
    """Both services of that family, one of which was described before, are read again before it is planned."""
    ecs.update_service("prod", "web", ecs.register(definition("other-1", f"{APP}:v1")))

    road.deliver(V3)

    assert {"web", "other-1"} <= set(described(ecs))
    assert road.image("prod", "web") == f"{APP}:v3"
    assert road.image("prod", "other-1") == f"{OTHER}:v1"


def by_event(ecs: StrictEcs, road: Road) -> None:
    """ECS reports each deployment as it begins."""
    del ecs
    road.deliver(changed(IN_PROGRESS, service="other-3"))


def by_time(ecs: StrictEcs, road: Road) -> None:
    """Five minutes are over."""
    del road
    ecs.clock.sleep(300)


def by_schedule(ecs: StrictEcs, road: Road) -> None:
    """The scheduled run describes all services."""
    del ecs
    road.deliver({"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})


def by_cold_start(ecs: StrictEcs, road: Road) -> None:
    """A new execution environment knows nothing."""
    del ecs
    road.cold_start()


@pytest.mark.parametrize("learns", [by_event, by_time, by_schedule, by_cold_start])
def test_a_service_that_came_to_the_repository_is_found_once_that_is_known(
    ecs: StrictEcs, road: Road, learns: Callable[[StrictEcs, Road], Any]
) -> None:
    ecs.update_service("prod", "other-3", ecs.register(definition("other-3", f"{APP}:v1")))
    learns(ecs, road)

    assert road.deliver(V3) == []

    assert road.image("prod", "other-3") == f"{APP}:v3"


def test_the_beginning_of_a_deployment_costs_no_call(ecs: StrictEcs, road: Road) -> None:
    road.table.calls.clear()

    assert road.deliver(changed(IN_PROGRESS)) == []

    assert ecs.calls == []
    assert road.table.calls == []


def test_batches_within_a_second_share_a_listing(ecs: StrictEcs, road: Road) -> None:
    road.deliver(V3)
    listed = ecs.count("ListServices"), ecs.count("ListClusters"), ecs.count("DescribeClusters")
    ecs.clock.sleep(1)
    road.deliver(pushed("v4", time="2026-11-23T09:00:00Z"))

    assert (ecs.count("ListServices"), ecs.count("ListClusters"), ecs.count("DescribeClusters")) == listed
    assert road.image("prod", "web") == f"{APP}:v4"


def test_a_request_reads_everything_anew(ecs: StrictEcs, road: Road) -> None:
    ecs.update_service("prod", "other-3", ecs.register(definition("other-3", f"{APP}:v1")))

    answer = road.request(explain={"repository": "app", "tag": "v9"})

    assert "other-3" in {service["service"] for service in answer["services"]}


def test_where_reading_would_have_to_wait_what_was_read_before_has_to_do(ecs: StrictEcs, road: Road) -> None:
    """Outdated services are described as far as ECS's pace allows; the oldest first, the rest with later pushes."""
    for index in range(1000):
        ecs.add_service("prod", f"more-{index}", ecs.register(definition("more", f"{OTHER}:v1")))
    road.request(explain={"repository": "app", "tag": "v9"})
    ecs.clock.sleep(301)
    ecs.calls.clear()
    began = ecs.clock.time()

    road.deliver(NOBODYS)

    assert ecs.clock.time() == began
    assert 700 < len(described(ecs)) < 1000
    seen = set(described(ecs))
    ecs.clock.sleep(30)
    ecs.calls.clear()
    road.deliver(pushed("v2", repository="nobody"))
    assert len(seen | set(described(ecs))) == 1030
