"""Records: which push made a revision, kept in the tags of the revision itself.

A revision carries one tag per ECR repository that was deployed to it:

    ecr-deploy:123456789012/eu-west-1/app = 2026-11-23T06:17:18Z sha256:<64 hex> v2

and the same with `rejected/` before the account for a push that a service was taken back from.

A key has at most 128 characters, a value 256, both of letters, digits, spaces and `+ - = . _ : / @`; a resource has at
most 50 tags (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from ecr_deploy.core.images import Repository, is_account, is_ecr_digest, is_tag

PREFIX = "ecr-deploy:"
# The number of the revision that one of ours was made from: what others registered in between is known by it.
BASE = f"{PREFIX}base"
MOST_TAGS = 50
_LONGEST_KEY = 128
_PARTS = 3


class Record(NamedTuple):
    """One push: the image it put under a tag, and when (UTC)."""

    repository: Repository
    tag: str
    digest: str
    pushed_at: datetime

    @property
    def order(self) -> tuple[bool, datetime, str]:
        """The place among the pushes of one repository to one container: the greater one is the newer.

        A version always beats `latest`, because a container that got a version has left `latest` for good: the same
        end, whichever of the two arrives first. Events tell the time in whole seconds; the digest decides between
        pushes of the same second, so that every order of arrival ends alike.
        """
        return (self.tag != "latest", self.pushed_at, self.digest)

    def __str__(self) -> str:
        """Spell the record as a tag's value."""
        return f"{spell_time(self.pushed_at)} {self.digest} {self.tag}"


def key(repository: Repository) -> str:
    """The tag key for a repository."""
    return fit(f"{PREFIX}{_spell_repository(repository)}")


def fit(whole: str) -> str:
    """Give a tag key that AWS takes: one that is too long is cut and ends in a hash of the whole."""
    if len(whole) <= _LONGEST_KEY:
        return whole
    from hashlib import sha256  # noqa: PLC0415 - rarely needed, and dear to import at a cold start

    # No name of ECR or ECS holds a "+", so that a cut name never reads as another whole one.
    suffix = "+" + sha256(whole.encode()).hexdigest()[:16]
    return whole[: _LONGEST_KEY - len(suffix)] + suffix


def read(tags: Mapping[str, str], repositories: Iterable[Repository]) -> dict[Repository, Record]:
    """The records that a revision's tags hold for the repositories that its containers name.

    A value that is no record (a person may have edited it) counts as none.
    """
    return _read(tags, repositories, key)


def rejected(tags: Mapping[str, str], repositories: Iterable[Repository]) -> dict[Repository, Record]:
    """The pushes that were rolled back from a revision before, which must not come again by themselves."""
    return _read(tags, repositories, _rejected_key)


def write(
    owners: Mapping[str, str],
    records: Iterable[Record],
    rejections: Iterable[Record] = (),
    others: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """The tags of a new revision: its owner's, and as many of ours as the limit of 50 leaves room for.

    The newest records come first, then what was rejected, then the others of ours. A record without room is not lost
    for good: the revision before may still hold it.
    """
    newest_first = sorted(records, key=lambda record: record.pushed_at, reverse=True)
    ours = {key(record.repository): str(record) for record in newest_first}
    ours |= {_rejected_key(record.repository): str(record) for record in rejections}
    ours |= others
    return {**owners, **dict(islice(ours.items(), max(0, MOST_TAGS - len(owners))))}


def is_ours(tag_key: str) -> bool:
    """Whether a tag of a revision is one of ours; `ecr-deploy:` and anything else is its owner's."""
    room = tag_key.removeprefix(PREFIX).partition("/")[0]
    return tag_key.startswith(PREFIX) and (room in ("base", "rejected", "rollout") or is_account(room))


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
    """Give the time in UTC as a record holds it: whole milliseconds."""
    time = time.astimezone(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def spell_time(time: datetime) -> str:
    """Spell a UTC time in ISO 8601, to the second or, where it has a fraction, to the millisecond."""
    precision = "milliseconds" if time.microsecond else "seconds"
    return time.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def _read(
    tags: Mapping[str, str], repositories: Iterable[Repository], key_of: Callable[[Repository], str]
) -> dict[Repository, Record]:
    found = ((repository, _parse(repository, tags.get(key_of(repository), ""))) for repository in set(repositories))
    return {repository: record for repository, record in found if record is not None}


def _rejected_key(repository: Repository) -> str:
    return fit(f"{PREFIX}rejected/{_spell_repository(repository)}")


def _spell_repository(repository: Repository) -> str:
    return f"{repository.account}/{repository.region}/{repository.name}"


def _parse(repository: Repository, value: str) -> Record | None:
    parts = value.split(" ")
    if len(parts) != _PARTS:
        return None
    time, digest, tag = parts
    if not is_time(time) or not is_ecr_digest(digest) or not is_tag(tag):
        return None
    return Record(repository, tag, digest, parse_time(time))
