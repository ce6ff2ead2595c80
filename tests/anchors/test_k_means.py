import numpy as np

from isthmus.anchors import k_means
from isthmus.anchors.clusters import cluster_centres
from isthmus.core.random import generator


def test_anchors_are_the_rows_nearest_to_centres_no_row_twice(rows):
    rows = rows[:300]
    centres = cluster_centres(rows, 40, generator(0))
    cosines = centres @ rows.T
    # The most certain centre chooses first; a row that is taken leaves the next one to the others.
    order = sorted(range(40), key=lambda c: -max(cosines[c]))
    expected = []
    for c in order:
        expected.append(
            max((r for r in range(300) if r not in expected), key=lambda r: cosines[c, r])
        )
    assert k_means(rows * 3, 40, rng=0).tolist() == sorted(expected)


def test_length_of_rows_does_not_count(rows):
    lengths = np.random.default_rng(0).uniform(0.1, 10, size=(len(rows), 1))
    np.testing.assert_array_equal(k_means(rows * lengths, 20), k_means(rows, 20))
