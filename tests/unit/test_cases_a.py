"""Services that share a task definition family: what each is to run is decided for it alone."""

from typing import Any

import pytest

from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import Fault, StrictEcs
from tests.unit.test_overtaken import Overtaken

PROXY = APP._replace(name="proxy")
LATER = "2026-11-23T07:00:00Z"
LATER_STILL = "2026-11-23T08:00:00Z"
RULES = [
    {"repositories": ["app"], "tags": ["main-*"], "clusters": ["staging"]},
    {"repositories": ["app"], "tags": ["v*"], "clusters": ["prod"]},
    {"repositories": ["proxy"]},
]


def deployed(result: dict[str, Any]) -> set[str]:
    return {f"{one['cluster']}/{one['service']}" for one in result["services"] if one["outcome"] == "deployed"}


def images(road: Road, cluster: str, service: str) -> list[str]:
    containers = road.ecs.running(cluster, service)["containerDefinitions"]
    return [one["image"].rpartition("/")[2] for one in containers]


@pytest.fixture
def shared(ecs: StrictEcs) -> StrictEcs:
    """One revision, run in two environments."""
    revision = ecs.register(definition("web", f"{APP}:v1", f"{PROXY}:v1"))
    for cluster in ("staging", "prod"):
        ecs.add_service(cluster, "web", revision)
    return ecs


def test_no_service_gets_an_image_that_is_meant_for_another(shared: StrictEcs) -> None:
    road = Road(shared, inputs={"rules": RULES})

    assert deployed(road.push(pushed("main-9"))) == {"staging/web"}
    assert deployed(road.push(pushed("v2", repository="proxy", time=LATER))) == {"staging/web", "prod/web"}

    assert images(road, "staging", "web") == ["app:main-9", "proxy:v2"]
    assert images(road, "prod", "web") == ["app:v1", "proxy:v2"]


def test_no_service_gets_it_in_one_batch_either(shared: StrictEcs) -> None:
    road = Road(shared, inputs={"rules": RULES})

    assert road.deliver(pushed("main-9"), pushed("v2", repository="proxy"), pushed("v3")) == []

    assert images(road, "staging", "web") == ["app:main-9", "proxy:v2"]
    assert images(road, "prod", "web") == ["app:v3", "proxy:v2"]


@pytest.mark.parametrize("newest", ["staging", "prod"])
def test_no_service_gets_settings_that_are_meant_for_another(ecs: StrictEcs, newest: str) -> None:
    for cluster in ("prod", "staging") if newest == "staging" else ("staging", "prod"):
        ecs.add_service(cluster, "web", ecs.register(definition("web", f"{APP}:v1", cpu=cluster)))
    road = Road(ecs, inputs={"rules": RULES})

    result = road.push(pushed("v2"))

    assert deployed(result) == {"prod/web"}
    assert ecs.running("prod", "web") == definition("web", f"{APP}:v2", cpu="prod")
    assert ecs.running("staging", "web") == definition("web", f"{APP}:v1", cpu="staging")


def test_what_is_rolled_back_from_one_service_stays_with_the_other(ecs: StrictEcs, road: Road) -> None:
    revision = ecs.register(definition("web", f"{APP}:v1", f"{PROXY}:p1"))
    for name in ("a", "b"):
        ecs.add_service("prod", name, revision)
    road.push(pushed("v2"))
    ecs.move_deployment("prod", "a", "SUCCESSFUL")
    ecs.break_circuit("prod", "b")

    for tag, time_pushed in (("p2", LATER), ("p3", LATER_STILL)):
        result = road.push(pushed(tag, repository="proxy", time=time_pushed))
        assert deployed(result) == {"prod/a", "prod/b"}
        assert images(road, "prod", "a") == ["app:v2", f"proxy:{tag}"]
        assert images(road, "prod", "b") == ["app:v1", f"proxy:{tag}"]


@pytest.mark.parametrize("count", [60])
def test_a_large_family_ends_as_one(ecs: StrictEcs, road: Road, count: int) -> None:
    """One update fails once: the others do not wait for it, and it is told, and ends like them."""
    revision = ecs.register(definition("web", f"{APP}:v1"))
    names = [f"web-{index}" for index in range(count)]
    for name in names:
        ecs.add_service("prod", name, revision)
    ecs.inject("UpdateService", Fault.CONNECTION_RESET, nth=7, times=12)
    event = pushed("v2")

    road.deliver(event)
    ecs.heal()
    ecs.clock.sleep(330)
    assert road.deliver(event) == []

    assert {road.image("prod", name) for name in names} == {f"{APP}:v2"}
    assert ecs.count("RegisterTaskDefinition") == 1
    told = [road.memory("prod", name).rollout for name in names]
    assert all(one and one.id and one.pushes[0].tag == "v2" for one in told)
    assert len({one.id for one in told if one}) == count


def test_short_arns_of_one_name_are_two_services(ecs: StrictEcs, road: Road) -> None:
    revision = ecs.register(definition("web", f"{APP}:v1"))
    for cluster in ("prod", "staging"):
        ecs.add_service(cluster, "web", revision, short_arn=True)

    assert deployed(road.push(pushed("v2"))) == {"prod/web", "staging/web"}

    updated = [call.request for call in ecs.writes if call.operation == "UpdateService"]
    assert sorted(one["cluster"] for one in updated) == ["prod", "staging"]
    assert {road.image(cluster, "web") for cluster in ("prod", "staging")} == {f"{APP}:v2"}


def test_two_writers_do_not_interleave_on_a_family() -> None:
    """A batch comes to its turn between a request's register and its update."""
    ecs = Overtaken()
    ecs.add_service("prod", "web", ecs.register(definition("web", f"{APP}:v1", f"{PROXY}:p1")))
    requested, batch = Road(ecs), Road(ecs)
    assert requested.registry
    requested.registry.push("p2", "proxy")
    event = pushed("v2")
    meanwhile: list[dict[str, Any]] = []
    ecs.before("UpdateService", lambda: meanwhile.append(batch.push(event)))

    result = requested.request(repository="proxy", tag="p2", digest=digest("p2"))

    assert [one["outcome"] for one in result["pushes"]] == ["deployed"]
    assert [(one["outcome"], one["reason_kind"]) for one in meanwhile] == [("failed", "busy")]
    assert batch.deliver(event) == []
    assert images(batch, "prod", "web") == ["app:v2", "proxy:p2"]


class TestTwoInstances:
    """Two modules in one account, one for each environment, whose services share a family."""

    @staticmethod
    def _roads(ecs: StrictEcs, monkeypatch: pytest.MonkeyPatch) -> dict[str, Road]:
        roads: dict[str, Road] = {}
        for name in ("staging", "prod"):
            monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", name)
            roads[name] = _Instance(ecs, name=name, inputs={"clusters": [name]})
        return roads

    def test_what_the_other_registered_is_no_base(self, ecs: StrictEcs, monkeypatch: pytest.MonkeyPatch) -> None:
        revision = ecs.register(definition("web", f"{APP}:v1", f"{PROXY}:p1", cpu="256"))
        for cluster in ("staging", "prod"):
            ecs.add_service(cluster, "web", revision)
        ecs.register(definition("web", f"{APP}:v1", f"{PROXY}:p1", cpu="512"))
        roads = self._roads(ecs, monkeypatch)

        roads["staging"].push(pushed("main-9"))
        roads["prod"].push(pushed("p2", repository="proxy", time=LATER))

        assert ecs.running("staging", "web") == definition("web", f"{APP}:main-9", f"{PROXY}:p1", cpu="512")
        assert ecs.running("prod", "web") == definition("web", f"{APP}:v1", f"{PROXY}:p2", cpu="512")

    def test_settings_of_the_other_stay_with_it(self, ecs: StrictEcs, monkeypatch: pytest.MonkeyPatch) -> None:
        """Staging runs a line of its own; prod's next revision starts from what prod runs."""
        for cluster in ("prod", "staging"):
            ecs.add_service(cluster, "web", ecs.register(definition("web", f"{APP}:v1", cpu=cluster)))
        roads = self._roads(ecs, monkeypatch)
        roads["staging"].push(pushed("main-9"))
        assert ecs.running("staging", "web") == definition("web", f"{APP}:main-9", cpu="staging")

        roads["staging"].push(pushed("main-10", time=LATER))

        assert ecs.running("staging", "web") == definition("web", f"{APP}:main-10", cpu="staging")
        assert ecs.running("prod", "web") == definition("web", f"{APP}:v1", cpu="prod")


class _Instance(Road):
    """A further instance of the module, with a role of its own."""

    def __init__(self, ecs: StrictEcs, *, name: str, **fields: Any) -> None:
        self._name = name
        super().__init__(ecs, **fields)

    def client(self, service: str, **kwargs: Any) -> Any:
        if service == "ecs":
            return self.ecs.client(caller=f"{self._name}-eu-west-1/{self._name}", **kwargs)
        return super().client(service, **kwargs)


def test_the_answer_names_every_container_whose_image_changes(ecs: StrictEcs) -> None:
    """No rule covers the proxy: Terraform's image of it comes with Terraform's settings."""
    ecs.add_service("prod", "web", ecs.register(definition("web", f"{APP}:v1", f"{PROXY}:p1", "nginx:1")))
    ecs.register(definition("web", f"{APP}:v0", f"{PROXY}:p9", "nginx:2"))
    road = Road(ecs, inputs={"rules": [{"repositories": ["app"]}]})
    before = ecs.running("prod", "web")

    [service] = road.push(pushed("v2"))["services"]

    after = ecs.running("prod", "web")
    changed = [
        {"container": old["name"], "from": old["image"], "to": new["image"]}
        for old, new in zip(before["containerDefinitions"], after["containerDefinitions"], strict=True)
        if old["image"] != new["image"]
    ]
    assert len(changed) == 3
    assert sorted(service["images"], key=lambda one: str(one["container"])) == changed


def applied(ecs: StrictEcs, cpu: str) -> None:
    """Let the family's owner register new settings, without a service getting them."""
    ecs.register(definition("web", f"{APP}:v1", f"{PROXY}:v1", cpu=cpu))


def cpus(road: Road) -> dict[str, str]:
    return {cluster: road.ecs.running(cluster, "web").get("cpu", "none") for cluster in ("staging", "prod")}


def test_each_service_gets_new_settings_with_its_own_next_push(shared: StrictEcs) -> None:
    road = Road(shared, inputs={"rules": RULES})
    applied(shared, "one")

    road.push(pushed("main-9"))
    assert cpus(road) == {"staging": "one", "prod": "none"}
    road.push(pushed("v2", time=LATER))
    assert cpus(road) == {"staging": "one", "prod": "one"}

    applied(shared, "two")
    road.push(pushed("v3", time=LATER_STILL))
    road.push(pushed("main-10", time=LATER_STILL))
    assert cpus(road) == {"staging": "two", "prod": "two"}
    assert images(road, "staging", "web") == ["app:main-10", "proxy:v1"]
    assert images(road, "prod", "web") == ["app:v3", "proxy:v1"]


def test_a_service_that_is_two_applies_behind_catches_up(shared: StrictEcs) -> None:
    road = Road(shared, inputs={"rules": RULES})
    for count, cpu in enumerate(("one", "two", "three")):
        applied(shared, cpu)
        road.push(pushed(f"main-{count}", time=f"2026-11-23T0{count + 1}:00:00Z"))
    assert cpus(road) == {"staging": "three", "prod": "none"}

    road.push(pushed("v2", time=LATER))

    assert cpus(road) == {"staging": "three", "prod": "three"}
    assert images(road, "prod", "web") == ["app:v2", "proxy:v1"]


def test_a_container_that_was_added_has_its_owners_image(shared: StrictEcs) -> None:
    """Staging's revision is the newest, but its image of what prod does not run yet is not meant for prod."""
    rules = [{"clusters": ["staging"]}, {"tags": ["v*"], "clusters": ["prod"]}]
    road = Road(shared, inputs={"rules": rules})
    shared.register(definition("web", f"{APP}:v1", f"{PROXY}:v1", f"{APP._replace(name='cache')}:v1"))
    road.push(pushed("main-9", repository="cache"))
    assert images(road, "staging", "web") == ["app:v1", "proxy:v1"], "it runs no cache yet"
    road.push(pushed("main-9", time=LATER))
    road.push(pushed("main-9", repository="cache", time=LATER_STILL))
    assert images(road, "staging", "web") == ["app:main-9", "proxy:v1", "cache:main-9"]

    road.push(pushed("v2", time=LATER_STILL))

    assert images(road, "prod", "web") == ["app:v2", "proxy:v1", "cache:v1"]


def test_an_apply_after_a_crash_between_two_services(ecs: StrictEcs, road: Road) -> None:
    revision = ecs.register(definition("web", f"{APP}:v1", f"{PROXY}:v1"))
    for name in ("a", "b"):
        ecs.add_service("prod", name, revision)
    applied(ecs, "one")
    ecs.inject("UpdateService", Fault.ACCESS_DENIED, nth=2)
    road.push(pushed("v2"))
    applied(ecs, "two")

    road.push(pushed("v2"))
    road.push(pushed("v3", time=LATER))

    assert [ecs.running("prod", name)["cpu"] for name in ("a", "b")] == ["two", "two"]


def test_services_that_were_set_apart_by_hand_stay_apart(shared: StrictEcs) -> None:
    road = Road(shared, inputs={"rules": RULES})
    applied(shared, "one")
    road.push(pushed("main-9"))
    road.push(pushed("v2", time=LATER))
    own = shared.register(definition("web", f"{APP}:v2", f"{PROXY}:v1", cpu="of its own"))
    shared.update_service("staging", "web", own)

    road.push(pushed("v3", time=LATER_STILL))

    assert cpus(road) == {"staging": "of its own", "prod": "one"}
