import numpy as np

from isthmus.anchors import uniform


def test_every_row_is_as_likely():
    x = np.eye(10)
    counts = np.zeros(10)
    for seed in range(400):
        counts[uniform(x, 3, rng=seed)] += 1
    assert np.abs(counts / 400 - 0.3).max() < 0.1
