import numpy as np
import pytest
from sklearn.linear_model import Ridge

from isthmus.core.errors import InputError
from isthmus.measures import ridge_r2
from isthmus.measures.ridge_r2 import _GRID
from isthmus.measures.rows import Spread


def related(n=120, d=6, e=3, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) + 5
    return x, x @ rng.normal(size=(d, e)) + noise * rng.normal(size=(n, e)) - 2


def hat(x, penalty):
    """The smoother matrix of ridge with intercept."""
    n = len(x)
    c = x - x.mean(0)
    return c @ np.linalg.inv(c.T @ c + penalty * np.eye(x.shape[1])) @ c.T + 1 / n


def oracle(x, y, folds, gcv=True):
    order = Spread.of(x, y).shuffled(0)
    missed = spread = 0.0
    for held in np.array_split(order, folds):
        train = np.setdiff1d(order, held)
        a, b = x[train], y[train]
        penalties = _GRID * np.linalg.eigvalsh((a - a.mean(0)).T @ (a - a.mean(0))).mean()
        errors = []
        for penalty in penalties:
            h = hat(a, penalty)
            rest = b - h @ b
            errors.append(np.sum(rest**2) / (1 - np.trace(h) / len(a)) ** 2)
        best = penalties[np.argmin(errors)] if gcv else penalties[-1]
        fitted = Ridge(alpha=best, solver="cholesky").fit(a, b).predict(x[held])
        missed += np.sum((y[held] - fitted.reshape(y[held].shape)) ** 2)
        spread += np.sum((y[held] - b.mean(0)) ** 2)
    return 1 - missed / spread


@pytest.mark.parametrize("noise", [0.1, 3.0, 30.0])
@pytest.mark.parametrize("folds", [3, 5])
def test_equals_nested_cross_validation_by_hand(noise, folds):
    x, y = related(noise=noise)
    score = ridge_r2(x, y, folds=folds)
    assert score.value == pytest.approx(oracle(x, y, folds), abs=1e-7)
    assert score.value != pytest.approx(oracle(x, y, folds, gcv=False), abs=1e-3)


def test_known_share_of_variance():
    x = np.random.default_rng(0).normal(size=(4000, 5))
    y = x + np.random.default_rng(1).normal(size=x.shape)
    score = ridge_r2(x, y)
    assert score.value == pytest.approx(0.5, abs=0.02)
    assert score.ci[0] < 0.5 < score.ci[1]
    assert 0.01 < score.ci[1] - score.ci[0] < 0.06


def test_direction_matters():
    x, y = related(d=6, e=2, noise=0.01)
    assert ridge_r2(x, y).value > 0.99 > 0.9 > ridge_r2(y, x).value


def test_unrelated_sides_do_not_exceed_chance():
    values = [
        float(ridge_r2(*np.random.default_rng(s).normal(size=(2, 80, 20)))) for s in range(20)
    ]
    assert np.mean(values) < 0.005
    assert np.mean(values) > -0.15


def test_more_dims_than_rows():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(60, 3))
    x, y = latent @ rng.normal(size=(3, 200)), latent @ rng.normal(size=(3, 4))
    assert ridge_r2(x, y).value == pytest.approx(1, abs=1e-6)
    noise = rng.normal(size=(60, 200))
    assert -1 < ridge_r2(noise, y).value < 0.2


def test_rank_deficient_constant_offset_and_scale():
    x, y = related()
    reference = ridge_r2(x, y).value
    assert ridge_r2(np.hstack([x, np.full((120, 2), 7.0)]), y).value == pytest.approx(
        reference, abs=1e-9
    )
    assert ridge_r2(np.hstack([x, x]), y).value == pytest.approx(reference, abs=1e-6)
    for factor, offset in ((1e20, 0), (1e-3, 0), (1, 1e3)):
        assert ridge_r2(x * factor + offset, y).value == pytest.approx(reference, abs=1e-8)


def test_axis_scaling_of_either_side_does_matter():
    x, y = related(noise=5)
    stretch = np.array([1, 10, 100.0])
    assert abs(ridge_r2(x, y * stretch).value - ridge_r2(x, y).value) > 1e-6
    assert abs(ridge_r2(x * np.logspace(0, 3, 6), y).value - ridge_r2(x, y).value) > 1e-8


def test_too_few_rows_for_the_folds():
    x, y = related(n=9)
    with pytest.raises(InputError, match="5 folds of 9 rows"):
        ridge_r2(x, y)
    with pytest.raises(InputError, match="1 folds"):
        ridge_r2(x, y, folds=1)
    with pytest.raises(InputError, match="all equal"):
        ridge_r2(x, np.ones((9, 2)), folds=2)
