"""The search itself: its candidates, its bound on rounding, its order, against long doubles."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from isthmus.core import nearest
from isthmus.core.nearest import search
from isthmus.core.neighbors import METRICS


def costs(q, b, metric):
    """What every pair costs, (n, m), straight from the definitions in long doubles."""
    q, b = q.astype(np.longdouble), b.astype(np.longdouble)
    if metric == "inner":
        return -(q @ b.T)
    if metric == "euclidean":
        return np.sqrt(((q[:, None] - b[None]) ** 2).sum(axis=2))
    sizes = [np.sqrt((x * x).sum(axis=1, keepdims=True)) for x in (q, b)]
    u, v = (x / np.where(size > 0, size, 1) for x, size in zip((q, b), sizes, strict=True))
    out = ((u[:, None] - v[None]) ** 2).sum(axis=2) / 2
    out[sizes[0][:, 0] == 0] = 1
    out[:, sizes[1][:, 0] == 0] = 1
    return out


CLOUDS = {
    "gauss": lambda rng, n, d: rng.normal(size=(n, d)),
    "few values": lambda rng, n, d: rng.integers(-1, 2, size=(n, d)) * 1.0,
    "offset": lambda rng, n, d: rng.normal(size=(n, d)) + 1e6,
    "far and fine": lambda rng, n, d: rng.integers(0, 3, size=(n, d)) * 1e-5 + 1e4,
    "all sizes": lambda rng, n, d: rng.normal(size=(n, d)) * 10.0 ** rng.integers(-8, 9, (n, 1)),
    "outliers": lambda rng, n, d: rng.normal(size=(n, d)) * 1e9 ** (rng.random((n, 1)) < 0.1),
    "zeros": lambda rng, n, d: np.zeros((n, d)),
    "tiny": lambda rng, n, d: rng.normal(size=(n, d)) * 1e-30,
    "large": lambda rng, n, d: rng.normal(size=(n, d)) * 1e30,
}  # fmt: skip


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_costs_are_the_least_there_are_of_whatever_rows(cloud, dtype, metric):
    rng = np.random.default_rng(len(cloud))
    for _ in range(12):
        d, m, n = (int(rng.integers(1, high)) for high in (9, 60, 30))
        b = CLOUDS[cloud](rng, m, d).astype(dtype)
        own = bool(rng.integers(2)) and m > 1
        q = b if own else CLOUDS[cloud](rng, n, d).astype(dtype)
        k = int(rng.integers(1, m - own + 1))
        found, told = search(q, b, k, kind=q, metric=metric, exclude_self=own)
        cost = costs(q, b, metric)
        if own:
            np.fill_diagonal(cost, np.inf)
        least = np.sort(cost, axis=1)[:, :k]
        paid = np.take_along_axis(cost, found, axis=1)
        bits = 1e-14 * least
        if metric == "cosine":  # unit rows are rounded, and so are their differences
            bits = 4e-14 * np.sqrt(np.maximum(least, 1e-32)) + 1e-28
        elif metric == "inner":
            sizes = [np.linalg.norm(x.astype(float), axis=1) for x in (q, b)]
            bits = 1e-14 * sizes[0][:, None] * sizes[1].max()
        assert (np.abs(paid - least) <= bits).all()
        assert (np.abs(np.where(metric == "inner", -told, told) - paid) <= bits).all()
        assert all(len(set(row)) == k for row in found)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 5, 40])
def test_of_equal_costs_the_lower_rows_come_first(metric, k):
    # Whole numbers, so that every cost is exact and ties are everywhere.
    rng = np.random.default_rng(0)
    b = rng.integers(-1, 2, size=(300, 2)).astype("f4")
    q = np.array([[1, 0], [0, 1], [1, 1], [-1, 0]], "f4")
    cost = np.round(costs(q, b, metric).astype(float), 9)
    found, _ = search(q, b, k, kind=q, metric=metric, exclude_self=False)
    assert np.array_equal(found, np.argsort(cost, axis=1, kind="stable")[:, :k])


@pytest.mark.parametrize("metric", METRICS)
def test_one_row_is_its_only_neighbour(metric):
    x = np.array([[3.0, 4.0]])
    found, told = search(x, x, 1, kind=x, metric=metric, exclude_self=False)
    assert found.tolist() == [[0]]
    assert told.tolist() == [[25.0 if metric == "inner" else 0.0]]


@pytest.mark.parametrize("metric", METRICS)
def test_memory_layout_and_constant_columns_do_not_matter(metric):
    rng = np.random.default_rng(1)
    x = np.c_[rng.normal(size=(90, 5)), np.full(90, 0.0)]
    plain = search(x, x, 7, kind=x, metric=metric, exclude_self=True)
    wide = np.zeros((180, 12))
    wide[::2, ::2] = x
    for same in (np.asfortranarray(x), wide[::2, ::2], x[::-1][::-1]):
        found = search(same, same, 7, kind=same, metric=metric, exclude_self=True)
        assert np.array_equal(found[0], plain[0])
        assert found[1] == pytest.approx(plain[1], rel=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("cloud", ["gauss", "offset", "all sizes", "outliers", "far and fine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bound_holds_for_every_score_that_could_matter(cloud, metric, dtype):
    rng = np.random.default_rng(2)
    q, b = CLOUDS[cloud](rng, 40, 12), CLOUDS[cloud](rng, 200, 12)
    side_q, side_b = nearest._sides(q, b, metric)
    asked, base = side_q.cut(slice(None)), side_b.cut(slice(None))
    exact = asked.astype(np.longdouble) @ base.astype(np.longdouble).T - side_b.half
    if dtype == np.float32:
        own = side_q.coarse()
        own[:, -1] = 1
        rounded = own @ side_b.coarse().T
    else:
        rounded = asked @ base.T - side_b.half
    least = np.sort(exact, axis=1)[:, -5].astype(float)
    bound = nearest._rounding(side_q, side_b, np.arange(40), least, dtype, metric)
    for row in range(40):
        matters = exact[row] >= least[row]
        assert (np.abs(rounded[row] - exact[row])[matters] <= bound[row]).all()
        # And no other row may seem to be nearer than by twice that.
        assert (rounded[row][~matters] <= least[row] + bound[row]).all()


@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_in_the_order_of_nearness(metric):
    rng = np.random.default_rng(3)
    q, b = rng.normal(size=(20, 6)), rng.normal(size=(50, 6)) * 3 + 1
    b[7] = 0
    side_q, side_b = nearest._sides(q, b, metric)
    scores = side_q.cut(slice(None)) @ side_b.cut(slice(None)).T - side_b.half
    order = np.argsort(-scores, axis=1)
    along = np.take_along_axis(costs(q, b, metric), order, axis=1)
    assert (np.diff(along, axis=1) >= -1e-12).all()


@pytest.mark.parametrize("width", [16, 64, 320, 8192])
@pytest.mark.parametrize("k", [1, 3, 9])
def test_the_largest_are_found_through_the_maxima_of_groups(width, k):
    rng = np.random.default_rng(4)
    rising = np.tile(np.arange(width, dtype="f4"), (8, 1))
    for scores in (rng.normal(size=(8, width)).astype("f4"), 0 * rising, rising, -rising):
        columns, values = nearest._largest(scores, k)
        assert np.array_equal(np.sort(values, axis=1), np.sort(scores, axis=1)[:, width - k :])
        assert np.array_equal(np.take_along_axis(scores, columns, axis=1), values)
        assert all(len(set(row)) == k for row in columns)


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("cells", [30**2, 64**2, 1000**2])
@pytest.mark.parametrize("wanted", [1, 9, 45])
def test_rows_among_themselves_find_the_largest_of_all_scores(wanted, cells, cores, monkeypatch):
    """Also where blocks are narrower than what is wanted, or each holds better rows than before."""
    monkeypatch.setattr(nearest, "_CELLS", cells)
    rng = np.random.default_rng(5)
    for x in (rng.normal(size=(200, 4)), np.linspace(1, 2, 200)[:, None] ** np.arange(4)):
        base = np.column_stack([x, -(x**2).sum(axis=1) / 2]).astype("f4")
        scores = base[:, :-1] @ base[:, :-1].T + base[:, -1]
        with threadpool_limits(cores, user_api="blas"):
            columns, values = nearest._among(base, wanted)(slice(None))
        best = np.sort(scores, axis=1)[:, -wanted:]
        np.testing.assert_allclose(np.sort(values, axis=1), best, atol=2e-6)
        np.testing.assert_allclose(np.take_along_axis(scores, columns, 1), values, atol=2e-6)
        assert all(len(set(row)) == wanted for row in columns)


def test_the_largest_leave_the_padding_alone():
    scores = np.full((3, 8192), -np.inf, "f4")
    scores[:, 5:9] = [-3, -1, -2, -4]
    columns, _ = nearest._largest(scores, 4)
    assert np.sort(columns, axis=1).tolist() == [[5, 6, 7, 8]] * 3


@pytest.mark.parametrize("metric", METRICS)
def test_rows_left_open_by_float32_are_searched_again_in_float64(metric, monkeypatch):
    again = []
    band = nearest._band
    monkeypatch.setattr(nearest, "_band", lambda *a: again.extend(a[2].tolist()) or band(*a))
    rng = np.random.default_rng(5)
    b = rng.normal(size=(500, 4))
    b[:100] = b[0] + 1e-9 * rng.normal(size=(100, 4))  # more than the spare candidates
    q = np.r_[b[:1], b[200:201]]
    found, _ = search(q, b, 3, kind=q, metric=metric, exclude_self=False)
    cost = costs(q, b, metric)
    assert np.take_along_axis(cost, found, axis=1) == pytest.approx(
        np.sort(cost, axis=1)[:, :3], rel=1e-6, abs=1e-22
    )
    if metric != "inner":
        assert again == [0]


@pytest.mark.parametrize("metric", METRICS)
def test_of_more_ties_than_are_looked_at_the_lower_are_taken(metric):
    b = np.ones((1000, 3), "f4")
    for own in (False, True):
        found, _ = search(b, b, 4, kind=b, metric=metric, exclude_self=own)
        for row in (0, 2, 999):
            assert found[row].tolist() == [i for i in range(6) if not own or i != row][:4]
