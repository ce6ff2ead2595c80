import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from isthmus.measures import rdm
from isthmus.measures.rdm import Dissimilarities, RowSums

METRICS = {
    "euclidean": "euclidean",
    "squared_euclidean": "sqeuclidean",
    "cosine": "cosine",
    "correlation": "correlation",
}


def sides(n=70, d=5, dtype="f8", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 2
    return x.astype(dtype), (x[:, :4] + rng.normal(size=(n, 4))).astype(dtype)


def made(spaces, distance="euclidean"):
    return [Dissimilarities("x", side, operation="test", distance=distance) for side in spaces]


def expected(spaces, distance):
    """Row sums of whole matrices of distances, in units of their means."""
    a, b = (cdist(side, side, METRICS[distance]) for side in np.float64(spaces))
    a, b = a / a.mean(), b / b.mean()
    return [m.sum(axis=1) for m in (a, a * a, b, b * b, a * b)]


def in_means(sums):
    n = len(sums.a)
    a, b = sums.a.sum() / n**2, sums.b.sum() / n**2
    return [sums.a / a, sums.aa / a**2, sums.b / b, sums.bb / b**2, sums.ab / a / b]


# Beyond 4 d rows all but euclidean distances come from products of d x d.
@pytest.mark.parametrize("d", [5, 30])
@pytest.mark.parametrize("distance", METRICS)
@pytest.mark.parametrize(("dtype", "close"), [("f8", 1e-12), ("f4", 1e-6)])
def test_row_sums_of_blocks_and_of_products_are_those_of_whole_matrices(
    monkeypatch, d, distance, dtype, close
):
    monkeypatch.setattr(rdm, "_SIDE", 16)
    x, _ = sides(d=d, dtype=dtype)
    y = x[:, ::-1] ** 2
    found = in_means(RowSums.of_rows(*made((x, y), distance)))
    for sums, whole in zip(found, expected((x, y), distance), strict=True):
        np.testing.assert_allclose(sums, whole, rtol=close)


def near_rows():
    """float32 rows of which the second half is the first, moved by a hundred-thousandth."""
    x = sides(n=32, d=20)[0]
    return np.vstack([x, x + 1e-5 * np.random.default_rng(1).normal(size=x.shape)]).astype("f4")


def worst(x):
    """The largest relative error of a distance between the halves."""
    half = len(x) // 2
    one, first, second = made([x])[0], slice(0, half), slice(half, 2 * half)
    found = np.sqrt(np.abs(one.block(first, second)))
    true = cdist(np.float64(x[first]), np.float64(x[second]))
    scale = found.sum() / true.sum()
    return np.abs(found / scale / true - 1).max()


def test_near_rows_keep_their_distances_and_float32_products_alone_would_not(monkeypatch):
    assert worst(near_rows()) < 1e-4
    assert worst(sides(n=64, d=20, dtype="f4")[0]) < 1e-6
    monkeypatch.setattr(rdm, "_NEAR", -1)
    assert worst(near_rows()) > 0.1


def test_equal_rows_are_at_distance_zero_and_each_pair_of_blocks_comes_once(monkeypatch):
    monkeypatch.setattr(rdm, "_SIDE", 16)
    x = np.tile(sides(n=20)[0], (2, 1))
    one = made([x])[0]
    seen = np.zeros((40, 40))
    for rows, columns in one.blocks():
        seen[rows, columns] += 1
        block = one.block(rows, columns)
        np.testing.assert_array_equal(block == 0, cdist(x[rows], x[columns]) == 0)
    assert np.triu(seen).sum() == 820
    assert seen.max() == 1


def test_rows_as_large_as_numbers_go_have_distances():
    x, y = sides()
    plain, large = (RowSums.of_rows(*made((side, y))) for side in (x, x * 2e307))
    np.testing.assert_allclose(large.ab, plain.ab, rtol=1e-12)


def test_some_rows_and_kernels_are_in_the_units_of_the_whole():
    one = made([sides(n=30, dtype="f4")[0]])[0]
    rows = np.array([17, 3, 5, 29])
    some, whole = one.among(rows), one.block(slice(0, 30), slice(0, 30))
    np.testing.assert_allclose(
        some.block(slice(0, 2), slice(2, 4)), whole[rows[:2]][:, rows[2:]], rtol=1e-6
    )
    halved = some.kernel(lambda squared: squared / 2)
    np.testing.assert_allclose(halved.condensed(), some.condensed() ** 2 / 2)
    assert [each.plain for each in (some, halved)] == [False, False]
    assert len(one.rows) == 30  # as it was


def test_either_side_may_be_rooted():
    x, y = sides(n=30)
    root, square = made([x])[0], made([y], distance="squared_euclidean")[0]
    mixed, other = RowSums.of_rows(root, square), RowSums.of_rows(square, root)
    np.testing.assert_allclose(mixed.bb, RowSums.of_rows(square, square).aa)
    np.testing.assert_allclose(mixed.aa, other.bb)


@pytest.mark.parametrize("cells", [1 << 22, 3000, 0])
@pytest.mark.parametrize("kind", ["apart", "tied", "copies"])
def test_order_statistics_are_those_of_all_distances(kind, cells, monkeypatch):
    """Whether all, few or no distances may be held, and ties are many."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (600, 3)).astype(float) if kind == "tied" else rng.normal(size=(600, 3))
    if kind == "copies":
        x[:400] = x[0]
    monkeypatch.setattr(rdm, "_CELLS", cells)
    d = Dissimilarities("x", x, operation="test")
    scale = d.order_statistics([600 * 599 // 2 - 1])[0] / pdist(x).max()
    ranks = [0, 7, 79_860, 79_861, 100_000, 179_699]
    expected = scale * np.sort(pdist(x))[ranks]
    np.testing.assert_allclose(d.order_statistics(ranks), expected, rtol=0, atol=1e-7)
    if kind == "apart":
        np.testing.assert_allclose(d.order_statistics(ranks), expected, rtol=1e-11)
