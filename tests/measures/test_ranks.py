"""Ranks and their sums against a sort of the whole distance matrix."""

import numpy as np
import pytest

from isthmus.measures import ranks


def whole(x):
    d = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(d, np.inf)
    found = np.empty(d.shape, int)
    np.put_along_axis(found, np.argsort(d, axis=1), np.arange(1, len(x) + 1)[None], axis=1)
    return found


def test_rank_rows_are_those_of_a_sort():
    x = np.random.default_rng(0).normal(size=(50, 3)) + 100
    found, tied = ranks.rank_rows(*ranks.centred_points(x), np.arange(10, 30))
    np.testing.assert_array_equal(np.argsort(found, axis=1) + 1, whole(x)[10:30])
    assert tied == 0
    x[:20] = x[0]
    assert ranks.rank_rows(*ranks.centred_points(x), np.arange(50))[1] > 0.1


@pytest.mark.parametrize("columns", [1, 2, 1024, 1025])
def test_by_rank_is_a_stable_sort(columns):
    rng = np.random.default_rng(columns)
    d = rng.normal(size=(40, columns))
    d[:10] = rng.integers(-2, 3, size=(10, columns))  # ties
    d[10:20] = 1 + 1e-16 * rng.integers(0, 50, size=(10, columns))  # apart by the last bits alone
    d[20:30] *= 10.0 ** rng.integers(-300, 300, size=(10, columns))
    d[30, 0] = np.inf
    before = d.copy()
    np.testing.assert_array_equal(ranks.by_rank(d), np.argsort(d, axis=1, kind="stable"))
    np.testing.assert_array_equal(d, before)


@pytest.mark.parametrize("beyond", [0, 7])
@pytest.mark.parametrize("entries", [2**19, 100])
def test_sums_are_those_of_the_matrix(beyond, entries, monkeypatch):
    monkeypatch.setattr(ranks, "_ENTRIES", entries)
    x = np.random.default_rng(0).normal(size=(50, 3))
    a = np.maximum(whole(x) - beyond, 0.0)
    np.fill_diagonal(a, 0)
    rows, columns = a.sum(axis=1), a.sum(axis=0)
    sums = ranks.rank_sums(*ranks.centred_points(x), beyond=beyond)
    expected = [a.sum(), (a**2).sum(), (a * a.T).sum(), rows @ rows, columns @ columns]
    found = [sums.total, sums.squares, sums.mutual, sums.rows, sums.columns]
    np.testing.assert_allclose(found, expected)
    assert sums.through == pytest.approx(rows @ columns)
