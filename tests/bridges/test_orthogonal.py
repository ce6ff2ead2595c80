"""Orthogonal against brute force, on unequal dims, with scale, on deficient rank."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from isthmus.bridges import Orthogonal


def test_recovers_a_rotation_exactly(turned):
    x, y, q = turned
    bridge = Orthogonal().fit(x, y)
    np.testing.assert_allclose(bridge.coef_, q, atol=1e-10)
    np.testing.assert_allclose(bridge.transform(x), y, atol=1e-10)
    np.testing.assert_allclose(bridge.inverse_transform(y), x, atol=1e-10)
    assert bridge.rank_ == 6
    assert bridge.score(x, y) == 1.0


def test_equals_scipy_on_noisy_pairs(turned):
    x, y, _ = turned
    y = y + np.random.default_rng(1).normal(size=y.shape)
    expected, _ = orthogonal_procrustes(x - x.mean(axis=0), y - y.mean(axis=0))
    np.testing.assert_allclose(Orthogonal().fit(x, y).coef_, expected, atol=1e-10)


def test_scale_is_the_least_squares_one(turned):
    x, y, _ = turned
    y = 2.5 * y + np.random.default_rng(2).normal(size=y.shape)
    bridge = Orthogonal(scale=True).fit(x, y)
    centred, target = x - x.mean(axis=0), y - y.mean(axis=0)
    turn = Orthogonal().fit(x, y).coef_
    best = np.sum((centred @ turn) * target) / np.sum(centred**2)
    np.testing.assert_allclose(bridge.coef_, best * turn, rtol=1e-9)
    np.testing.assert_allclose(bridge.inverse_transform(bridge.transform(x)), x, atol=1e-9)


@pytest.mark.parametrize("dims", [(6, 9), (9, 6)])
def test_unequal_dims_equal_zero_padding(dims):
    rng = np.random.default_rng(3)
    hidden = rng.normal(size=(400, 5))
    x = hidden @ rng.normal(size=(5, dims[0])) + 0.1 * rng.normal(size=(400, dims[0]))
    y = hidden @ rng.normal(size=(5, dims[1])) + 0.1 * rng.normal(size=(400, dims[1]))
    bridge = Orthogonal().fit(x, y)
    wide = max(dims)
    padded = [np.pad(s - s.mean(axis=0), ((0, 0), (0, wide - s.shape[1]))) for s in (x, y)]
    full, _ = orthogonal_procrustes(*padded)
    padded_error = np.sum((padded[0] @ full - padded[1]) ** 2)
    # Zero padding may also rotate into coordinates that the real target does not have.
    error = np.sum((bridge.transform(x) - y) ** 2)
    assert error <= padded_error + 1e-6
    small = bridge.coef_ if dims[0] >= dims[1] else bridge.coef_.T
    np.testing.assert_allclose(small.T @ small, np.eye(min(dims)), atol=1e-10)


def test_rank_deficient_pairs_give_a_defined_map():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 6))
    q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    bridge = Orthogonal().fit(x, x @ q)
    assert bridge.rank_ == 2
    np.testing.assert_allclose(bridge.coef_.T @ bridge.coef_, np.eye(6), atol=1e-9)
    np.testing.assert_allclose(bridge.transform(x), x @ q, atol=1e-9)


def test_fewer_pairs_than_dims():
    x = np.random.default_rng(5).normal(size=(4, 10))
    bridge = Orthogonal().fit(x, x[:, ::-1])
    assert bridge.rank_ == 3
    np.testing.assert_allclose(bridge.transform(x), x[:, ::-1], atol=1e-9)


def test_a_mean_far_from_zero_costs_no_float32_digits(turned):
    x, y, _ = turned
    far = (x + 1e4).astype(np.float32)
    bridge = Orthogonal().fit(far, y.astype(np.float32))
    assert bridge.origin_.any()
    near = Orthogonal().fit(far.astype(np.float64), y)
    assert np.abs(bridge.transform(far) - near.transform(far.astype(np.float64))).max() < 5e-3


def test_constant_columns(turned):
    x, y, _ = turned
    x, y = np.c_[x, np.full(300, 7.0)], np.c_[y, np.zeros(300)]
    np.testing.assert_allclose(Orthogonal().fit(x, y).transform(x), y, atol=1e-9)
