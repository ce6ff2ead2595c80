"""Canonical against scikit-learn's Ledoit-Wolf and a direct CCA, and with fewer pairs than dims."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from isthmus.bridges import Canonical, Orthogonal
from isthmus.bridges.canonical import ledoit_wolf
from isthmus.core.errors import InputError
from isthmus.core.linalg import procrustes
from isthmus.core.moments import Moments


def noisy(rows, dx=6, dy=5, seed=0):
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 4))
    x = hidden @ rng.normal(size=(4, dx)) + 0.5 * rng.normal(size=(rows, dx)) + 3
    return x, hidden @ rng.normal(size=(4, dy)) + 0.5 * rng.normal(size=(rows, dy)) - 1


def oracle(x, y, shrink_x, shrink_y):
    """The formula, with matrix square roots by SciPy."""
    n, (dx, dy) = len(x), (x.shape[1], y.shape[1])
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    sx, sy = a.T @ a / n, b.T @ b / n
    sx = (1 - shrink_x) * sx + shrink_x * np.trace(sx) / dx * np.eye(dx)
    sy = (1 - shrink_y) * sy + shrink_y * np.trace(sy) / dy * np.eye(dy)
    left, right = np.linalg.inv(sqrtm(sx).real), np.linalg.inv(sqrtm(sy).real)
    u, rho, vt = np.linalg.svd(left @ (a.T @ b / n) @ right, full_matrices=False)
    rho /= max(rho[0], 1)
    coef = left @ u @ vt @ sqrtm(sy).real
    scale = np.sqrt(np.trace(sy) / np.trace(vt @ sy @ vt.T))
    return scale * coef, rho


def whitening(rows):
    return np.linalg.inv(sqrtm(rows.T @ rows / len(rows)).real)


def test_shrinkage_is_that_of_scikit_learn():
    x, y = noisy(40)
    expected = ledoit_wolf_shrinkage(x), ledoit_wolf_shrinkage(y)
    np.testing.assert_allclose(ledoit_wolf(Moments.of(x, y)), expected, rtol=1e-9)


@pytest.mark.parametrize("rows", [30, 500])
def test_equals_the_formula(rows):
    x, y = noisy(rows)
    bridge = Canonical().fit(x, y)
    coef, rho = oracle(x, y, bridge.shrinkage_x_, bridge.shrinkage_y_)
    np.testing.assert_allclose(bridge.coef_, coef, atol=1e-9)
    np.testing.assert_allclose(bridge.correlations_, rho, atol=1e-9)
    assert bridge.correlations_.max() <= 1


def test_recovers_any_linear_map_without_shrinkage():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 5)) * [4, 3, 2, 1, 0.5] + 2
    y = x @ rng.normal(size=(5, 5)) + 7
    bridge = Canonical(shrinkage=0).fit(x, y)
    np.testing.assert_allclose(bridge.transform(x), y, atol=1e-8)
    np.testing.assert_allclose(bridge.inverse_transform(y), x, atol=1e-7)
    np.testing.assert_allclose(bridge.correlations_, 1, atol=1e-9)
    # A rotation cannot, so this test could fail.
    assert np.abs(Orthogonal().fit(x, y).transform(x) - y).max() > 0.1


@pytest.mark.parametrize("regress", [False, True])
def test_whitened_digits_find_their_rotation(regress):
    """Round covariances, of which Ledoit & Wolf's δ is 1: nothing but the cross-covariance says."""
    x = PCA(32, whiten=True).fit_transform(load_digits().data)[:600]
    y = x @ np.linalg.qr(np.random.default_rng(3).normal(size=(32, 32)))[0]
    whole = x - x.mean(axis=0), y - y.mean(axis=0)
    for a, b in ((x, y), (whole[0] @ whitening(whole[0]), whole[1] @ whitening(whole[1]))):
        bridge = Canonical(regress=regress).fit(a, b)
        assert bridge.rank_ == 32
        assert bridge.score(a, b) == 1
    assert bridge.shrinkage_x_ == bridge.shrinkage_y_ == 1
    np.testing.assert_allclose(bridge.transform(a), b, atol=1e-8)
    np.testing.assert_allclose(bridge.correlations_, 1, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_iid_rows_are_related(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 6))
    y = x @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    bridge = Canonical().fit(x, y)
    assert bridge.shrinkage_x_ > 0.9
    assert bridge.score(x, y) == 1
    # And of rows that are not related it still finds nothing worth a correlation.
    assert Canonical().fit(x, rng.normal(size=(300, 6))).correlations_.max() < 0.3


def test_full_shrinkage_is_procrustes():
    x, y = noisy(200, dy=6)
    found = Canonical(shrinkage=1).fit(x, y)
    turn = procrustes((x - x.mean(axis=0)).T @ (y - y.mean(axis=0)))[0]
    np.testing.assert_allclose(found.coef_, turn * np.sqrt(y.var(0).sum() / x.var(0).sum()))
    assert found.correlations_[0] == 1  # of what would be above it, at these spectra


def test_regress_without_shrinkage_is_least_squares():
    x, y = noisy(200)
    found = Canonical(shrinkage=0, regress=True).fit(x, y)
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    np.testing.assert_allclose(found.coef_, np.linalg.lstsq(a, b)[0], atol=1e-9)


def test_variance_of_the_target_is_kept():
    x, y = noisy(2000)
    moved = Canonical(rank=2, shrinkage=0).fit(x, y).transform(x)
    assert moved.var(axis=0).sum() == pytest.approx(y.var(axis=0).sum(), rel=1e-9)
    assert np.linalg.matrix_rank(moved - moved.mean(axis=0)) == 2


def test_fewer_pairs_than_dims_beat_the_completed_rotation():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(340, 60)) * np.geomspace(2, 0.3, 60)
    y = x @ np.linalg.qr(rng.normal(size=(60, 60)))[0] + 0.1 * rng.normal(size=x.shape)
    few = Canonical().fit(x[:20], y[:20])
    assert few.rank_ == 19
    assert few.score(x[20:], y[20:]) > Orthogonal().fit(x[:20], y[:20]).score(x[20:], y[20:]) + 0.1


def test_constant_columns_and_constant_spaces(turned):
    x, y, _ = turned
    x, y = np.c_[x, np.full(300, 7.0)], np.c_[y, np.zeros(300)]
    for shrinkage in (0, None):
        assert np.isfinite(Canonical(shrinkage=shrinkage).fit(x, y).transform(x)).all()
    still = Canonical().fit(np.ones((5, 3)), y[:5])
    np.testing.assert_allclose(still.transform(np.ones((2, 3))), [y[:5].mean(axis=0)] * 2)
    assert still.rank_ == 0


def test_refusals(turned):
    x, y, _ = turned
    for wrong in ({"rank": 0}, {"rank": 7}, {"shrinkage": 1.5}):
        with pytest.raises(InputError, match="expected"):
            Canonical(**wrong).fit(x, y)
