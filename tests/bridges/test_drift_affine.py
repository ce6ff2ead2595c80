"""Drift affine: its rank, its way to reduced-rank regression, and its early stop."""

import numpy as np
import pytest

from isthmus.bridges import DriftAffine, LowRank
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments


@pytest.fixture(scope="module")
def spaces():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(250, 8)) + 1
    y = x @ rng.normal(size=(8, 2)) @ rng.normal(size=(2, 5)) + 3
    return x, y + 0.1 * rng.normal(size=y.shape)


def error(bridge, x, y):
    return float(np.mean((bridge.transform(x) - y) ** 2))


@pytest.mark.parametrize("scaling", [True, False])
def test_trained_long_it_is_reduced_rank_regression(spaces, scaling):
    x, y = spaces
    bridge = DriftAffine(rank=2, steps=600, rate=0.02, scaling=scaling).fit(x, y)
    assert np.linalg.matrix_rank(bridge.coef_, tol=1e-8) == 2
    closed = LowRank(rank=2).fit(x, y)
    assert error(bridge, x, y) < 1.05 * error(closed, x, y)
    # One direction is not enough, so rank matters.
    narrow = DriftAffine(rank=1, steps=600, rate=0.02).fit(x, y)
    assert error(narrow, x, y) > 3 * error(closed, x, y)


def test_the_mean_goes_to_the_mean(spaces):
    x, y = spaces
    bridge = DriftAffine(steps=3).fit(x, y)
    train = np.random.default_rng(0).permutation(250)[50:]
    moved = bridge.transform(x[train].mean(axis=0)[None])[0]
    np.testing.assert_allclose(moved, y[train].mean(axis=0), atol=1e-9)


def test_needs_rows(spaces):
    with pytest.raises(InputError, match="rows to train on"):
        DriftAffine().fit_moments(Moments.of(*spaces))


def test_few_pairs_and_constant_spaces(spaces):
    x, y = spaces
    assert np.isfinite(DriftAffine(steps=5).fit(x[:2], y[:2]).transform(x)).all()
    still = DriftAffine(steps=5).fit(np.ones((5, 3)), y[:5])
    assert np.isfinite(still.transform(np.ones((1, 3)))).all()


def test_refusals(spaces):
    for wrong in ({"rank": 0}, {"steps": 0}, {"rate": 0.0}):
        with pytest.raises(InputError, match="expected"):
            DriftAffine(**wrong).fit(*spaces)
