"""Records: one push of an image, and times as AWS writes them."""

from datetime import UTC, datetime
from typing import NamedTuple

from ecr_deploy.core.images import Repository

# Before every push there can be: the time of what has no known time.
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Record(NamedTuple):
    """One push: the image it put under a tag, and when (UTC, to the millisecond)."""

    repository: Repository
    tag: str
    digest: str
    pushed_at: datetime

    @property
    def image(self) -> str:
        """The image by its tag, as a person would write it."""
        return f"{self.repository}:{self.tag}"


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 time that names its offset, as AWS writes them, to the millisecond.

    Raises:
        ValueError: `text` is no such time.
        OverflowError: it is before the year 1 or after 9999 in UTC.

    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        message = f"{text} names no offset from UTC"
        raise ValueError(message)
    return to_milliseconds(time)


def is_time(text: str) -> bool:
    """Whether `parse_time` takes `text`."""
    try:
        parse_time(text)
    except (ValueError, OverflowError):
        return False
    return True


def to_milliseconds(time: datetime) -> datetime:
    """Give the time in UTC, in whole milliseconds."""
    time = time.astimezone(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def format_time(time: datetime) -> str:
    """Write a UTC time in ISO 8601, to the second or, where it has a fraction, to the millisecond."""
    precision = "milliseconds" if time.microsecond else "seconds"
    return time.replace(tzinfo=None).isoformat(timespec=precision) + "Z"
