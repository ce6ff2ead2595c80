"""CSLS by both searches, and means of neighbours, against plain float64 renderings."""

import numpy as np
import pytest

from isthmus.bridges.matching import best_matches, mutual_matches, mutual_partners, neighbour_means
from isthmus.bridges.self_training import unit_rows
from isthmus.core.neighbors import unit


def oracle(a, b, k):
    """CSLS in float64 with the true nearest rows, a loop a row."""
    s = a.astype(np.float64) @ b.astype(np.float64).T
    crowd_a = np.array([np.sort(row)[-k:].mean() for row in s])
    crowd_b = np.array([np.sort(column)[-k:].mean() for column in s.T])
    return 2 * s - crowd_a[:, None] - crowd_b


def test_matching_equals_the_oracle_where_groups_hold_one_row_each():
    rng = np.random.default_rng(1)
    a, b = (unit_rows(rng.normal(size=(n, 6))) for n in (150, 120))
    csls = oracle(a, b, 10)
    of_a, of_b, score = best_matches(a, b)
    assert np.array_equal(of_a, csls.argmax(axis=1))
    assert np.array_equal(of_b, csls.argmax(axis=0))
    np.testing.assert_allclose(score, csls.max(axis=1), atol=1e-5)
    i, j, _ = mutual_matches(a, b)
    expected = [k for k in range(150) if of_b[of_a[k]] == k]
    assert i.tolist() == expected
    assert j.tolist() == of_a[expected].tolist()


def test_matching_over_several_blocks_is_the_oracles(monkeypatch):
    rng = np.random.default_rng(2)
    a = unit_rows(rng.normal(size=(250, 8)))
    b = unit_rows(a[::-1] + 0.02 * rng.normal(size=a.shape))
    csls = oracle(a, b, 10)
    monkeypatch.setattr("isthmus.bridges.matching._BLOCK", 32)
    of_a, of_b, score = best_matches(a, b)
    assert np.array_equal(of_a, csls.argmax(axis=1))
    assert np.array_equal(of_b, csls.argmax(axis=0))
    np.testing.assert_allclose(score, csls.max(axis=1), atol=1e-5)
    assert np.mean(of_a == np.arange(250)[::-1]) > 0.9


def test_beyond_256_rows_crowding_hardly_differs_from_the_exact_one():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 10))
    a, b = unit_rows(x), unit_rows(x + 0.3 * rng.normal(size=x.shape))
    expected = oracle(a, b, 10)
    of_a, of_b, _ = best_matches(a, b)
    assert np.mean(of_a == expected.argmax(axis=1)) > 0.98
    assert np.mean(of_b == expected.argmax(axis=0)) > 0.98


def test_a_hub_is_the_nearest_of_many_and_the_best_of_few():
    rng = np.random.default_rng(3)
    b = unit_rows(rng.normal(size=(400, 20)))
    a = unit_rows(b + 0.1 * rng.normal(size=b.shape) + 1.5 * b[0])
    by_cosine = (a @ b.T).argmax(axis=1)
    of_a, _, _ = best_matches(a, b)
    truth = np.arange(400)
    assert np.mean(of_a == truth) > np.mean(by_cosine == truth) + 0.5


def test_partners_equal_a_naive_search():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(120, 8))
    a, b = unit(x), unit(x + 0.5 * rng.normal(size=x.shape))
    s = a @ b.T
    near = [np.sort(s, axis=axis).take(range(-10, 0), axis=axis).mean(axis=axis) for axis in (1, 0)]
    csls = 2 * s - near[0][:, None] - near[1][None, :]
    best, back = csls.argmax(axis=1), csls.argmax(axis=0)
    i = np.flatnonzero(back[best] == np.arange(120))
    found = mutual_partners(a, b)
    np.testing.assert_array_equal(found.i, i)
    np.testing.assert_array_equal(found.j, best[i])
    shares = []
    for scores in (csls, csls.T):
        top = -np.sort(-scores, axis=1)[:, :10]
        lead = np.median(top[:, 0] - top[:, 1])
        shares.append(1 / np.exp((top - top[:, :1]) / lead).sum(axis=1))
    np.testing.assert_allclose(found.confidence, shares[0][i] * shares[1][best[i]], rtol=1e-6)


def test_csls_denies_a_hub():
    # Row 0 of b lies amid all rows of a; without its crowding it would be many a row's partner.
    rng = np.random.default_rng(1)
    a = rng.normal(size=(60, 20)) + 1
    b = np.concatenate([np.ones((1, 20)), a + 1.2 * rng.normal(size=a.shape)])
    a, b = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b))
    raw = (a @ b.T).argmax(axis=1)
    found = mutual_partners(a, b)
    assert np.mean(raw == 0) > 0.15
    assert np.mean(found.j == 0) < 0.03
    assert np.mean(found.j == found.i + 1) > 0.8


def test_both_searches_find_the_same_pairs():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(240, 6))
    sides = unit_rows(x), unit_rows(x[:200] + 0.3 * rng.normal(size=(200, 6)))
    i, j, _ = mutual_matches(*sides)
    exact = mutual_partners(*sides)
    np.testing.assert_array_equal(exact.i, i)
    np.testing.assert_array_equal(exact.j, j)


@pytest.mark.parametrize("m", [60, 3000])
def test_neighbour_means_equal_a_sort(m):
    rng = np.random.default_rng(4)
    a, b = unit_rows(rng.normal(size=(40, 5))), unit_rows(rng.normal(size=(m, 5)))
    nearest = np.argsort(-(a @ b.T), axis=1)[:, :20]
    np.testing.assert_allclose(neighbour_means(a, b, b, 20), b[nearest].mean(axis=1), atol=1e-5)


def test_neighbour_means_of_fewer_rows_than_asked_are_the_mean_of_all():
    a, b = np.eye(3, dtype=np.float32), np.ones((4, 3), np.float32)
    found = neighbour_means(a, b, np.arange(8.0).reshape(4, 2), 9)
    np.testing.assert_allclose(found, np.tile([3.0, 4.0], (3, 1)))
