"""Desires join whatever the order of news; what follows from them is the greatest push that may run."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_deploy.core import desires
from ecr_deploy.core.desires import Desire, Floor, Name, Rejection, Times
from ecr_deploy.core.gates import Approval
from ecr_deploy.core.images import Repository
from ecr_deploy.core.records import Record
from ecr_deploy.core.rules import Order, by_time, by_version

APP = Repository("123456789012", "eu-west-1", "app")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

_times = st.integers(0, 5).map(lambda minutes: NOON + timedelta(minutes=minutes))
_tags = st.sampled_from(["latest", "v1.0.0", "v1.2.0", "v2.0.0", "main-1"])
_digests = st.sampled_from([f"sha256:{number:064x}" for number in range(3)])
_desires = st.builds(
    Desire,
    pushes=st.dictionaries(
        st.builds(Name, _tags, _digests),
        st.builds(lambda pushed, asked: Times(pushed, max(pushed, asked)), _times, _times),
        max_size=4,
    ),
    floor=st.none() | st.builds(Floor, _times, _tags, _digests),
    rejections=st.dictionaries(_digests, st.builds(Rejection, _times, _tags, st.sampled_from(["", "ann"])), max_size=2),
    since=_times,
    approvals=st.dictionaries(_digests, st.builds(Approval, _times, st.sampled_from(["ann", "bob"])), max_size=2),
)
_orders = st.sampled_from([by_time, by_version])


def record(tag: str, minutes: int, image: int | None = None) -> Record:
    digest = f"sha256:{minutes if image is None else image:064x}"
    return Record(APP, tag, digest, NOON + timedelta(minutes=minutes))


def ranked(desire: Desire, order: Order = by_time) -> list[str]:
    return [one.record.tag for one in desires.standings(desire, APP, order)]


def joined(*some: Desire) -> Desire:
    result = Desire()
    for one in some:
        result = desires.merge(result, one)
    return result


@given(_desires, _desires, _desires)
def test_a_join_is_the_same_in_every_order_and_however_often(one: Desire, two: Desire, three: Desire) -> None:
    assert desires.merge(one, two) == desires.merge(two, one)
    assert desires.merge(one, desires.merge(two, three)) == desires.merge(desires.merge(one, two), three)
    assert desires.merge(one, one) == one
    assert desires.merge(Desire(), one) == one


@given(_desires)
def test_the_table_gives_back_what_was_written(desire: Desire) -> None:
    assert desires.from_json(desires.to_json(desire)) == desire


@given(_desires, _desires, _orders)
def test_what_is_dropped_never_comes_first_again(desire: Desire, later: Desire, order: Order) -> None:
    before = desires.standings(desire, APP, order)
    for one in before:
        dropped = desires.compact(desire, APP, one.record, order)
        assert ranked(dropped, order)[:1] == ranked(desire, order)[:1]
        # Floors rise: a request can't be older than what it was made to replace.
        if later.floor is None:
            whole, rest = (ranked(desires.merge(known, later), order) for known in (desire, dropped))
            assert rest[:1] == whole[:1]


@pytest.mark.parametrize(
    ("order", "pushes", "expected"),
    [
        (by_time, [record("v2", 1), record("v1", 2)], ["v1", "v2"]),
        (by_version, [record("v2.0.0", 1), record("v1.0.0", 2)], ["v2.0.0", "v1.0.0"]),
        (by_time, [record("latest", 3), record("v1", 1)], ["v1", "latest"]),
        (by_version, [record("main-1", 3), record("v1.0.0", 1)], ["v1.0.0", "main-1"]),
        (by_version, [record("v1.2.5", 1, 7), record("v1.3.0", 2, 7), record("v1.2.9", 3)], ["v1.3.0", "v1.2.9"]),
        (by_time, [record("v1", 1, 1), record("v1", 2, 2)], ["v1", "v1"]),
    ],
)
def test_the_greatest_comes_first(order: Order, pushes: list[Record], expected: list[str]) -> None:
    assert ranked(joined(*map(desires.of_push, pushes)), order) == expected


def test_a_forced_request_is_the_floor() -> None:
    forced = desires.of_push(record("v1.0.0", 0), NOON + timedelta(minutes=5), force=True)
    known = joined(desires.of_push(record("v2.0.0", 1)), forced)

    first, second = desires.standings(known, APP, by_version)
    assert (first.record.tag, first.is_superseded) == ("v1.0.0", False)
    assert (second.record.tag, second.is_superseded) == ("v2.0.0", True)
    later = desires.merge(known, desires.of_push(record("v1.1.0", 9)))
    assert ranked(later, by_version)[0] == "v1.1.0"


def test_what_was_rolled_back_stays_out_until_it_is_asked_for_again() -> None:
    pushed = desires.of_push(record("v2", 1))
    known = desires.rejecting(pushed, record("v2", 1), NOON + timedelta(minutes=3))

    def is_rejected(desire: Desire) -> bool:
        return desires.standings(desire, APP, by_time)[0].rejection is not None

    assert is_rejected(known)
    assert is_rejected(desires.merge(known, pushed))
    assert not is_rejected(desires.merge(known, desires.of_push(record("v2", 4, 1))))
    assert not is_rejected(desires.merge(known, desires.of_push(record("v2", 1), NOON + timedelta(minutes=4))))


def test_the_number_of_pushes_is_bounded() -> None:
    many = joined(*(desires.of_push(record(f"v{number}", number)) for number in range(1000)))

    assert len(desires.compact(many, APP, record("v1", 1), by_time).pushes) == desires.MOST_PUSHES
