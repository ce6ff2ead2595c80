"""The tree against Kruskal on all distances, where lists of neighbours suffice and where not."""

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

from isthmus.measures import spanning_tree as module
from isthmus.measures.spanning_tree import spanning_tree
from isthmus.testing.kinds import array_kinds


def kruskal(x):
    """Edges and lengths from all pairs, one by one in order of (length, lower row, higher row)."""
    x = np.asarray(x, dtype=np.float64)
    low, high = np.triu_indices(len(x), 1)
    apart = np.concatenate([np.linalg.norm(x[i + 1 :] - x[i], axis=1) for i in range(len(x) - 1)])
    part, edges, lengths = np.arange(len(x)), [], []
    for p in np.lexsort((high, low, apart)):
        i, j = low[p], high[p]
        if part[i] != part[j]:
            part[part == part[j]] = part[i]
            edges.append((i, j))
            lengths.append(apart[p])
    return np.array(edges), np.array(lengths)


def clusters(rng, count, size, d, spread, far):
    middles = rng.normal(size=(count, d)) * far
    return (middles[:, None] + spread * rng.normal(size=(count, size, d))).reshape(-1, d)


RNG = np.random.default_rng(0)
GRID = np.stack(np.meshgrid(*[np.arange(4.0)] * 4), axis=-1).reshape(-1, 4)
CASES = {
    "normal": RNG.normal(size=(300, 6)),
    "many columns": RNG.normal(size=(150, 400)),
    "two rows": RNG.normal(size=(2, 3)),
    "fewer rows than neighbours": RNG.normal(size=(5, 2)),
    "one column": RNG.normal(size=(200, 1)),
    "two clusters far apart": clusters(RNG, 2, 100, 5, 1.0, 1e4),
    "clusters of any size": np.concatenate(
        [RNG.normal(size=(n, 4)) + 1e3 * RNG.normal(size=4) for n in (1, 2, 9, 10, 30, 31, 80)]
    ),
    "near-copies": clusters(RNG, 12, 20, 8, 1e-7, 1.0),
    "far rows": np.append(RNG.normal(size=(200, 3)), [[1e9, 0, 0], [-1e12, 1, 2]], axis=0),
    "offset of a thousand sigmas": (RNG.normal(size=(250, 10)) + 1000).astype(np.float32),
    "float32": RNG.normal(size=(250, 10)).astype(np.float32),
    "an exponential line": 2.0 ** np.arange(60.0)[:, None],
}
#: Where many distances are equal, each of them exactly.
TIED = {
    "a line": np.arange(90.0)[:, None],
    "a grid": GRID,
    "a shuffled grid": RNG.permutation(GRID),
    "duplicates": np.repeat(RNG.integers(0, 3, size=(12, 3)).astype(float), 20, axis=0),
    "duplicates amid others": np.append(np.zeros((60, 3)), RNG.normal(size=(90, 3)), axis=0),
    "all equal": np.ones((40, 3)),
    "zeros of either sign": np.array([[0.0, 1.0], [3.0, -0.0], [-0.0, 1.0], [3.0, 0.0]]),
    "equal sums": RNG.permuted(np.tile(np.arange(4.0), (60, 1)), axis=1),
    "a simplex": np.eye(40),
    "two simplices": np.kron(np.eye(2), np.eye(20)) + np.repeat([[0.0], [1e3]], 20, axis=0),
    "bits": RNG.integers(0, 2, size=(200, 12)).astype(float),
}


@pytest.mark.parametrize("x", [*CASES.values(), *TIED.values()], ids=[*CASES, *TIED])
def test_equals_kruskal_on_all_distances(x):
    edges, lengths = spanning_tree(x)
    true_edges, true_lengths = kruskal(x)
    assert np.array_equal(edges, true_edges)
    np.testing.assert_allclose(lengths, true_lengths, rtol=1e-14, atol=0)


@pytest.mark.parametrize("x", CASES.values(), ids=CASES)
def test_is_as_long_as_scipys_tree(x):
    full = squareform(pdist(x.astype(np.float64)))
    assert spanning_tree(x)[1].sum() == pytest.approx(minimum_spanning_tree(full).sum(), rel=1e-12)


def test_the_lists_alone_would_not_do():
    """Joining every part by its best listed edge, unproved, is the mistake that these cases see."""
    x = CASES["clusters of any size"]
    near = np.argsort(squareform(pdist(x)), axis=1)[:, : module._LISTED + 1]
    listed = {(min(i, j), max(i, j)) for i in range(len(x)) for j in near[i]}
    assert not {tuple(edge) for edge in spanning_tree(x)[0].tolist()} <= listed


def test_near_copies_that_the_search_takes_for_equal():
    """Of more than it may list, the search gives the lower rows and not the nearest."""
    rng = np.random.default_rng(1)
    x = np.concatenate([1e-9 * rng.normal(size=(400, 2)) + 1.0, rng.normal(size=(100, 2)) - 3])
    np.testing.assert_allclose(spanning_tree(x)[1], kruskal(x)[1], rtol=1e-14)


def test_few_rows_are_searched_again(monkeypatch):
    searched = []
    true = module._Rows.nearest_outside

    def spy(self, rows, part):
        searched.append(len(rows))
        return true(self, rows, part)

    monkeypatch.setattr(module._Rows, "nearest_outside", spy)
    spanning_tree(np.random.default_rng(2).normal(size=(2000, 20)))
    assert sum(searched) < 20
    spanning_tree(CASES["two clusters far apart"])
    assert sum(searched) > 80


@pytest.mark.parametrize("scale", [2.0**-600, 2.0**600])
def test_scale_changes_no_edge(scale):
    x = CASES["clusters of any size"]
    edges, lengths = spanning_tree(x * scale)
    assert np.array_equal(edges, spanning_tree(x)[0])
    assert np.array_equal(lengths, spanning_tree(x)[1] * scale)


@pytest.mark.parametrize("kind", array_kinds())
@pytest.mark.parametrize("case", ["float32", "clusters of any size", "offset of a thousand sigmas"])
def test_every_kind_of_array_has_the_same_tree(kind, case):
    convert, x = array_kinds()[kind], CASES[case]
    for theirs, ours in zip(spanning_tree(convert(x)), spanning_tree(x), strict=True):
        assert np.array_equal(theirs, ours)


def test_order_of_rows_changes_no_length():
    x = CASES["normal"]
    order = np.random.default_rng(3).permutation(len(x))
    assert np.array_equal(spanning_tree(x)[1], spanning_tree(x[order])[1])
