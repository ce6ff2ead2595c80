"""The comparison itself can fail: every wrong side of it is noticed, and nothing is kept then."""

import math

import pytest

RIGHT = {"theirs": 1.0, "ours": 1.0, "oracle": 1.0, "equation": "one is one"}


@pytest.mark.parametrize("side", ["theirs", "ours", "oracle"])
@pytest.mark.parametrize("value", [1.0 + 1e-5, math.nan])
def test_same_needs_three_equal_numbers(compare, side, value):
    with pytest.raises(AssertionError):
        compare.same("one", "one", **RIGHT | {side: value})


@pytest.mark.parametrize("found", [
    {"theirs": 1.0},  # no difference any more
    {"theirs": 2.0, "ours": 1.5},
    {"theirs": 2.0, "explained": 2.1},
    {"theirs": math.nan},
])  # fmt: skip
def test_differs_needs_a_difference_that_is_explained(compare, found):
    with pytest.raises(AssertionError):
        compare.differs("one", "one", why="it adds one", **RIGHT | found)


def test_fails_needs_that_failure(compare):
    known = {"ours": 1.0, "oracle": 1.0, "equation": "one is one", "why": "it divides by nought"}
    with pytest.raises(pytest.fail.Exception):
        compare.fails("one", "one", lambda: 1.0, ZeroDivisionError, **known)
    with pytest.raises(AssertionError):
        compare.fails("one", "one", lambda: 1.0, None, **known)
    with pytest.raises(KeyError):
        compare.fails("one", "one", lambda: {}["one"], ZeroDivisionError, **known)
