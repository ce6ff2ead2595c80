"""ripser: the bars behind RTD, from another engine than the one that ours uses."""

import gudhi
import numpy as np
import pytest
from ripser import ripser
from scipy.spatial.distance import pdist, squareform

from isthmus.measures import rtd


def distances(x):
    apart = pdist(x)
    return squareform(apart / np.quantile(apart, 0.9))


def bars(w, v):
    """H1 of the rows at w, joined by prisms to copies at min(w, v), w closed by a cone."""
    n, far = len(w), 100.0
    matrix = np.full((2 * n + 1, 2 * n + 1), far)
    matrix[:n, :n], matrix[n:-1, n:-1] = w, np.minimum(w, v)
    for i in range(n):
        matrix[i, n + i : -1] = matrix[n + i : -1, i] = w[i, i:]
    matrix[:n, -1] = matrix[-1, :n] = 0
    np.fill_diagonal(matrix, 0)
    found = ripser(matrix, distance_matrix=True, maxdim=1, thresh=far / 2)["dgms"][1]
    return float(np.sum(found[:, 1] - found[:, 0]))


def by_definition(w, v):
    """The relative homology itself: the complex of min(w, v) with a cone over that of w."""
    n, low = len(w), np.minimum(w, v)
    tree = gudhi.SimplexTree()
    for i in range(n):
        tree.insert([i, n], 0.0)
    for i in range(n):
        for j in range(i):
            tree.insert([j, i], low[i, j])
            tree.insert([j, i, n], w[i, j])
            for k in range(j):
                tree.insert([k, j, i], max(low[i, j], low[i, k], low[j, k]))
    tree.compute_persistence(homology_coeff_field=2, persistence_dim_max=True)
    found = tree.persistence_intervals_in_dimension(1)
    return float(np.sum(found[:, 1] - found[:, 0]))


@pytest.mark.parametrize("direction", ["x_to_y", "y_to_x"])
def test_bars(compare, spaces, direction):
    x, y = (side[:24] for side in spaces)
    pair = (distances(x), distances(y)) if direction == "x_to_y" else (distances(y), distances(x))
    compare.same(
        f"rtd, {direction}", "ripser of the doubled graph", theirs=bars(*pair),
        ours=rtd(x, y, batch=24, batches=1).parts[direction][0], oracle=by_definition(*pair),
        equation="Barannikov 2022", tolerance=1e-5,
    )  # fmt: skip
