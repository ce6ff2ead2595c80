import numpy as np
import pytest

from isthmus.anchors import uniform
from isthmus.core.errors import InputError


def test_every_row_is_as_likely():
    x = np.eye(10)
    counts = np.zeros(10)
    for seed in range(400):
        counts[uniform(x, 3, rng=seed)] += 1
    assert np.abs(counts / 400 - 0.3).max() < 0.1


def test_zero_rows_are_never_drawn_and_the_others_alike():
    x = np.eye(10)
    x[[2, 5]] = 0
    counts = sum(np.bincount(uniform(x, 3, rng=seed), minlength=10) for seed in range(400))
    assert counts[[2, 5]].tolist() == [0, 0]
    assert np.abs(np.delete(counts, [2, 5]) / 400 - 3 / 8).max() < 0.1
    assert uniform(x, 8).tolist() == [0, 1, 3, 4, 6, 7, 8, 9]
    with pytest.raises(InputError, match=r"count=9; expected 1 <= count <= 8 non-zero rows"):
        uniform(x, 9)
