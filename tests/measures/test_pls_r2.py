import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from isthmus.core.errors import InputError
from isthmus.measures import pls_r2, ridge_r2
from isthmus.measures.rows import Spread


def related(n=120, d=8, e=3, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) + 5
    return x, x @ rng.normal(size=(d, e)) + noise * rng.normal(size=(n, e)) - 2


@pytest.mark.parametrize("components", [1, 3, 5])
def test_equals_sklearn_in_the_same_folds(components):
    x, y = related(noise=5)
    order = Spread.of(x, y).shuffled(0)
    missed = spread = 0.0
    for held in np.array_split(order, 5):
        train = np.setdiff1d(order, held)
        pls = PLSRegression(components, scale=False, tol=1e-14, max_iter=10_000)
        fitted = pls.fit(x[train], y[train]).predict(x[held])
        missed += np.sum((y[held] - fitted) ** 2)
        spread += np.sum((y[held] - y[train].mean(0)) ** 2)
    score = pls_r2(x, y, components=components)
    assert score.value == pytest.approx(1 - missed / spread, abs=1e-8)


def test_all_components_are_least_squares():
    x, y = related(noise=0.1)
    full = pls_r2(x, y, components=50).value
    assert full == pytest.approx(ridge_r2(x, y).value, abs=1e-4)
    assert full == pytest.approx(pls_r2(x, y, components=8).value, abs=1e-9)


def test_known_share_of_variance():
    x = np.random.default_rng(0).normal(size=(4000, 5))
    y = x + np.random.default_rng(1).normal(size=x.shape)
    score = pls_r2(x, y)
    assert score.ci[0] < 0.5 < score.ci[1]
    assert 0.01 < score.ci[1] - score.ci[0] < 0.06


def test_unrelated_sides_do_not_exceed_chance():
    values = [float(pls_r2(*np.random.default_rng(s).normal(size=(2, 80, 20)))) for s in range(20)]
    assert -2 < np.mean(values) < 0.005


def test_wide_deficient_far_and_scaled_input():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(60, 3))
    x, y = latent @ rng.normal(size=(3, 200)), latent @ rng.normal(size=(3, 4))
    assert pls_r2(x, y).value == pytest.approx(1, abs=1e-9)
    x, y = related()
    for factor, offset in ((1e20, 0), (1e-3, 0), (1, 1e3)):
        assert pls_r2(x * factor + offset, y).value == pytest.approx(pls_r2(x, y).value, abs=1e-8)


def test_bad_input():
    x, y = related()
    with pytest.raises(InputError, match="components=0"):
        pls_r2(x, y, components=0)
    with pytest.raises(InputError, match="pls_r2.*5 folds of 9"):
        pls_r2(x[:9], y[:9])
    with pytest.raises(InputError, match="all equal"):
        pls_r2(x, np.ones((120, 2)))
