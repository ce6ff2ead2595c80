"""Neighbours against brute force in float64, for every metric and kind of array."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from isthmus.core.errors import InputError
from isthmus.core.neighbors import METRICS, neighbors, partner_ranks, unit


def oracle(queries, base, k, metric, exclude_self=False):
    q, b = queries.astype(np.float64), base.astype(np.float64)
    if metric == "euclidean":
        cost = np.linalg.norm(q[:, None] - b[None], axis=2)
    elif metric == "cosine":
        norm = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
        cost = 1 - np.divide(q @ b.T, norm, out=np.zeros_like(norm), where=norm > 0)
    else:
        cost = -(q @ b.T)
    if exclude_self:
        np.fill_diagonal(cost, np.inf)
    order = np.argsort(cost, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(cost, order, axis=1)
    return order, -found if metric == "inner" else found


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_equals_brute_force(metric, dtype, kind):
    rng = np.random.default_rng(0)
    base, queries = rng.normal(size=(300, 7)).astype(dtype), rng.normal(size=(40, 7)).astype(dtype)
    convert = torch.asarray if kind == "torch" else np.asarray
    indices, distances = neighbors(convert(queries), convert(base), 9, metric=metric)
    assert isinstance(indices, torch.Tensor if kind == "torch" else np.ndarray)
    expected = oracle(queries, base, 9, metric)
    np.testing.assert_array_equal(np.asarray(indices), expected[0])
    np.testing.assert_allclose(
        np.asarray(distances), expected[1], atol=1e-6 if dtype == "f4" else 1e-12
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_is_not_its_own_neighbour(metric):
    base = np.random.default_rng(1).normal(size=(80, 5))
    indices, _ = neighbors(base, base, 4, metric=metric, exclude_self=True)
    assert not (indices == np.arange(80)[:, None]).any()
    np.testing.assert_array_equal(indices, oracle(base, base, 4, metric, True)[0])


@pytest.mark.parametrize("shift", [1e3, 1e6])
def test_a_far_mean_and_tiny_gaps_do_not_confuse(shift):
    """|x|² - 2xy + |y|² in float32 would see nothing here."""
    base = np.random.default_rng(2).normal(size=(100, 4)) * 1e-3 + shift
    indices, distances = neighbors(base, base, 3, exclude_self=True)
    expected = oracle(base, base, 3, "euclidean", True)
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_allclose(distances, expected[1], rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-20, 1e20, 1e150])
def test_any_scale(scale):
    base = np.random.default_rng(3).normal(size=(60, 4))
    for metric in ("euclidean", "cosine"):
        plain, _ = neighbors(base, base, 5, metric=metric, exclude_self=True)
        scaled, _ = neighbors(base * scale, base * scale, 5, metric=metric, exclude_self=True)
        np.testing.assert_array_equal(plain, scaled)


def test_ties_go_to_the_lower_row():
    base = np.array([[0.0], [1.0], [-1.0], [1.0]])
    indices, distances = neighbors(base[:1], base, 4)
    assert indices.tolist() == [[0, 1, 2, 3]]
    assert distances.tolist() == [[0.0, 1.0, 1.0, 1.0]]


def test_identical_rows_have_distance_zero():
    base = np.repeat(np.random.default_rng(4).normal(size=(10, 3)), 2, axis=0).astype(np.float32)
    _, distances = neighbors(base, base, 1, exclude_self=True)
    assert not distances.any()


def test_zero_vectors_have_cosine_zero():
    base = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    _, distances = neighbors(base[:1], base, 3, metric="cosine")
    assert distances.tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"k": 0}, "k=0"),
        ({"k": 6}, r"k=6; expected 1 <= k <= 5 \(5 base rows\)\. Ask for fewer"),
        ({"k": 5, "exclude_self": True}, "k=5"),
        ({"metric": "manhattan"}, "one of euclidean, cosine, inner"),
        ({"base": np.ones((5, 3))}, r"\(5, 2\) and base \(5, 3\); expected equal dims\. Translate"),
        ({"queries": np.full((5, 2), np.nan)}, "NaN"),
    ],
)
def test_refusals(change, text):
    given = {"queries": np.eye(5, 2), "base": np.eye(5, 2), "k": 1} | change
    with pytest.raises(InputError, match=text):
        neighbors(given.pop("queries"), given.pop("base"), given.pop("k"), **given)


def test_unit_rows():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [1e200, 0.0]])
    assert unit(x).tolist() == [[0.6, 0.8], [0.0, 0.0], [1.0, 0.0]]


def test_ranks_equal_a_sort():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)), rng.normal(size=(80, 4))
    own = rng.permutation(80)[:50]
    cosine = (a / np.linalg.norm(a, axis=1)[:, None]) @ (b / np.linalg.norm(b, axis=1)[:, None]).T
    expected = [1 + np.sum(cosine[i] > cosine[i, own[i]]) for i in range(50)]
    np.testing.assert_allclose(partner_ranks(a, b, own=own), expected)


def test_a_map_to_one_point_ranks_at_chance_not_first():
    same = np.ones((41, 3))
    assert partner_ranks(same, same)[0] == 21


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("factor", "shift"), [(1, 1e6), (1, 1e7), (1e-170, 0), (1e200, 0), (1e-300, 0), (1e300, 0)]
)
def test_perfect_matches_rank_first_wherever_they_lie(metric, kind, factor, shift):
    x = np.random.default_rng(0).normal(size=(50, 4)) * factor + shift
    given = torch.asarray(x) if kind == "torch" else x
    assert (np.asarray(partner_ranks(given, given, metric=metric)) == 1).all()


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_ranks_by_inner_product_at_any_scale(size):
    x, y = np.random.default_rng(0).normal(size=(2, 50, 4))
    plain = partner_ranks(x, y, metric="inner")
    np.testing.assert_array_equal(partner_ranks(x * size, y * size, metric="inner"), plain)


@pytest.mark.parametrize("far", [1e6, 1e12, 1e100])
@pytest.mark.parametrize("side", ["x", "y", "both"])
def test_one_far_row_leaves_the_other_ranks_alone(far, side):
    rng = np.random.default_rng(1)
    y = rng.normal(size=(300, 8))
    x = y + 0.1 * rng.normal(size=y.shape)
    plain = partner_ranks(x, y, metric="euclidean")
    if side != "y":
        x[0] = far
    if side != "x":
        y[0] = far
    np.testing.assert_array_equal(partner_ranks(x, y, metric="euclidean")[1:], plain[1:])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_rows_that_differ_in_their_last_bits_tie(metric, size):
    """One point up to rounding, by either metric: chance, not first."""
    rng = np.random.default_rng(2)
    spread = 1.0 if metric == "cosine" else 1e-15
    same = rng.normal(size=(1, 16)) * (1.0 + spread * rng.random(size=(41, 1))) * size
    assert (same[0] != same[1]).any()
    assert partner_ranks(same, same, metric=metric).tolist() == [21.0] * 41


def test_ranks_of_zero_vectors_by_cosine():
    """Cosine 0 to everything: amid the rows that lie at a right angle, for either side."""
    x = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    y = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 0.0]])
    assert partner_ranks(x, y).tolist() == [2.0, 2.5, 2.0]
    assert partner_ranks(x, -y[[2, 0, 1]] + 0.0).tolist() == [2.0, 1.5, 2.0]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_more_duplicates_than_spares_go_to_the_lower_rows(metric, kind):
    rng = np.random.default_rng(5)
    base = rng.normal(size=(6, 3))[rng.integers(0, 6, 200)].astype(np.float32)
    if metric != "inner":
        base += 1000
    convert = torch.asarray if kind == "torch" else np.asarray
    indices, _ = neighbors(convert(base), convert(base), 5, metric=metric, exclude_self=True)
    for i, found in enumerate(np.asarray(indices)):
        same = np.flatnonzero((base == base[i]).all(axis=1))
        if metric != "inner":
            assert found.tolist() == same[same != i][:5].tolist()
    np.testing.assert_array_equal(indices, oracle(base, base, 5, metric, True)[0])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_rows_that_float32_cannot_tell_apart(metric, monkeypatch):
    """Ten clusters of rows that differ by 1e-6 of their distance from each other."""
    rng = np.random.default_rng(6)
    base = np.repeat(rng.normal(size=(10, 8)), 40, axis=0) + 1e-6 * rng.normal(size=(400, 8))
    expected = oracle(base, base, 5, "euclidean" if metric == "euclidean" else metric, True)[0]
    if metric == "cosine":
        length = np.linalg.norm(base, axis=1, keepdims=True)
        expected = oracle(base / length, base / length, 5, "euclidean", True)[0]
    indices, _ = neighbors(base, base, 5, metric=metric, exclude_self=True)
    np.testing.assert_array_equal(indices, expected)
    # Without the bound on rounding the float32 proposal would have been believed.
    import isthmus.core.nearest as nearest

    monkeypatch.setattr(nearest, "_rounding", lambda q, b, rows, least, dtype, metric: 0 * least)
    believed, _ = neighbors(base, base, 5, metric=metric, exclude_self=True)
    assert (believed != indices).any()


def test_a_few_far_rows_do_not_cost_the_proof(monkeypatch):
    """Their lengths do not enter the bound of rows that they cannot be near to."""
    import isthmus.core.nearest as nearest

    base = np.random.default_rng(7).normal(size=(500, 16)).astype(np.float32)
    base[:3] *= 100
    expected = oracle(base, base, 5, "euclidean", True)[0]

    def counted(q, b, rows, *rest):
        again.extend(rows)
        return band(q, b, rows, *rest)

    band, again = nearest._band, []
    monkeypatch.setattr(nearest, "_band", counted)
    np.testing.assert_array_equal(neighbors(base, base, 5, exclude_self=True)[0], expected)
    assert len(again) < 10


@pytest.mark.parametrize("metric", METRICS)
def test_blocks_do_not_matter(metric, monkeypatch):
    import isthmus.core.nearest as nearest

    rng = np.random.default_rng(8)
    base, queries = rng.normal(size=(700, 5)), rng.normal(size=(90, 5))
    base[:30] = base[30]
    for asked in (queries, base):
        itself = asked is base
        with monkeypatch.context() as cut:
            whole = neighbors(asked, base, 7, metric=metric, exclude_self=itself)
            for name, size in {"_PANEL": 70, "_ENTRIES": 64, "_CELLS": 900}.items():
                cut.setattr(nearest, name, size)
            found = neighbors(asked, base, 7, metric=metric, exclude_self=itself)
        for one, two in zip(found, whole, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("metric", METRICS)
def test_threads_do_not_matter(metric, monkeypatch):
    """Blocks on two threads, those settled in float64 among them, give what one gives."""
    import isthmus.core.nearest as nearest

    base = np.random.default_rng(10).normal(size=(400, 6))
    base[200:] += 1e5  # too far apart for float32
    monkeypatch.setattr(nearest, "_CELLS", 9000)
    found = []
    for limit in (1, 2):
        with threadpool_limits(limit, user_api="blas"):
            found.append(neighbors(base, base, 7, metric=metric, exclude_self=True))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_directions_that_differ_by_little():
    """All cosines are 1 - 1e-8: a float32 product of unit rows sees nothing."""
    base = 1e-4 * np.random.default_rng(9).normal(size=(200, 4)) + [1.0, 2.0, 3.0, 4.0]
    unit_rows = base / np.linalg.norm(base, axis=1, keepdims=True)
    expected = oracle(unit_rows, unit_rows, 4, "euclidean", True)
    indices, distances = neighbors(base, base, 4, metric="cosine", exclude_self=True)
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_allclose(distances, expected[1] ** 2 / 2, rtol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "inner"])
def test_sides_may_differ_in_precision(metric):
    rng = np.random.default_rng(3)
    q, b = rng.normal(size=(20, 4)), rng.normal(size=(50, 4)).astype(np.float32)
    mixed = neighbors(q, b, 5, metric=metric)[0]
    assert np.array_equal(mixed, neighbors(q, b.astype(np.float64), 5, metric=metric)[0])
    back = neighbors(b, 1e200 * q if metric != "inner" else q, 5, metric=metric)
    assert np.isfinite(back[1]).all()
