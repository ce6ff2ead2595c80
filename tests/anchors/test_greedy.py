"""The block-wise greedy choice; against the plain one in the tests of its users."""

import numpy as np

from isthmus.anchors.greedy import greedy


def test_stops_where_it_is_told(rows):
    taken = np.zeros(len(rows), bool)
    found = greedy(
        rows, np.arange(len(rows), dtype=float), 5, taken,
        fold=lambda scores, products: scores, vector=lambda row: None if row == 1497 else rows[row],
    )  # fmt: skip
    assert found == [1499, 1498]
    assert taken.sum() == 2
