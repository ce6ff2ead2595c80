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
    np.testing.assert_array_equal(found, whole(x)[10:30])
    assert tied == 0
    x[:20] = x[0]
    assert ranks.rank_rows(*ranks.centred_points(x), np.arange(50))[1] > 0.1


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
