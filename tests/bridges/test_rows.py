"""Which rows are pairs: by position, by number, or none; contradictions are refused."""

import numpy as np
import pytest

from isthmus.bridges import Orthogonal
from isthmus.bridges.rows import all_rows, known_pairs
from isthmus.core.errors import InputError


def test_by_position():
    i, j = known_pairs(None, 3, 3, operation="test")
    assert i.tolist() == j.tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="pairs=\\(\\) when none"):
        known_pairs(None, 3, 4, operation="test")


def test_none_known():
    for none in ((), [], ([], []), (np.empty(0, int), np.empty(0, int))):
        assert [len(side) for side in known_pairs(none, 3, 4, operation="test")] == [0, 0]


def test_a_pair_given_twice_counts_once_and_order_does_not_matter():
    i, j = known_pairs(([2, 0, 2], [1, 3, 1]), 3, 4, operation="test")
    assert (i.tolist(), j.tolist()) == ([0, 2], [3, 1])


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        (([0, 0], [1, 2]), "source rows \\[0\\]"),
        (([0, 1], [2, 2]), "target rows \\[2\\]"),
        (([0], [4]), "row numbers 0..3"),
        (([-1], [0]), "source rows -1..-1"),
        (([0.0], [1.0]), "sequences of row numbers"),
        (([0, 1], [0]), "sequences of row numbers"),
        (([0], [0], [0]), "sequences of row numbers"),
        (7, "sequences of row numbers"),
    ],
)
def test_refused(pairs, says):
    with pytest.raises(InputError, match=says):
        known_pairs(pairs, 3, 4, operation="test")


def test_all_rows_asks_for_enough_pairs(turned):
    x, y, _ = turned
    source, target, i, j = all_rows(Orthogonal(), x, y[:200], ([1, 2], [1, 2]), least=2)
    assert (source.shape, target.shape) == ((300, 6), (200, 6))
    assert i.tolist() == j.tolist() == [1, 2]
    with pytest.raises(InputError, match="1 known pairs; expected at least 2"):
        all_rows(Orthogonal(), x, y, ([1], [1]), least=2)


def test_a_paired_bridge_says_that_it_needs_pairs(turned):
    x, y, _ = turned
    with pytest.raises(InputError, match="learns from them alone"):
        Orthogonal().fit(x, y, pairs=())
