"""Semantic versions: the specification's own order, and ranges that mean what npm's mean."""

import json
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import nodesemver
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ecr_deploy.core import versions
from ecr_deploy.core.versions import InvalidRangeError

RULES = Path(__file__).parents[1] / "rules"
LISTED = json.loads((RULES / "semver.json").read_text())
# The grammar, as Terraform's engine reads it, too.
GRAMMAR = re.compile((RULES / "semver_range.re").read_text().removesuffix("\n"))

# https://semver.org/#spec-item-11, lowest first.
PRECEDENCE = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "2.0.0",
    "2.1.0",
    "2.1.1",
]


def _is_lower(lower: str, higher: str) -> bool:
    smaller, greater = versions.of(lower), versions.of(higher)
    assert smaller is not None
    assert greater is not None
    return smaller < greater and not greater < smaller and smaller != greater


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(PRECEDENCE)))
def test_the_specifications_precedence(lower: str, higher: str) -> None:
    assert _is_lower(lower, f"v{higher}")


def test_build_metadata_has_no_place_in_the_order() -> None:
    assert versions.of("1.2.3-rc+build.1") == versions.of("v1.2.3-rc+other")


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("2022.04.1", "04 has a leading zero"),
        ("01.2.3", "01 has a leading zero"),
        ("v1.2.3-rc.01", "01 has a leading zero"),
        ("1.2.3.4", "it has four parts, not three"),
        ("1.2.3.4.5.6", "it has 6 parts, not three"),
        ("v1", "it has one part, not three"),
        ("1.2", "it has two parts, not three"),
        ("1.2-rc.1", "it has two parts, not three"),
        ("2026-11-24.3", "it has one part, not three"),
        ("1.2.x", "x is no number"),
        ("1.2.3rc1", "3rc1 is no number"),
        ("1..3", "two dots follow each other, or nothing follows one"),
        ("1.2.", "two dots follow each other, or nothing follows one"),
        ("main", "it does not begin with a number"),
        ("release-1.2.3", "it does not begin with a number"),
        ("vv1.2.3", "it does not begin with a number"),
        ("V1.2.3", "it does not begin with a number"),
        ("", "it does not begin with a number"),
        ("1.2.3-", 'its pre-release "" must be letters, digits and hyphens between dots'),
        ("1.2.3-rc..1", 'its pre-release "rc..1" must be letters, digits and hyphens between dots'),
        ("1.2.3-a_b", 'its pre-release "a_b" must be letters, digits and hyphens between dots'),
        ("1.2.3+a_b", 'its build metadata "a_b" must be letters, digits and hyphens between dots'),
        ("1.2.3-rc+", 'its build metadata "" must be letters, digits and hyphens between dots'),
        (f"1.2.{'9' * 5000}", "a number has more than 32 digits"),
        (f"1.2.3-{'9' * 5000}", "a number has more than 32 digits"),
    ],
)
def test_what_is_no_version_and_why(tag: str, why: str) -> None:
    assert versions.of(tag) is None
    assert not versions.parse_range("*", prereleases=True).admits(tag)
    assert versions.rejection(tag) == f"{tag} is no semantic version: {why}"


@given(
    st.text("0123456789.v-+a_", max_size=10) | st.from_regex(r"v?0?\d\.\d0?\.0?\d(-\w{0,3})?(\.\w?)?", fullmatch=True)
)
def test_whatever_is_no_version_is_told_why(tag: str) -> None:
    assert (versions.of(tag) is None) is (versions.rejection(tag) is not None)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        (">=1.4.0 <2.0.0", ["1.4.0", "v1.9.9"], ["1.3.9", "2.0.0", "1.5.0-rc.1", "2.0.0-rc.1"]),
        (">=1.4.0, <2.0.0", ["1.4.0", "v1.9.9"], ["1.3.9", "2.0.0", "1.5.0-rc.1", "2.0.0-rc.1"]),
        ("=>1.4,=<1.6", ["1.4.0", "1.6.9"], ["1.3.9", "1.7.0"]),
        ("^1.4", ["v1.4.0", "1.99.0"], ["1.3.9", "2.0.0", "1.4.0-rc.1"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.2.2", "0.3.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("~1.4.2", ["1.4.2", "1.4.9"], ["1.4.1", "1.5.0"]),
        ("~>1.4.2", ["1.4.2", "1.4.9"], ["1.4.1", "1.5.0"]),
        ("~1", ["1.0.0", "1.9.0"], ["2.0.0"]),
        ("1.x || 3.1.0", ["1.0.0", "3.1.0"], ["2.0.0", "3.1.1"]),
        ("=1.2.3", ["1.2.3"], ["1.2.4"]),
        (">1", ["2.0.0"], ["1.9.9"]),
        ("<=1", ["1.9.9", "0.1.0"], ["2.0.0"]),
        ("*", ["0.0.0", "9.9.9"], ["1.0.0-rc.1"]),
        (">=1.4.0-rc.1", ["1.4.0-rc.2", "1.4.0", "2.0.0"], ["1.4.0-beta", "1.5.0-rc.1"]),
        ("< *", [], ["0.0.0", "1.0.0"]),
        ("1.2 - 2.3", ["1.2.0", "2.3.9"], ["1.1.9", "2.4.0", "1.3.0-rc.1"]),
        ("1.2 - 2.3 !=1.5", ["1.4.9", "1.6.0"], ["1.5.0", "1.5.9", "2.4.0"]),
        ("!=1.5.0", ["1.4.9", "1.5.1"], ["1.5.0", "1.5.0-rc.1"]),
        ("!=1.5.0-rc.1", ["1.5.0"], ["1.5.0-rc.1", "1.5.0-rc.2"]),
        (">=1.5.0-rc.1, !=1.5.0-rc.2", ["1.5.0-rc.1", "1.5.0-rc.3", "1.5.0"], ["1.5.0-rc.2"]),
        ("!=*", [], ["0.0.0", "1.0.0"]),
        (
            ">=2.3.5-20161202202307-sha.e8fc5e5",
            ["2.3.5-20161202202308-sha.0", "2.3.5"],
            ["2.3.5-20161202202306-sha.e8fc5e5", "2.3.4"],
        ),
        ("^1.2.3-0a", ["1.2.3-0b", "1.2.3"], ["1.2.3-0", "2.0.0"]),
        (">=1.0.0-1a2b3c4", ["1.0.0-1a2b3c5", "1.0.0"], ["1.0.0-1a2b3c3"]),
    ],
)
def test_ranges(text: str, yes: list[str], no: list[str]) -> None:
    found = versions.parse_range(text)
    assert [tag for tag in yes if not found.admits(tag)] == []
    assert [tag for tag in no if found.admits(tag)] == []


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("^1.4", ["1.5.0-rc.1"], ["2.0.0-rc.1"]),
        ("1.4.0 - 1.5.0", ["1.4.0-rc.1", "1.5.0"], ["1.5.1-rc.1"]),
        ("!=1.5", ["1.4.9-rc.1", "1.6.0-rc.1"], ["1.5.0-rc.1", "1.5.9"]),
        ("!=1.5.0", ["1.5.0-rc.1", "1.5.1-0"], ["1.5.0"]),
    ],
)
def test_prereleases_on_request(text: str, yes: list[str], no: list[str]) -> None:
    found = versions.parse_range(text, prereleases=True)
    assert [tag for tag in yes if not found.admits(tag)] == []
    assert [tag for tag in no if found.admits(tag)] == []


def _npms(table: str) -> list[list[Any]]:
    """The rows of one of npm's own tables; a third member is an option."""
    rows: list[list[Any]] = json.loads((RULES / "npm" / f"{table}.json").read_text())["rows"]
    return rows


# npm's `loose` reads what the specification forbids ("1.2.3pre", "01.2.3"): whoever wrote that had better be told.
# And a tag is always a text.
def _in_scope(row: list[Any]) -> bool:
    return "loose" not in row and isinstance(row[1], str)


@pytest.mark.parametrize(("table", "loose"), [("range-include", 6), ("range-exclude", 7), ("comparisons", 12)])
def test_what_of_npms_tables_is_out_of_scope(table: str, loose: int) -> None:
    rows = _npms(table)
    assert sum("loose" in row for row in rows) == loose
    assert [row for row in rows if not _in_scope(row) and "loose" not in row] == (
        [[">=2", False]] if table == "range-exclude" else []
    )


@pytest.mark.parametrize(
    ("table", "included", "refused"), [("range-include", True, ["", "||"]), ("range-exclude", False, [])]
)
def test_npms_own_tables_of_ranges(table: str, included: bool, refused: list[str]) -> None:  # noqa: FBT001 - a column
    wrong = []
    not_taken = []
    for text, version, *option in filter(_in_scope, _npms(table)):
        try:
            found = versions.parse_range(text, prereleases="includePrerelease" in option)
        except InvalidRangeError:
            not_taken.append(text)
        else:
            if found.admits(version) is not included:
                wrong.append([text, version, *option])
    assert wrong == []
    assert not_taken == refused


def test_npms_own_table_of_comparisons() -> None:
    assert [row for row in filter(_in_scope, _npms("comparisons")) if not _is_lower(row[1], row[0])] == []


def test_terraforms_grammar_is_this_one() -> None:
    assert versions.RANGE.pattern == GRAMMAR.pattern, (
        "Write the pattern of versions.RANGE to tests/rules/semver_range.re."
    )


def _refused(text: str) -> bool:
    try:
        versions.parse_range(text)
    except InvalidRangeError:
        return True
    return False


@pytest.mark.parametrize("text", LISTED["invalid"])
def test_what_is_no_range(text: str) -> None:
    assert not GRAMMAR.fullmatch(text)
    with pytest.raises(InvalidRangeError, match=re.escape(f'"{text}" is not a range of semantic versions')):
        versions.parse_range(text)


@pytest.mark.parametrize("text", LISTED["valid"])
def test_what_is_a_range(text: str) -> None:
    assert GRAMMAR.fullmatch(text)
    assert not _refused(text)


_numbers = st.integers(0, 3).map(str)
_prereleases = st.sampled_from(["", "", "", "-0", "-rc", "-rc.1", "-rc.2", "-beta", "-1a.0", "-7-f"])
_versions = st.builds(
    lambda numbers, prerelease: ".".join(numbers) + prerelease, st.tuples(*[_numbers] * 3), _prereleases
)
_partials = st.builds(
    "{}{}".format,
    st.sampled_from(["", "v"]),
    st.one_of(
        _versions,
        st.lists(_numbers, min_size=1, max_size=2).map(".".join),
        st.tuples(_numbers, st.sampled_from(["x", "X", "*", "x.x"])).map(".".join),
    ),
)


def _comparators(*operators: str) -> st.SearchStrategy[str]:
    return st.builds("{}{}{}".format, st.sampled_from(operators), st.sampled_from(["", "", " "]), _partials)


_ours = _comparators("=>", "=<", "!=")
_npm_sets = st.one_of(
    st.lists(
        _comparators("=", "^", "~", "~>", ">", "<", ">=", "<=") | _partials,
        min_size=1,
        max_size=3,
    ).map(" ".join),
    st.builds("{} - {}".format, _partials, _partials),
)
_npm_ranges = st.lists(_npm_sets, min_size=1, max_size=2).map(" || ".join)
_ranges = st.lists(
    st.lists(_npm_sets | _ours, min_size=1, max_size=2).flatmap(
        lambda sets: st.sampled_from([" ", ",", ", ", " , ", "  "]).map(lambda separator: separator.join(sets))
    ),
    min_size=1,
    max_size=3,
).flatmap(lambda sets: st.sampled_from(["||", " || "]).map(lambda separator: separator.join(sets)))
_tags = st.lists(_versions, min_size=1, max_size=10)


@given(text=_npm_ranges, tags=_tags, prereleases=st.booleans())
@example(text="<0.0.0-0 || 1", tags=["0.0.0-0", "1.0.0"], prereleases=False)
def test_ranges_mean_what_npms_mean(text: str, tags: list[str], prereleases: bool) -> None:  # noqa: FBT001 - drawn
    """A second library as an oracle: the port of npm's own."""
    # npm takes a set as `*` as soon as one comparator of it is simplified to that, whatever stands beside it.
    assume(not re.search(r">=? ?v?0(\.[0xX*])*( |$)|v?0(\.[0xX*])* - |- v?[xX*]", text))
    found = versions.parse_range(text, prereleases=prereleases)
    for tag in tags:
        number, _, prerelease = tag.partition("-")
        # Told to let pre-releases in, the port takes all versions of one number for the same.
        if prereleases and (f"{number}-" in text or (prerelease and number in text)):
            continue
        # Nor does it know that a hyphen range or a tilde then begins with the first pre-release.
        if prereleases and prerelease and (" - " in text or "~" in text):
            continue
        theirs = nodesemver.satisfies(tag, text, loose=False, include_prerelease=prereleases)
        assert found.admits(f"v{tag}") is bool(theirs), tag


@given(text=_npm_sets, hole=_partials, tags=_tags, prereleases=st.booleans())
def test_what_is_not_equal_is_taken_out_of_the_rest(
    text: str,
    hole: str,
    tags: list[str],
    prereleases: bool,  # noqa: FBT001 - drawn
) -> None:
    whole = versions.parse_range(text, prereleases=prereleases)
    rest = versions.parse_range(f"{text}, !={hole}", prereleases=prereleases)
    taken = versions.parse_range(hole, prereleases=True)
    assert [rest.admits(tag) for tag in tags] == [whole.admits(tag) and not taken.admits(tag) for tag in tags]


@given(text=_npm_ranges, tags=_tags, prereleases=st.booleans())
def test_other_notations_mean_the_same(text: str, tags: list[str], prereleases: bool) -> None:  # noqa: FBT001 - drawn
    found = versions.parse_range(text, prereleases=prereleases)
    other = re.sub("([<>])=", r"=\1", text)
    if " - " not in text:
        other = re.sub(r"(?<=[0-9a-zA-Z*]) (?=[^|])", ", ", other)
    others = versions.parse_range(other, prereleases=prereleases)
    assert [others.admits(tag) for tag in tags] == [found.admits(tag) for tag in tags], other


@given(_ranges | st.from_regex(GRAMMAR, fullmatch=True))
def test_every_range_of_the_notation_is_taken(text: str) -> None:
    assert GRAMMAR.fullmatch(text)
    assert not _refused(text)


@settings(max_examples=300)
@given(
    st.text("0123456789.xX*^~<>=!,-+v| \t\nrcb", max_size=16)
    | st.tuples(_ranges, st.text("0.x*^~<>=!,-+v| \nr", min_size=1, max_size=2), st.integers(0, 40)).map(
        lambda drawn: drawn[0][: drawn[2]] + drawn[1] + drawn[0][drawn[2] :]
    )
)
def test_whatever_plan_takes_the_function_takes(text: str) -> None:
    assert bool(GRAMMAR.fullmatch(text)) is not _refused(text)


def test_no_text_takes_long() -> None:
    began = time.process_time()
    for text in (
        "1." + "9" * 4000,
        "1.2.3-" + "-" * 4000 + "_",
        "1.2.3-" + "0." * 2000,
        "1 " * 2000 + "!",
        "1" + " " * 4000 + "!",
    ):
        assert _refused(text)
        assert versions.of(text) is None
    assert time.process_time() - began < 1
