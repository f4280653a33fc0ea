"""Whatever is explained is what the push that follows does."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs, reuse_clients
from tests.unit.test_explain import explain, outcomes

_tags = st.sampled_from(["v1.4.0", "v0.9.0", "main-1", "latest", "x-rc"])
_rules = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.sampled_from([["v*"], ["main-*"], ["*"]]),
        "exclude_tags": st.just(["*-rc"]),
        "semver": st.sampled_from(["^1", ">=0.1"]),
        "clusters": st.sampled_from([["prod"], ["staging"], ["*"]]),
        "services": st.sampled_from([["api"], ["*"]]),
        "families": st.just(["migrate-*"]),
    },
)


@given(
    rules=st.lists(_rules, min_size=1, max_size=3),
    running=st.lists(_tags, min_size=3, max_size=3),
    earlier=st.none() | _tags,
    tag=_tags,
    opted_out=st.booleans(),
)
def test_it_agrees_with_the_push_that_follows(
    rules: list[dict[str, Any]], running: list[str], earlier: str | None, tag: str, *, opted_out: bool
) -> None:
    ecs = StrictEcs(clock=FakeClock())
    tags = {"ecr-deploy:enabled": "false"} if opted_out else {}
    for (cluster, service), one in zip([("prod", "api"), ("staging", "api")], running, strict=False):
        ecs.add_service(cluster, service, ecs.register(definition(f"{cluster}-{service}", f"{APP}:{one}")), tags=tags)
    ecs.register(definition("migrate-db", f"{APP}:{running[2]}"))
    road = Road(ecs, inputs={"rules": rules})
    if earlier:
        road.push(pushed(earlier, time="2025-10-01T06:00:00Z"))

    explained = outcomes(explain(road, tag))
    now = datetime.fromtimestamp(ecs.clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    result = road.push(pushed(tag, digest("new"), time=now))

    reached = outcomes(result)
    assert {target: explained[target] for target in reached} == reached
    assert all(explained[target][0] == "skipped" for target in explained.keys() - reached.keys())
    reuse_clients()
