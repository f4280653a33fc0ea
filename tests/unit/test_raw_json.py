"""Events are cut out of what DescribeServices answers before it is parsed; all else stays."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecr_deploy.aws.raw_json import without_events

_texts = st.text(alphabet='ab"\\[]{},: events\n', max_size=12) | st.sampled_from(
    ['"events":[', 'a"events":[{', "}]", '\\"']
)
_keys = st.sampled_from(["events", "services", "tags", 'a"events', "message"]) | _texts
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=20,
)
_events = st.lists(st.dictionaries(st.sampled_from(["id", "message", "createdAt"]), _texts | st.integers()), max_size=4)
_services = st.fixed_dictionaries({"services": st.lists(st.fixed_dictionaries({"events": _events, "more": _json}))})


def rest(value: Any) -> Any:
    """All but the members called `events` that are lists."""
    if isinstance(value, dict):
        return {
            name: rest(member) for name, member in value.items() if not (name == "events" and isinstance(member, list))
        }
    return [rest(item) for item in value] if isinstance(value, list) else value


@given(value=_services | _json, spaces=st.booleans())
@example(value={"services": [{"events": [{"message": 'it said "}]" and [503]'}], "a": 1}]}, spaces=False)
@example(value={"events": [{"a": [{"b": 1}]}], "c": [1]}, spaces=True)
def test_all_else_stays(value: Any, spaces: bool) -> None:  # noqa: FBT001 - drawn
    body = json.dumps(value, separators=(", ", ": ") if spaces else (",", ":")).encode()

    assert rest(json.loads(without_events(body))) == rest(value)


@pytest.mark.parametrize("message", ["has reached a steady state.", "(task 1) {x}", "events: }"])
def test_events_are_cut(message: str) -> None:
    service = {"serviceName": "api", "events": [{"id": str(index), "message": message} for index in range(100)]}
    body = json.dumps({"services": [service] * 10}).encode()

    cut = without_events(body)

    assert json.loads(cut) == {"services": [{"serviceName": "api", "events": []}] * 10}
    assert len(cut) < 600


@pytest.mark.parametrize(
    "body", [b"", b'{"events":', b'{"events":[', b'{"events":[{"a":"', b"<html>", b'{"events":[{}']
)
def test_what_is_no_json_stays(body: bytes) -> None:
    assert without_events(body) == body
