"""Householder: planted mirrors, the eigenvector form, Procrustes as the limit, the relaxed form."""

from itertools import pairwise

import numpy as np
import pytest

from isthmus.bridges import Householder, Orthogonal
from isthmus.bridges.householder import _factor_slopes, product
from isthmus.core.errors import InputError


def mirrors(count, dim, seed=0):
    u = np.random.default_rng(seed).normal(size=(count, dim))
    return u / np.linalg.norm(u, axis=1, keepdims=True)


def error(bridge, x, y):
    return float(np.mean((bridge.transform(x) - y) ** 2))


def test_product_is_the_product():
    u = mirrors(6, 5)
    expected = np.eye(5)
    for one in u:
        expected = expected @ (np.eye(5) - 2 * np.outer(one, one))
    np.testing.assert_allclose(product(u), expected, atol=1e-12)
    expected = np.eye(5)
    for a, b in zip(u[::2], u[1::2], strict=True):
        expected = expected @ (np.eye(5) - np.outer(a, a) + np.outer(b, b))
    np.testing.assert_allclose(product(u, relaxed=True), expected, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2])
def test_recovers_planted_mirrors(count):
    x = np.random.default_rng(1).normal(size=(300, 90)) + 2
    w = product(mirrors(count, 90))
    bridge = Householder(reflections=count).fit(x, x @ w + 5)
    np.testing.assert_allclose(bridge.coef_, w, atol=2e-3)
    assert bridge.vectors_.shape == (count, 90)


def test_one_mirror_is_the_least_eigenvector():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 200, 7))
    bridge = Householder(reflections=1).fit(x, y)
    cross = (x - x.mean(axis=0)).T @ (y - y.mean(axis=0))
    u = np.linalg.eigh(cross + cross.T)[1][:, 0]
    np.testing.assert_allclose(bridge.coef_, np.eye(7) - 2 * np.outer(u, u), atol=1e-9)
    # No other mirror does better.
    best = np.sum(bridge.coef_ * cross)
    for other in mirrors(500, 7):
        assert np.sum((np.eye(7) - 2 * np.outer(other, other)) * cross) <= best + 1e-9


def test_all_mirrors_are_procrustes(turned):
    x, y, _ = turned
    y = y + np.random.default_rng(3).normal(size=y.shape)
    expected = Orthogonal().fit(x, y).coef_
    np.testing.assert_allclose(Householder().fit(x, y).coef_, expected, atol=1e-8)


def test_more_mirrors_never_fit_worse(turned):
    x, y, _ = turned
    errors = [error(Householder(reflections=k).fit(x, y), x, y) for k in range(1, 7)]
    assert all(b <= a + 1e-9 for a, b in pairwise(errors))
    assert errors[-1] < 1e-20 < errors[0]


def test_blocks_leave_the_rest_alone():
    x = np.random.default_rng(4).normal(size=(200, 8))
    w = np.eye(8)
    w[:4, :4] = product(mirrors(1, 4))
    bridge = Householder(reflections=1, blocks=2).fit(x, x @ w)
    assert np.abs(bridge.coef_[:4, 4:]).max() == 0 == np.abs(bridge.coef_[4:, :4]).max()
    np.testing.assert_allclose(bridge.coef_[:4, :4], w[:4, :4], atol=1e-8)


def test_slopes_of_the_relaxed_factors():
    rng = np.random.default_rng(5)
    v, slope, step = mirrors(6, 5), rng.normal(size=(5, 5)), 1e-6
    for i, j in ((0, 0), (1, 2), (4, 3), (5, 4)):
        up, down = v.copy(), v.copy()
        up[i, j] += step
        down[i, j] -= step
        change = product(up, relaxed=True) - product(down, relaxed=True)
        expected = np.sum(slope * change) / (2 * step)
        assert _factor_slopes(slope, v)[i, j] == pytest.approx(expected, abs=1e-8)


def test_relaxed_stretches_where_a_mirror_cannot():
    x = np.random.default_rng(6).normal(size=(300, 6))
    u, v = mirrors(2, 6)
    y = x @ (np.eye(6) - np.outer(u, u) + np.outer(v, v))
    relaxed = Householder(reflections=1, relaxed=True).fit(x, y)
    assert error(relaxed, x, y) < 1e-6 < error(Householder(reflections=6).fit(x, y), x, y)
    assert np.linalg.norm(relaxed.coef_ - np.eye(6)) <= 2 + 1e-9
    assert relaxed.vectors_.shape == (2, 6)


@pytest.mark.parametrize("dims", [(4, 7), (7, 4)])
def test_unequal_dims_and_few_pairs(dims):
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(3, dims[0])), rng.normal(size=(3, dims[1]))
    for relaxed in (False, True):
        bridge = Householder(reflections=2, relaxed=relaxed).fit(x, y)
        assert bridge.transform(x).shape == y.shape
        assert np.isfinite(bridge.coef_).all()


def test_refusals(turned):
    x, y, _ = turned
    for wrong in ({"reflections": 0}, {"blocks": 0}, {"blocks": 7}):
        with pytest.raises(InputError, match="at least one reflection"):
            Householder(**wrong).fit(x, y)
