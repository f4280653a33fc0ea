"""No pattern of order_by takes long, whatever the tag: Python's engine backtracks."""

import time
from itertools import product

import pytest

from ecr_deploy.core import order_by
from tests.unit.test_order_by import _refusal


def test_no_pattern_takes_long_to_refuse() -> None:
    began = time.process_time()
    for start, one in product(["^", "^(?:", "("], ["a", "a+", "[a-z]", "(?:a)", "(?:a|a)?", "[a", "a{1", r"\d"]):
        assert _refusal((start + one * 256)[:250] + "!", "text")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "pattern", ["^.*.*.*.*(9)x$", r"^a?a?a?a?\w*\w*\w*(\w*)-$", "^(?:a|a)(?:a|a)a?a?.*.*.*.*(9)x$"]
)
def test_no_tag_takes_for_ever(pattern: str) -> None:
    order = order_by.parse(pattern, "text")
    began = time.process_time()
    assert order.key("a" * 128) is None
    assert time.process_time() - began < 10
