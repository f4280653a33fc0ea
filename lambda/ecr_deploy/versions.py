"""Semantic versions as image tags, and ranges of them in npm's notation.

The order of versions is the specification's (https://semver.org/#spec-item-11), by the library `semver`. A range is
comparators that must all hold, or several such sets between `||`: `>=1.4.0 <2.0.0`, `^1.4`, `~1.4.2`, `1.x || 3.1.0`
(https://github.com/npm/node-semver#ranges).
"""

import re
from functools import lru_cache
from typing import NamedTuple

from semver import Version

from .errors import EcrDeployError

_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
# validation.tf holds the same grammar.
_COMPARATOR = re.compile(
    rf"(?P<operator>\^|~|>=|<=|>|<|=)?\s*v?(?P<major>{_NUMBER}|[xX*])"
    rf"(?:\.(?P<minor>{_NUMBER}|[xX*])(?:\.(?P<patch>{_NUMBER}|[xX*])(?:-(?P<prerelease>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?)?)?"
)
# The lowest of all versions of a number is its first pre-release; an upper bound keeps those out, too.
_LOWEST = "0"


class InvalidRangeError(EcrDeployError):
    """A text that is no range of semantic versions."""

    def __init__(self, text: str) -> None:
        super().__init__(f'"{text}" is not a range of semantic versions')


class _Bound(NamedTuple):
    """One side of a range: `low` is where it begins, else it ends there; the version itself may be in or out."""

    low: bool
    version: Version
    inclusive: bool

    def admits(self, version: Version) -> bool:
        order = version.compare(self.version)
        return order * (1 if self.low else -1) > 0 or (self.inclusive and order == 0)


class Range(NamedTuple):
    """A range of versions; `prereleases` lets pre-releases in that no comparator names."""

    text: str
    sets: tuple[tuple[_Bound, ...], ...]
    prereleases: bool

    def admits(self, tag: str) -> bool:
        """Whether a tag is a version in the range. A pre-release is only if the range names one of its number."""
        version = of(tag)
        return version is not None and any(self._in(version, bounds) for bounds in self.sets)

    def _in(self, version: Version, bounds: tuple[_Bound, ...]) -> bool:
        if not all(bound.admits(version) for bound in bounds):
            return False
        named = (bound.version for bound in bounds if bound.version.prerelease)
        number = version.to_tuple()[:3]
        return not version.prerelease or self.prereleases or any(one.to_tuple()[:3] == number for one in named)


@lru_cache(maxsize=4096)
def of(tag: str) -> Version | None:
    """The version that a tag spells, with or without a leading `v`; None if it spells none."""
    text = tag.removeprefix("v")
    return Version.parse(text) if Version.is_valid(text) else None


def parse_range(text: str, *, prereleases: bool = False) -> Range:
    """Read a range.

    Raises:
        InvalidRangeError: `text` does not follow the notation.

    """
    sets = tuple(_parse_set(part, text, prereleases=prereleases) for part in text.split("||"))
    return Range(text, sets, prereleases)


def _parse_set(part: str, text: str, *, prereleases: bool) -> tuple[_Bound, ...]:
    bounds: list[_Bound] = []
    position, part = 0, part.strip()
    while match := _COMPARATOR.match(part, position):
        bounds += _bounds(match, prereleases=prereleases)
        position = match.end()
        if not part[position : position + 1].isspace():
            break
        position += len(part[position:]) - len(part[position:].lstrip())
    if not bounds or position != len(part):
        raise InvalidRangeError(text)
    return tuple(bounds)


def _bounds(match: re.Match[str], *, prereleases: bool) -> list[_Bound]:
    """The bounds that one comparator stands for; what it leaves out, or writes as x, may be anything."""
    given = [match[name] for name in ("major", "minor", "patch")]
    known = next((index for index, number in enumerate(given) if number in (None, "x", "X", "*")), len(given))
    numbers = [int(number) for number in given[:known]]
    operator = match["operator"] or "="
    if known == len(given):
        return _bounds_of_version(numbers, operator, match["prerelease"])
    lowest = _LOWEST if prereleases else None
    if known == 0 and operator in "<>":
        # Nothing comes before or after all versions.
        return [_Bound(low=False, version=_version([], _LOWEST), inclusive=False)]
    if operator == ">":
        return [_Bound(low=True, version=_next(numbers, known - 1, lowest), inclusive=True)]
    if operator == "<":
        return [_Bound(low=False, version=_version(numbers, _LOWEST), inclusive=False)]
    bounds = [_Bound(low=True, version=_version(numbers, lowest), inclusive=True)]
    if known and operator != ">=":
        bounds.append(_end(numbers, operator))
    return bounds[1:] if known and operator == "<=" else bounds


def _bounds_of_version(numbers: list[int], operator: str, prerelease: str | None) -> list[_Bound]:
    version = _version(numbers, prerelease)
    if operator[0] in "<>":
        return [_Bound(low=operator[0] == ">", version=version, inclusive=operator.endswith("="))]
    end = _Bound(low=False, version=version, inclusive=True) if operator == "=" else _end(numbers, operator)
    return [_Bound(low=True, version=version, inclusive=True), end]


def _end(numbers: list[int], operator: str) -> _Bound:
    """Where a range ends whose versions share their first numbers: how many, the operator says."""
    last = len(numbers) - 1
    if operator == "^":
        # The first number that is not zero stays.
        last = next((index for index, number in enumerate(numbers) if number), last)
    elif operator == "~":
        last = min(last, 1)
    return _Bound(low=False, version=_next(numbers, last, _LOWEST), inclusive=False)


def _next(numbers: list[int], index: int, prerelease: str | None) -> Version:
    """The version after all that share the numbers up to and with `index`."""
    return _version([*numbers[:index], numbers[index] + 1], prerelease)


def _version(numbers: list[int], prerelease: str | None) -> Version:
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return Version(major, minor, patch, prerelease)
