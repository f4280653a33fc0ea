"""Semantic versions as image tags, and ranges of them as npm reads them.

The order of versions is the specification's (https://semver.org/#spec-item-11). A range is comparators that must all
hold, between spaces or commas, or several such sets between `||`: `>=1.4.0 <2.0.0`, `^1.4`, `~1.4.2`, `1.2 - 2.3`,
`1.x || 3.1.0` (https://github.com/npm/node-semver#ranges). Beyond npm's: the commas, `!=`, and `=>` and `=<` for `>=`
and `<=`. Refused, though npm takes it, is what is more often a slip than meant: a set without a comparator (`1 ||`),
`1.x.3`, and a pre-release of an x, which npm ignores.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ecr_deploy.core.errors import EcrDeployError

# Python converts no text of some thousand digits to a number. RE2 writes each repetition out, so this is not much more
# than the longest timestamp.
_LONGEST_NUMBER = 32
_NUMBER = rf"(?:0|[1-9][0-9]{{0,{_LONGEST_NUMBER - 1}}})"
_IDENTIFIER = rf"(?:[0-9]*[A-Za-z-][0-9A-Za-z-]*|{_NUMBER})"
_PRERELEASE = rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})*"
_BUILD = r"\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PRERELEASE}))?(?:{_BUILD})?")

# The rest is written so that RE2 reads it as Python does: tests/rules/semver_range.re holds the whole for Terraform.
# Of alternatives, the longest comes first.
_SPACE = r"[ \t\r\n]"
_X = r"\.[xX*]"
_PARTIAL = (
    rf"v?(?:{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRERELEASE})?(?:{_BUILD})?"
    rf"|{_NUMBER}\.{_NUMBER}(?:{_X})?|{_NUMBER}(?:{_X}){{0,2}}|[xX*](?:{_X}){{0,2}})"
)
_OPERATOR = r">=|=>|<=|=<|~>|!=|[\^~<>=]"
_COMPARATOR = rf"(?:{_PARTIAL}{_SPACE}+-{_SPACE}+{_PARTIAL}|(?:(?:{_OPERATOR}){_SPACE}*)?{_PARTIAL})"
_SEPARATOR = rf"(?:{_SPACE}*(?:,|\|\|){_SPACE}*|{_SPACE}+)"
RANGE = re.compile(rf"^{_SPACE}*{_COMPARATOR}(?:{_SEPARATOR}{_COMPARATOR})*{_SPACE}*$")
_PARTS = re.compile(
    rf"(?P<start>{_PARTIAL}){_SPACE}+-{_SPACE}+(?P<end>{_PARTIAL})"
    rf"|(?:(?P<operator>{_OPERATOR}){_SPACE}*)?(?P<partial>{_PARTIAL})"
)
_SAME_OPERATOR = {None: "=", "=>": ">=", "=<": "<=", "~>": "~"}

# Numeric identifiers come before others. No pre-release at all comes after every one.
_Identifiers = tuple[tuple[int, int | str], ...]
_NUMERIC, _ALPHANUMERIC = 0, 1
_FIRST: _Identifiers = ((_NUMERIC, 0),)
_RELEASE: _Identifiers = ((2, 0),)

_COUNTS = {1: "one part", 2: "two parts", 4: "four parts", 5: "five parts"}
_NUMBERS_OF_A_VERSION = 3


class InvalidRangeError(EcrDeployError):
    """A text that is no range of semantic versions."""

    def __init__(self, text: str) -> None:
        super().__init__(f'"{text}" is not a range of semantic versions')


class Version(NamedTuple):
    """A semantic version; versions compare as the specification orders them, whatever their build metadata."""

    major: int
    minor: int
    patch: int
    prerelease: _Identifiers

    @property
    def number(self) -> tuple[int, ...]:
        """The version without its pre-release."""
        return self[:3]


_LOWEST = Version(0, 0, 0, _FIRST)


class _Interval(NamedTuple):
    """The versions from `low` until before `high`, or until the end of all; a hole is all but those."""

    low: Version
    high: Version | None
    hole: bool = False

    def admits(self, version: Version) -> bool:
        return (self.low <= version and (self.high is None or version < self.high)) is not self.hole


class _Set(NamedTuple):
    """Intervals that must all hold, and the numbers of which the comparators name a pre-release."""

    intervals: tuple[_Interval, ...]
    named: frozenset[tuple[int, ...]]


class Range(NamedTuple):
    """A range of versions; with `prereleases` it has pre-releases that no comparator names, too."""

    text: str
    sets: tuple[_Set, ...]
    prereleases: bool

    def admits(self, tag: str) -> bool:
        """Whether a tag is a version in the range. A pre-release is only if the range names one of its number."""
        version = of(tag)
        return version is not None and any(
            (version.prerelease == _RELEASE or self.prereleases or version.number in option.named)
            and all(interval.admits(version) for interval in option.intervals)
            for option in self.sets
        )


@lru_cache(maxsize=4096)
def of(tag: str) -> Version | None:
    """The version that a tag writes, with or without a leading `v`; None if it writes none."""
    match = _VERSION.fullmatch(tag)
    if not match:
        return None
    major, minor, patch, prerelease = match.groups()
    return Version(int(major), int(minor), int(patch), _identifiers(prerelease) if prerelease else _RELEASE)


def rejection(tag: str) -> str | None:
    """Return why a tag is no semantic version; None if it is one."""
    return None if of(tag) else f"{tag} is no semantic version: {next(_faults(tag.removeprefix('v')))}"


def parse_range(text: str, *, prereleases: bool = False) -> Range:
    """Read a range.

    Raises:
        InvalidRangeError: `text` does not follow the notation.

    """
    if not RANGE.fullmatch(text):
        raise InvalidRangeError(text)
    lowest = _FIRST if prereleases else _RELEASE
    return Range(text, tuple(_parse_set(part, lowest) for part in text.split("||")), prereleases)


def _identifiers(text: str) -> _Identifiers:
    return tuple((_NUMERIC, int(part)) if part.isdigit() else (_ALPHANUMERIC, part) for part in text.split("."))


def _faults(text: str) -> Iterator[str]:
    """Yield what a text lacks to be a version, what a reader sees first before the rest."""
    release, _, build = text.partition("+")
    core, _, prerelease = release.partition("-")
    numbers, identifiers = core.split("."), prerelease.split(".") if "-" in release else []
    if not re.match("[0-9]", core):
        yield "it does not begin with a number"
    if len(numbers) != _NUMBERS_OF_A_VERSION:
        yield f"it has {_COUNTS.get(len(numbers), f'{len(numbers)} parts')}, not three"
    for part in numbers:
        if not part:
            yield "two dots follow each other, or nothing follows one"
        if not re.fullmatch("[0-9]+", part):
            yield f"{part} is no number"
    for part in (*numbers, *identifiers):
        if re.fullmatch("0[0-9]+", part):
            yield f"{part} has a leading zero"
        if re.fullmatch(f"[0-9]{{{_LONGEST_NUMBER + 1},}}", part):
            yield f"a number has more than {_LONGEST_NUMBER} digits"
    if not all(re.fullmatch("[0-9A-Za-z-]+", part) for part in identifiers):
        yield f'its pre-release "{prerelease}" must be letters, digits and hyphens between dots'
    yield f'its build metadata "{build}" must be letters, digits and hyphens between dots'


class _Partial(NamedTuple):
    """A version of which the last numbers may be left out, or written as x; only a full one has a pre-release."""

    numbers: tuple[int, ...]
    prerelease: _Identifiers | None

    @classmethod
    def of(cls, text: str) -> "_Partial":
        version, _, _ = text.removeprefix("v").partition("+")
        core, _, prerelease = version.partition("-")
        numbers = tuple(int(number) for number in core.split(".") if number.isdigit())
        return cls(numbers, _identifiers(prerelease) if prerelease else None)

    def first(self, prerelease: _Identifiers) -> Version:
        """The version with zeros for what is left out, and this pre-release if it has none of its own."""
        return _version(self.numbers, self.prerelease or prerelease)

    def next(self, index: int) -> Version:
        """The first version after all that share the numbers up to and with `index`."""
        return _version((*self.numbers[:index], self.numbers[index] + 1), _FIRST)


def _parse_set(text: str, lowest: _Identifiers) -> _Set:
    """Read the comparators of one set; `lowest` is the pre-release with which a number begins."""
    intervals: list[_Interval] = []
    named: set[tuple[int, ...]] = set()
    for match in _PARTS.finditer(text):
        comparators = [(_SAME_OPERATOR.get(match["operator"], match["operator"]), match["partial"])]
        if match["start"]:
            comparators = [("-", match["start"]), ("<=", match["end"])]
        for operator, written in comparators:
            partial = _Partial.of(written)
            intervals.append(_interval(operator, partial, lowest))
            # What is left out is not let in.
            if partial.prerelease and operator != "!=":
                named.add(partial.numbers)
    return _Set(tuple(intervals), frozenset(named))


def _interval(operator: str, partial: _Partial, lowest: _Identifiers) -> _Interval:
    """The versions that one comparator stands for; `-` is the operator before the start of a hyphen range."""
    if not partial.numbers:
        # Nothing comes before or after all versions.
        return _Interval(_LOWEST, _LOWEST if operator in ("<", ">") else None, hole=operator == "!=")
    last = len(partial.numbers) - 1
    if last == _NUMBERS_OF_A_VERSION - 1:
        low = below = partial.first(_RELEASE)
        # Nothing stands between 1.0.0-rc and 1.0.0-rc.0, nor between 1.0.0 and 1.0.1-0.
        end = low._replace(prerelease=(*partial.prerelease, *_FIRST)) if partial.prerelease else partial.next(last)
        above = end
    else:
        low, below = partial.first(lowest), partial.first(_FIRST)
        end = partial.next(last)
        above = end._replace(prerelease=lowest)
    lows = {"<": _LOWEST, "<=": _LOWEST, ">": above, "!=": below, "-": partial.first(lowest)}
    # The first number that is not zero stays.
    kept = next((index for index, number in enumerate(partial.numbers) if number), last)
    highs = {"<": below, ">": None, ">=": None, "-": None, "^": partial.next(kept), "~": partial.next(min(last, 1))}
    return _Interval(lows.get(operator, low), highs.get(operator, end), hole=operator == "!=")


def _version(numbers: tuple[int, ...], prerelease: _Identifiers) -> Version:
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return Version(major, minor, patch, prerelease)
