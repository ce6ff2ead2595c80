"""Counts, gains and null of neighbour lists against sets, deletions and shuffles."""

import numpy as np
import pytest

from isthmus.measures.neighbour_lists import (
    counts,
    gains,
    neighbour_lists,
    null_covariance,
    weighted_sums,
)


def related(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    return x, x + 0.7 * rng.normal(size=(n, 3))


def lists(x, y, k=4):
    return neighbour_lists(x, y, k, "euclidean", operation="test")[0]


def test_counts_are_those_of_sets():
    both = lists(*related())
    for i in range(40):
        for d in range(1, 5):
            assert counts(both)[i, d - 1] == len(set(both.x[i, :d]) & set(both.y[i, :d]))


def test_gains_are_those_of_leaving_rows_out(monkeypatch):
    import sys

    x, y = related()
    weights = np.array([0.5, 0.3, 0.2, 0.7])
    row = lambda shared: shared @ weights  # noqa: E731
    both = lists(x, y)
    own, gain = row(counts(both)), gains(both, row)
    for m in range(40):
        left = row(counts(lists(np.delete(x, m, 0), np.delete(y, m, 0)))).sum()
        assert left == pytest.approx(own.sum() - own[m] + gain[m], abs=1e-9)
    monkeypatch.setattr(sys.modules["isthmus.measures.neighbour_lists"], "_ENTRIES", 200)
    np.testing.assert_allclose(gains(both, row), gain)


def test_null_is_that_of_shuffled_rows():
    x, y = related()
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(500):
        order = rng.permutation(40)
        drawn.append(counts(lists(x, y[order])).sum(axis=0))
    mean, covariance = null_covariance(lists(x, y))
    drawn = np.array(drawn)
    error = np.sqrt(np.diag(covariance) / len(drawn))
    assert (np.abs(drawn.mean(axis=0) - mean) < 4 * error).all()
    np.testing.assert_allclose(np.cov(drawn.T), covariance, rtol=0.35)


def test_weighted_sums_are_those_of_the_matrix():
    x, y = related()
    near = lists(x, y).x
    weights = np.random.default_rng(2).normal(size=near.shape)
    a = np.zeros((40, 40))
    np.put_along_axis(a, near, weights, axis=1)
    sums = weighted_sums(near, weights)
    rows, columns = a.sum(axis=1), a.sum(axis=0)
    expected = [a.sum(), (a**2).sum(), (a * a.T).sum(), rows @ rows, columns @ columns]
    found = [sums.total, sums.squares, sums.mutual, sums.rows, sums.columns]
    np.testing.assert_allclose(found, expected)
    assert sums.through == pytest.approx(rows @ columns)
