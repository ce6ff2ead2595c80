import numpy as np
import pytest

from isthmus.anchors import farthest_point


def test_equals_the_plain_choice_over_many_blocks(rows):
    found = farthest_point(rows, 150, rng=0).tolist()
    near = rows @ rows[found[0]]
    for row in found[1:]:
        assert near[row] == pytest.approx(near.min(), abs=1e-12)
        near = np.maximum(near, rows @ rows[row])


def test_equals_a_naive_search(clusters):
    rows = farthest_point(clusters, 8, rng=0).tolist()
    unit = clusters / np.linalg.norm(clusters, axis=1)[:, None]
    for j in range(1, 8):
        nearest = (unit @ unit[rows[:j]].T).max(axis=1)
        nearest[rows[:j]] = np.inf
        assert nearest[rows[j]] == pytest.approx(nearest.min())
