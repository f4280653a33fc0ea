"""Order by what stands in a tag: which patterns are taken, and which order they make."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ecr_deploy.core import order_by
from ecr_deploy.core.order_by import InvalidOrderByError

RULES = Path(__file__).parents[1] / "rules"
LISTED = json.loads((RULES / "order_by.json").read_text())
# The grammars, as Terraform's engine reads them, too.
GRAMMARS = {
    kind: re.compile((RULES / f"order_by_{kind}.re").read_text().removesuffix("\n")) for kind in ("number", "text")
}


@pytest.mark.parametrize("kind", ["number", "text"])
def test_terraforms_grammars_are_these(kind: str) -> None:
    written = order_by.GRAMMARS[kind].pattern
    assert written == GRAMMARS[kind].pattern, f"Write the pattern to tests/rules/order_by_{kind}.re."


def _refusal(pattern: str, kind: str) -> str | None:
    try:
        order_by.parse(pattern, kind)
    except InvalidOrderByError as error:
        return str(error)
    return None


def _terraform_takes(pattern: str, kind: str) -> bool:
    """The conditions as Terraform has them; both engines refuse ranges and counts that go down."""
    return bool(
        kind in GRAMMARS
        and GRAMMARS[kind].fullmatch(pattern)
        and len(pattern) <= 256
        and _compiles(pattern)
        and len(re.findall("[*+,]", pattern)) + (0 if pattern.startswith("^") else 1) <= 4
        and len(re.findall("[?|]", pattern.replace("(?", ""))) <= 4
    )


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


@pytest.mark.parametrize("one", LISTED["valid"], ids=lambda one: f"{one['type']} {one['pattern']}")
def test_what_is_taken(one: dict[str, str]) -> None:
    assert _terraform_takes(one["pattern"], one["type"])
    assert order_by.parse(one["pattern"], one["type"]) == (one["pattern"], one["type"])


@pytest.mark.parametrize("one", LISTED["invalid"], ids=lambda one: f"{one['type']} {one['pattern'][:40]}")
def test_what_is_refused_in_one_sentence(one: dict[str, str]) -> None:
    assert not _terraform_takes(one["pattern"], one["type"])
    refusal = _refusal(one["pattern"], one["type"])
    assert refusal is not None
    assert refusal.startswith((f'The pattern "{one["pattern"]}" ', "The type of an order must be "))
    assert re.search(r"[^.]\.\Z", refusal)


@pytest.mark.parametrize(
    ("pattern", "kind", "says"),
    [
        ("^main-[0-9]+$", "number", "has no group: put what counts in parentheses, as in ([0-9]+)."),
        ("^([a-z]+)-([0-9]+)$", "number", "has 2 groups: write (?:...) for all but the one that counts."),
        ("^(?!latest)(.+)$", "text", "has a look-ahead or a look-behind, which RE2 does not support."),
        ("^(.+)(?<=a)$", "text", "has a look-ahead or a look-behind, which RE2 does not support."),
        (r"^(a)\1$", "text", "has a backreference, which RE2 does not support."),
        ("^a++(b)$", "text", "has an atomic group or a possessive repetition, which RE2 does not support."),
        ("^(?<n>a)$", "text", "names its group in a way that Python does not support: write (?P<name>...)."),
        ("(?i)^(a)$", "text", "has flags or another extension: write the letters out, as in [Mm]ain."),
        (
            "^a+?(b)$",
            "text",
            "has a lazy repetition, or a repetition of a repetition: leave one of the two signs out.",
        ),
        ("^(a+)+$", "text", "repeats a group, which can take for ever: repeat single characters or [...]."),
        ("^(a", "text", "is no regular expression: missing ), unterminated subpattern at position 1."),
        ("^([z-a])$", "text", "is no regular expression: bad character range z-a at position 3."),
        (r"^(\pL)$", "text", r"is no regular expression: bad escape \p at position 2."),
        (
            "^(a)?$",
            "text",
            (
                r"may only have letters, digits, ., _, -, \d, \w, [...], their repetitions, choices such as (?:a|b), ^ "
                "at its start, $ at its end, and one group, which no choice leaves out."
            ),
        ),
        (
            r"^(\w+)$",
            "number",
            "has a group that can capture something else than a number: write digits in it, as in ([0-9]+).",
        ),
        ("^.*.*.*.*.*(b)$", "text", "has too many of *, + and {n,m}: 4 are allowed after ^, else 3."),
        ("^a?a?a?a?a?(b)$", "text", "has too many of ? and |: 4 are allowed."),
        (f"^{'a' * 256}(b)$", "text", "is longer than 256 characters."),
    ],
)
def test_what_is_wrong_is_said(pattern: str, kind: str, says: str) -> None:
    assert _refusal(pattern, kind) == f'The pattern "{pattern}" {says}'


def test_an_unknown_type_is_named() -> None:
    assert _refusal("(a)", "semver") == 'The type of an order must be "number" or "text", but it is "semver".'


@pytest.mark.parametrize(
    ("pattern", "kind", "keys"),
    [
        (
            "^main-[0-9a-f]+-(?P<build>[0-9]+)$",
            "number",
            {"main-abc-9": 9, "main-abc-10": 10, "main-abc-010": 10, "main-xyz-9": None, "main-abc-9-arm64": None},
        ),
        ("-([0-9]+)", "number", {"main-7": 7, "main-7-8": 7, "main": None}),
        (r"^\D*([0-9]*)", "number", {"main-7": 7, "main": None}),
        (r"^(\d{4}-\d{2}-\d{2}(?:\.\d)?)$", "text", {"2026-11-24.3": "2026-11-24.3", "2026-11-24": "2026-11-24"}),
        ("^release-(alpha|beta|rc)$", "text", {"release-beta": "beta", "release-gamma": None}),
        ("([0-9]+)$", "number", {f"a{'9' * 127}": int("9" * 127), f"a{'9' * 128}": None, "": None, "a/1": None}),
        (r"(\d+)$", "number", {"a-٣": None, "1\n": None}),
    ],
)
def test_what_orders_a_tag(pattern: str, kind: str, keys: dict[str, Any]) -> None:
    order = order_by.parse(pattern, kind)
    assert {tag: order.key(tag) for tag in keys} == keys


@given(st.integers(0, 10**100), st.integers(0, 10**100))
def test_numbers_of_any_length_are_ordered_as_numbers(one: int, other: int) -> None:
    assume(one != other)
    order = order_by.parse("^build-([0-9]+)$", "number")
    keys = order.key(f"build-{one}"), order.key(f"build-{other}")
    assert isinstance(keys[0], int)
    assert isinstance(keys[1], int)
    assert (keys[0] < keys[1]) is (one < other)


@given(st.dates(), st.dates())
def test_dates_are_ordered_as_texts(one: Any, other: Any) -> None:
    order = order_by.parse(r"^(\d{4}-\d{2}-\d{2})-", "text")
    keys = order.key(f"{one}-x"), order.key(f"{other}-a")
    assert isinstance(keys[0], str)
    assert isinstance(keys[1], str)
    assert (keys[0] < keys[1]) is (one < other)


_characters = st.sampled_from(["a", "-", ".", "9", r"\d", r"\.", "[0-9a-f]", "[^-]", r"[\w-]", "[z-a]"])
_pieces = st.builds("{}{}".format, _characters, st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,3}", "{3,1}"]))
_parts = st.lists(
    _pieces | st.builds("(?:{}|{}){}".format, _pieces, _pieces, st.sampled_from(["", "?"])), max_size=3
).map("".join)
_patterns = st.builds(
    "{}{}({}{}){}{}".format,
    st.sampled_from(["^", "^", ""]),
    _parts,
    st.sampled_from(["", "?P<build>"]),
    _parts | st.sampled_from(["[0-9]+", r"\d{4}", r"20[0-9]{2}"]),
    _parts,
    st.sampled_from(["$", ""]),
)
_kinds = st.sampled_from(["number", "text"])
_tags = st.from_regex(r"[a9][a9.-]{0,8}", fullmatch=True)


@given(pattern=_patterns, kind=_kinds, tag=_tags)
def test_whatever_plan_takes_has_a_key_where_it_finds_something(pattern: str, kind: str, tag: str) -> None:
    taken = _terraform_takes(pattern, kind)
    assert taken is (_refusal(pattern, kind) is None)
    if taken:
        key = order_by.parse(pattern, kind).key(tag)
        found = re.search(pattern, tag)
        assert str(key) == (str(int(found[1])) if kind == "number" else found[1]) if found and found[1] else key is None


@given(st.tuples(_patterns, st.text("()[]{}?*+|^$\\.a9-é\n", min_size=1, max_size=3), st.integers(0, 30)), _kinds)
@example(("", "[[:alpha:]](a)", 0), "text")
@example(("", "(" * 200, 0), "text")
def test_whatever_plan_takes_the_function_takes(drawn: tuple[str, str, int], kind: str) -> None:
    pattern, more, place = drawn
    written = pattern[:place] + more + pattern[place:]
    assert _terraform_takes(written, kind) is (_refusal(written, kind) is None)


@given(_patterns)
def test_what_is_a_number_is_a_text_as_well(pattern: str) -> None:
    if GRAMMARS["number"].fullmatch(pattern):
        assert GRAMMARS["text"].fullmatch(pattern)
