"""Mutual search, comparison by pairs, and growing, against naive float64 renderings."""

import numpy as np
import pytest

from isthmus.bridges.pair_growth import (
    centred_directions,
    compared,
    compared_by_anchors,
    fitted_map,
    grown,
    taking_part,
)
from isthmus.bridges.relative import relative

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 8)) * np.geomspace(3, 0.5, 8)
Y = (X + 0.1 * RNG.normal(size=X.shape)) @ np.linalg.qr(RNG.normal(size=(8, 8)))[0]
SIDES = centred_directions(X), centred_directions(Y)


def cosine(a, b):
    return (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)


def test_codes_are_compared_without_building_them():
    i = np.arange(10)
    a, b = compared(*SIDES, i, i)
    codes = [side @ side[i].T for side in SIDES]
    np.testing.assert_allclose(a @ b.T, cosine(*codes), atol=1e-12)
    np.testing.assert_allclose(codes[0], relative(SIDES[0], SIDES[0][i]), atol=1e-12)


def test_weights_repeat_pairs():
    i = np.array([0, 1, 2, 3])
    one = compared(*SIDES, i, i, "codes", np.array([2.0, 1.0, 1.0, 1.0]))
    two = compared(*SIDES, np.append(i, 0), np.append(i, 0))
    np.testing.assert_allclose(one[0] @ one[1].T, two[0] @ two[1].T, atol=1e-12)


def test_orthogonal_comparison_is_a_rotation_in_the_span_of_the_pairs():
    i = np.arange(60)
    a, b = compared(*SIDES, i, i, "orthogonal")
    u, _, vt = np.linalg.svd(SIDES[0][i].T @ SIDES[1][i])
    np.testing.assert_allclose(a @ b.T, cosine(SIDES[0] @ u @ vt, SIDES[1]), atol=1e-10)
    i = np.arange(3)
    assert compared(*SIDES, i, i, "orthogonal")[0].shape == (120, 3)


def test_growing_keeps_known_pairs_and_settles():
    known = np.arange(6)
    pairs, rounds = grown(*SIDES, known, known)
    np.testing.assert_array_equal(pairs.i[:6], known)
    np.testing.assert_array_equal(pairs.confidence[:6], 1)
    assert np.mean(pairs.i == pairs.j) > 0.9
    assert len(pairs.i) > 100
    assert 1 <= rounds < 20
    assert len(set(pairs.i.tolist())) == len(pairs.i) == len(set(pairs.j.tolist()))
    sure, _ = grown(*SIDES, known, known, least=0.5)
    assert len(sure.i) < len(pairs.i)
    assert sure.confidence.min() >= 0.5


def test_nothing_is_grown_where_all_rows_are_known():
    assert grown(*SIDES, np.arange(120), np.arange(120))[1] == 0


def test_taking_part():
    rows, place = taking_part(100, np.array([3, 90]), 0, most=10)
    assert len(rows) == 10
    np.testing.assert_array_equal(rows[place], [3, 90])
    rows, place = taking_part(100, np.arange(50), 0, most=10)
    np.testing.assert_array_equal(rows[place], np.arange(50))


def test_weighted_map_equals_repeated_rows():
    weights = np.ones(40)
    weights[:5] = 3
    w, b = fitted_map(X[:40], Y[:40], weights)
    rows = np.concatenate([np.arange(40), np.arange(5), np.arange(5)])
    again, shift = fitted_map(X[rows], Y[rows], np.ones(50))
    np.testing.assert_allclose(w, again, atol=1e-10)
    np.testing.assert_allclose(b, shift, atol=1e-10)
    np.testing.assert_allclose(w.T @ w, np.eye(8), atol=1e-10)


@pytest.mark.parametrize("ridge", [False, True])
def test_a_planted_map_is_recovered(ridge):
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(8, 8)))[0]
    w, b = fitted_map(X, X @ turn + 3, np.ones(120), ridge=ridge)
    np.testing.assert_allclose(X @ w + b, X @ turn + 3, atol=1e-4)


def test_codes_by_anchors_that_are_no_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(30, 4))
    a, b = rng.normal(size=(9, 3)), rng.normal(size=(9, 4))
    left, right = compared_by_anchors(x, y, a, b)
    codes = [s / np.linalg.norm(s, axis=1, keepdims=True) for s in (x @ a.T, y @ b.T)]
    np.testing.assert_allclose(left @ right.T, codes[0] @ codes[1].T, atol=1e-12)
