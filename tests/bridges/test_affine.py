"""Affine against solving the normal equations, and its choice of penalty."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from isthmus.bridges import Affine
from isthmus.core.moments import Moments


def noisy(n=200, noise=0.5):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 6)) * np.geomspace(3, 0.1, 6) + 5
    return x, x @ rng.normal(size=(6, 4)) + noise * rng.normal(size=(n, 4)) - 3


@pytest.mark.parametrize("alpha", [1e-6, 0.01, 3.0])
def test_equals_ridge_with_the_same_penalty(alpha):
    x, y = noisy()
    unit = np.trace(np.cov(x.T, bias=True)) * len(x) / 6
    other = Ridge(alpha=alpha * unit).fit(x, y)
    bridge = Affine(alpha=alpha).fit(x, y)
    np.testing.assert_allclose(bridge.transform(x), other.predict(x), atol=1e-6)
    assert bridge.alpha_ == alpha


def test_noise_asks_for_a_larger_penalty():
    clean, loud = (Affine().fit(*noisy(n=30, noise=size)).alpha_ for size in (1e-6, 30.0))
    assert clean < loud


def test_fewer_pairs_than_dims_is_regularised_not_refused():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 50)), rng.normal(size=(20, 3))
    bridge = Affine().fit(x, y)
    assert np.isfinite(bridge.transform(x)).all()
    # Noise is not memorised: interpolating it would reproduce y.
    assert np.abs(bridge.transform(x) - y).mean() > 0.3


def test_moments_alone_choose_by_generalised_cross_validation():
    x, y = noisy()
    bridge = Affine().fit_moments(Moments.of(x, y))
    assert np.mean((bridge.transform(x) - y) ** 2) <= 1.05 * np.mean(
        (Affine().fit(x, y).transform(x) - y) ** 2
    )


def test_inverse_of_a_square_map():
    x, _ = noisy()
    y = x @ np.random.default_rng(2).normal(size=(6, 6))
    bridge = Affine(alpha=1e-12).fit(x, y)
    np.testing.assert_allclose(bridge.inverse_transform(y), x, atol=1e-5)
