"""Which push made a revision stands in the revision's own tags, within AWS's limits."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_deploy.core import records
from ecr_deploy.core.images import Repository
from ecr_deploy.core.records import Record
from tests.harness.road import ACCOUNT, APP, REGION, Road, definition, digest, pushed
from tests.harness.strict_ecs import StrictEcs

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = f"ecr-deploy:{ACCOUNT}/{REGION}/app"

_times = st.datetimes(datetime(2015, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(records.to_milliseconds)  # noqa: DTZ001 - the bounds have to be naive
_words = st.integers(2, 60).map(lambda length: ("a9" * length)[:length])
_names = st.lists(_words, min_size=1, max_size=4).map("/".join)
repositories = st.builds(
    Repository,
    st.integers(0, 10**12 - 1).map("{:012}".format),
    st.sampled_from(["eu-west-1", "us-gov-west-1", "ap-southeast-7", "eusc-de-east-1"]),
    _names,
)
some_records = st.builds(
    Record,
    repositories,
    st.sampled_from(["latest", "v1", "_", "1.2.3-rc.1", "V" * 128]),
    st.integers(0, 2**256 - 1).map("sha256:{:064x}".format),
    _times,
)


def record(index: int, *, at: datetime = NOON) -> Record:
    return Record(APP._replace(name=f"app-{index}"), "v1", digest(index), at)


@given(st.lists(some_records, max_size=4, unique_by=lambda one: one.repository))
def test_what_is_written_is_read_back(pushes: list[Record]) -> None:
    tags = records.write({"team": "blue"}, pushes)

    assert records.read(tags, [push.repository for push in pushes]) == {push.repository: push for push in pushes}


@given(some_records)
def test_tags_that_aws_takes(push: Record) -> None:
    [(key, value)] = records.write({}, [push]).items()

    assert len(key) <= 128
    assert len(value) <= 256
    assert all(one in "_.:/=+-@ " or unicodedata.category(one)[0] in "LN" for one in key + value)
    assert records.is_ours(key)


def test_the_longest_record() -> None:
    push = Record(APP._replace(region="ap-southeast-7", name="a" * 256), "v" * 128, digest(1), NOON)

    [(key, value)] = records.write({}, [push]).items()

    assert len(key) == 128
    assert len(value) <= 256
    assert records.read({key: value}, [push.repository]) == {push.repository: push}


def test_long_names_that_differ_at_the_end_have_different_keys() -> None:
    names = ["a" * 255 + "b", "a" * 256, "a" * 128]
    keys = {records.key(APP._replace(name=name)) for name in names}
    assert len(keys) == 3


def test_a_key_of_128_characters_is_whole() -> None:
    prefix = f"ecr-deploy:{ACCOUNT}/{REGION}/"
    fits = APP._replace(name="a" * (128 - len(prefix)))
    assert records.key(fits) == prefix + fits.name
    assert records.key(APP._replace(name=fits.name + "a")).startswith(prefix + "aaa")
    assert len(records.key(APP._replace(name=fits.name + "a"))) == 128


@pytest.mark.parametrize(("owners", "kept"), [(0, 5), (44, 5), (45, 5), (46, 4), (48, 2), (49, 1), (50, 0), (60, 0)])
def test_owners_tags_come_first(owners: int, kept: int) -> None:
    own = {f"own-{index}": "" for index in range(owners)}
    pushes = [record(index, at=NOON + timedelta(hours=index)) for index in range(5)]

    tags = records.write(own, pushes)

    assert tags.items() >= own.items()
    found = records.read(tags, [push.repository for push in pushes])
    assert set(found.values()) == set(pushes[5 - kept :])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "v1",
        f"2026-11-23T12:00:00Z {digest(1)}",
        f"2026-11-23T12:00:00Z {digest(1)} v1 more",
        f"2026-11-23T12:00:00 {digest(1)} v1",
        f"yesterday {digest(1)} v1",
        "2026-11-23T12:00:00Z sha256:abc v1",
        f"2026-11-23T12:00:00Z {digest(1)} -v1",
        f" 2026-11-23T12:00:00Z {digest(1)} v1",
    ],
)
def test_a_value_that_somebody_edited_is_no_record(value: str) -> None:
    assert records.read({KEY: value}, [APP]) == {}


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        (KEY, True),
        ("ecr-deploy:123456789012/eu-west-1/a/b", True),
        ("ecr-deploy:rollout/prod/api", True),
        ("ecr-deploy:rejected/123456789012/eu-west-1/app", True),
        ("ecr-deploy:enabled", False),
        ("ecr-deploy:pinned", False),
        ("ecr-deploy:1234/eu-west-1/app", False),
        ("ecr-deploy", False),
        ("team", False),
    ],
)
def test_which_tags_are_ours(key: str, ours: bool) -> None:  # noqa: FBT001 - a column of the table
    assert records.is_ours(key) is ours


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (Record(APP, "v1", digest(9), NOON), Record(APP, "v2", digest(1), NOON + timedelta(milliseconds=1))),
        (Record(APP, "v2", digest(1), NOON), Record(APP, "v1", digest(2), NOON)),
        (Record(APP, "latest", digest(9), NOON + timedelta(days=1)), Record(APP, "v1", digest(1), NOON)),
        (Record(APP, "latest", digest(9), NOON), Record(APP, "latest", digest(1), NOON + timedelta(seconds=1))),
    ],
    ids=["by time", "by digest in the same moment", "any version beats latest", "latest by time"],
)
def test_order(older: Record, newer: Record) -> None:
    assert older.order < newer.order


@given(_times)
def test_times_are_spelled_and_read_back(time: datetime) -> None:
    assert records.parse_time(records.spell_time(time)) == time


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("2026-11-23T06:00:00Z", "2026-11-23T06:00:00Z"),
        ("2026-11-23T06:00:00.500Z", "2026-11-23T06:00:00.500Z"),
        ("2026-11-23T06:00:00.123999Z", "2026-11-23T06:00:00.123Z"),
        ("2026-11-23T07:00:00+01:00", "2026-11-23T06:00:00Z"),
    ],
)
def test_times(text: str, spelled: str) -> None:
    assert records.spell_time(records.parse_time(text)) == spelled


@pytest.mark.parametrize("text", ["", "now", "2026-11-23", "2026-11-23T06:00:00", "2026-13-23T06:00:00Z"])
def test_what_is_no_time(text: str) -> None:
    assert not records.is_time(text)


@pytest.mark.parametrize(
    ("owners", "recorded"), [(0, {"app", "log"}), (48, {"app", "log"}), (49, {"log"}), (50, set())]
)
def test_a_definition_with_tags_of_its_own(ecs: StrictEcs, road: Road, owners: int, recorded: set[str]) -> None:
    own = {f"own-{index}": "" for index in range(owners)}
    images = [f"{APP}:v1", f"{APP._replace(name='log')}:v1"]
    ecs.add_service("prod", "api", ecs.register(definition("api", *images), tags={**own, "aws:stack": "theirs"}))

    road.push(pushed("v2"))
    road.push(pushed("v2", repository="log", time="2026-11-23T07:00:00Z"))

    tags = ecs.tags(ecs.task_definition("prod", "api") or "")
    assert {key for key in tags if not records.is_ours(key)} == own.keys()
    ours = {key for key in tags if records.is_ours(key)} - {records.BASE, "ecr-deploy:rollout/prod/api"}
    assert {key.rpartition("/")[2] for key in ours} == recorded
    assert road.image("prod", "api") == f"{APP}:v2"
    assert road.image("prod", "api", "sidecar-1") == f"{APP._replace(name='log')}:v2"
