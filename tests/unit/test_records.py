"""Times as AWS writes them, read and written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_deploy.core import records

_times = st.datetimes(datetime(2015, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(records.to_milliseconds)  # noqa: DTZ001 - the bounds have to be naive


@given(_times)
def test_times_are_spelled_and_read_back(time: datetime) -> None:
    assert records.parse_time(records.format_time(time)) == time


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
    assert records.format_time(records.parse_time(text)) == spelled


@pytest.mark.parametrize("text", ["", "now", "2026-11-23", "2026-11-23T06:00:00", "2026-13-23T06:00:00Z"])
def test_what_is_no_time(text: str) -> None:
    assert not records.is_time(text)
