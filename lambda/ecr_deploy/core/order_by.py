r"""Order of pushes by what stands in their tags: a build number, a date, a timestamp.

A pattern is a regular expression of a small grammar that Python and RE2, which Terraform has, read alike: `^`, letters,
digits, `.`, `_` and `-`, `\d`, `\w`, `\.`, `[...]`, each with `*`, `+`, `?` or `{n,m}`, choices `(?:...|...)` with or
without `?`, `$`, and one group: what that captures counts. A tag in which the pattern finds nothing has no place.

Whatever the tag, a search must end soon, and Python's engine backtracks: a group is never repeated, and the numbers of
repetitions and choices are limited. The slowest pattern that is left takes a second or two, usual ones microseconds.
"""

import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from ecr_deploy.core.errors import EcrDeployError

NUMBER = "number"
TEXT = "text"

_LONGEST_PATTERN = 256
# With r repetitions, a tag of n characters is tried in up to n**r / r! ways; each choice doubles them.
_MOST_REPETITIONS = 4
_MOST_CHOICES = 4

# Only what a tag can have: a pattern that could never match is a slip.
_ESCAPE = r"\\[dDwW._-]"
_IN_BRACKETS = rf"(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.]|{_ESCAPE})"
_ATOM = rf"(?:[A-Za-z0-9_.-]|{_ESCAPE}|\[\^?(?:-?{_IN_BRACKETS}+-?|-)\])"
# A hundred and more is nothing for a tag, and RE2 takes a thousand at most.
_COUNT = r"(?:0|[1-9][0-9]{0,2})"
_REPETITION = rf"(?:[*+?]|\{{{_COUNT}(?:,(?:{_COUNT})?)?\}})"
_PIECE = rf"{_ATOM}{_REPETITION}?"
_CHOICE = rf"\(\?:(?:{_PIECE})+(?:\|(?:{_PIECE})+)*\)\??"
_PART = rf"(?:{_PIECE}|{_CHOICE})"
_DIGITS = rf"(?:(?:[0-9]|\\d|\[(?:[0-9]-[0-9]|[0-9]|\\d)+\]){_REPETITION}?)+"
_CAPTURED = {NUMBER: _DIGITS, TEXT: rf"{_PART}+(?:\|{_PART}+)*"}
# tests/rules/order_by_number.re and order_by_text.re hold the same for Terraform.
GRAMMARS = {
    name: re.compile(rf"^\^?{_PART}*\((?:\?P<[A-Za-z_][A-Za-z0-9_]*>)?{captured}\){_PART}*\$?$")
    for name, captured in _CAPTURED.items()
}
_GROUP = re.compile(r"\((?!\?)|\(\?P?<(?![=!])")

# What people write that is outside of the grammar: searched in the pattern without its [...] and escaped signs.
_KNOWN_FAULTS = (
    (r"\(\?<?[=!]", "has a look-ahead or a look-behind, which RE2 does not support"),
    (r"\(\?P=|\\[1-9]", "has a backreference, which RE2 does not support"),
    (r"\(\?>|[*+?}]\+", "has an atomic group or a possessive repetition, which RE2 does not support"),
    (r"\(\?<", "names its group in a way that Python does not support: write (?P<name>...)"),
    (r"\(\?[^:P]", "has flags or another extension: write the letters out, as in [Mm]ain"),
    (r"[*+?}][*?{]", "has a lazy repetition, or a repetition of a repetition: leave one of the two signs out"),
    (r"\)[*+{]", "repeats a group, which can take for ever: repeat single characters or [...]"),
)

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class InvalidOrderByError(EcrDeployError):
    """An order that can't be taken; the message is a sentence."""


class OrderBy(NamedTuple):
    """An order by the one group of a pattern, read as a number or as a text."""

    pattern: str
    type: str

    def key(self, tag: str) -> int | str | None:
        """Return the number or text that orders a tag, the greater the later; None if the pattern finds none."""
        found = re.search(self.pattern, tag, re.ASCII) if _TAG.fullmatch(tag) else None
        captured = found[1] if found else ""
        return (int(captured) if self.type == NUMBER else captured) if captured else None


def parse(pattern: str, kind: str) -> OrderBy:
    """Read an order from its pattern and its type.

    Raises:
        InvalidOrderByError: `kind` is no type, or `pattern` is not of the grammar.

    """
    if kind not in GRAMMARS:
        message = f'The type of an order must be "{NUMBER}" or "{TEXT}", but it is "{kind}".'
        raise InvalidOrderByError(message)
    if fault := next(_faults(pattern, kind), None):
        message = f'The pattern "{pattern}" {fault}.'
        raise InvalidOrderByError(message)
    return OrderBy(pattern, kind)


def _faults(pattern: str, kind: str) -> Iterator[str]:
    """Yield what is wrong with a pattern, each as the rest of a sentence that begins with it."""
    if len(pattern) > _LONGEST_PATTERN:
        yield f"is longer than {_LONGEST_PATTERN} characters"
    if not GRAMMARS[TEXT].fullmatch(pattern):
        yield _fault_of_grammar(pattern)
    if error := _error(pattern):
        yield f"is no regular expression: {error}"
    if not GRAMMARS[kind].fullmatch(pattern):
        yield "has a group that can capture something else than a number: write digits in it, as in ([0-9]+)"
    # A search that is not held at the start begins anew at each character, which is one repetition more.
    most = _MOST_REPETITIONS if pattern.startswith("^") else _MOST_REPETITIONS - 1
    if len(re.findall("[*+,]", pattern)) > most:
        yield f"has too many of *, + and {{n,m}}: {_MOST_REPETITIONS} are allowed after ^, else {_MOST_REPETITIONS - 1}"
    if len(re.findall("[?|]", pattern.replace("(?", ""))) > _MOST_CHOICES:
        yield f"has too many of ? and |: {_MOST_CHOICES} are allowed"


def _fault_of_grammar(pattern: str) -> str:
    signs = re.sub(r"\\[^0-9A-Za-z]|\[\^?\]?[^\]]*\]", "-", pattern)
    for known, fault in _KNOWN_FAULTS:
        if re.search(known, signs):
            return fault
    if error := _error(pattern):
        return f"is no regular expression: {error}"
    groups = len(_GROUP.findall(signs))
    if groups != 1:
        return (
            f"has {groups} groups: write (?:...) for all but the one that counts"
            if groups
            else "has no group: put what counts in parentheses, as in ([0-9]+)"
        )
    return (
        "may only have letters, digits, ., _, -, \\d, \\w, [...], their repetitions, choices such as (?:a|b), ^ at its "
        "start, $ at its end, and one group, which no choice leaves out"
    )


def _error(pattern: str) -> str | None:
    try:
        with warnings.catch_warnings():
            # Of what a later Python may read differently; the grammar has none of it.
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(pattern)
    except (re.error, OverflowError) as error:
        return str(error)
    return None
