"""Semantic versions: the specification's own order, and ranges that mean what npm's mean."""

import re
from itertools import pairwise
from pathlib import Path

import nodesemver
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ecr_deploy import versions
from ecr_deploy.versions import InvalidRangeError

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


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(PRECEDENCE)))
def test_the_specifications_precedence(lower: str, higher: str) -> None:
    smaller, greater = versions.of(lower), versions.of(f"v{higher}")
    assert smaller is not None
    assert greater is not None
    assert smaller < greater
    assert not greater < smaller


@pytest.mark.parametrize("tag", ["v1", "1.2", "01.2.3", "1.2.3.4", "main", "latest", "vv1.2.3", "1.2.3-01", "1.2.3-"])
def test_what_is_no_version(tag: str) -> None:
    assert versions.of(tag) is None
    assert not versions.parse_range("*").admits(tag)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        (">=1.4.0 <2.0.0", ["1.4.0", "v1.9.9"], ["1.3.9", "2.0.0", "1.5.0-rc.1", "2.0.0-rc.1"]),
        ("^1.4", ["v1.4.0", "1.99.0"], ["1.3.9", "2.0.0", "1.4.0-rc.1"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.2.2", "0.3.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("~1.4.2", ["1.4.2", "1.4.9"], ["1.4.1", "1.5.0"]),
        ("~1", ["1.0.0", "1.9.0"], ["2.0.0"]),
        ("1.x || 3.1.0", ["1.0.0", "3.1.0"], ["2.0.0", "3.1.1"]),
        ("=1.2.3", ["1.2.3"], ["1.2.4"]),
        (">1", ["2.0.0"], ["1.9.9"]),
        ("<=1", ["1.9.9", "0.1.0"], ["2.0.0"]),
        ("*", ["0.0.0", "9.9.9"], ["1.0.0-rc.1"]),
        (">=1.4.0-rc.1", ["1.4.0-rc.2", "1.4.0", "2.0.0"], ["1.4.0-beta", "1.5.0-rc.1"]),
        ("< *", [], ["0.0.0", "1.0.0"]),
    ],
)
def test_ranges(text: str, yes: list[str], no: list[str]) -> None:
    found = versions.parse_range(text)
    assert [tag for tag in yes if not found.admits(tag)] == []
    assert [tag for tag in no if found.admits(tag)] == []


def test_prereleases_on_request() -> None:
    found = versions.parse_range("^1.4", prereleases=True)
    assert found.admits("1.5.0-rc.1")
    assert not found.admits("2.0.0-rc.1")


BAD = [
    "",
    " ",
    "latest",
    "1.2.3.4",
    ">=",
    "^",
    "1.2.3-01",
    "1.2.3-",
    ">=1.4.0 <",
    "1 ||",
    "|| 1",
    "1.2.3 - 2",
    "~>1",
    "=>1",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(InvalidRangeError, match=re.escape(f'"{text}" is not a range of semantic versions')):
        versions.parse_range(text)


_numbers = st.integers(0, 3).map(str)
_prereleases = st.sampled_from(["", "", "", "-0", "-rc", "-rc.1", "-rc.2", "-beta"])
_versions = st.builds(
    lambda numbers, prerelease: ".".join(numbers) + prerelease, st.tuples(*[_numbers] * 3), _prereleases
)
_partials = st.one_of(
    _versions,
    st.lists(_numbers, min_size=1, max_size=2).map(".".join),
    st.tuples(_numbers, st.sampled_from(["x", "X", "*"])).map(".".join),
)
_comparators = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "=", "^", "~", ">", "<", ">=", "<="]),
    st.sampled_from(["", "v"]),
    _partials,
)
_ranges = st.lists(st.lists(_comparators, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=2).map(
    " || ".join
)


@given(text=_ranges, tags=st.lists(_versions, min_size=1, max_size=10), prereleases=st.booleans())
@example(text="<0.0.0-0 || 1", tags=["0.0.0-0", "1.0.0"], prereleases=False)
def test_ranges_mean_what_npms_mean(text: str, tags: list[str], prereleases: bool) -> None:  # noqa: FBT001 - drawn
    """A second library as an oracle: the port of npm's own."""
    # npm takes a set as `*` as soon as one comparator of it is simplified to that, whatever stands beside it.
    assume(not re.search(r">=?v?0(\.[0xX*])*( |$)", text))
    found = versions.parse_range(text, prereleases=prereleases)
    for tag in tags:
        number, _, prerelease = tag.partition("-")
        # Told to let pre-releases in, the port takes all versions of one number for the same.
        if prereleases and (f"{number}-" in text or (prerelease and number in text)):
            continue
        theirs = nodesemver.satisfies(tag, text, loose=False, include_prerelease=prereleases)
        assert found.admits(f"v{tag}") is bool(theirs), tag


@given(st.text("0123456789.xX*^~<>=-v| rcb", max_size=16) | _ranges)
def test_terraform_refuses_the_ranges_that_the_function_would(text: str) -> None:
    try:
        versions.parse_range(text)
    except InvalidRangeError:
        assert not _terraforms().fullmatch(text)
    else:
        assert _terraforms().fullmatch(text)


@pytest.mark.parametrize(
    ("text", "legal"), [*((text, False) for text in BAD), ("^1.4 || ~2.0.1-rc.1", True), (" 1.x ", True)]
)
def test_terraforms_grammar(text: str, legal: bool) -> None:  # noqa: FBT001 - a column
    assert bool(_terraforms().fullmatch(text)) is legal


def _terraforms() -> re.Pattern[str]:
    """The grammar in validation.tf, put together as Terraform does it."""
    hcl = (Path(__file__).parents[2] / "validation.tf").read_text()
    parts = dict(re.findall(r'^  semver_(\w+) += "(.*)"$', hcl, re.MULTILINE))
    pattern = parts["range"]
    while "${" in pattern:
        pattern = re.sub(r"\$\{local\.semver_(\w+)\}", lambda match: parts[match[1]], pattern)
    return re.compile(pattern.replace("\\\\", "\\"))
