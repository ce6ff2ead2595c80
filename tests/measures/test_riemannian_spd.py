import numpy as np
import pytest
from scipy.linalg import eigh, logm, sqrtm
from sklearn.covariance import ledoit_wolf

from isthmus.core.errors import InputError
from isthmus.measures import riemannian_spd


def two(n=60, m=50, d=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * np.arange(1, d + 1) + 3, rng.normal(size=(m, d))


def between(a, b):
    root = np.linalg.inv(sqrtm(a))
    return np.linalg.norm(logm(root @ b @ root))


@pytest.mark.parametrize("shape", [(60, 50, 5), (12, 9, 30), (3, 4, 3)])
def test_equals_the_formula_on_shrunk_covariances(shape):
    x, y = two(*shape)
    expected = between(ledoit_wolf(x)[0], ledoit_wolf(y)[0])
    assert float(riemannian_spd(x, y)) == pytest.approx(expected, rel=1e-8)


def test_without_shrinkage_equals_the_formula_and_is_congruence_invariant():
    x, y = two()
    expected = np.sqrt(np.sum(np.log(eigh(np.cov(y.T), np.cov(x.T), eigvals_only=True)) ** 2))
    value = float(riemannian_spd(x, y, shrinkage="none"))
    assert value == pytest.approx(expected, rel=1e-10)
    linear = np.random.default_rng(1).normal(size=(5, 5)) * 10.0 ** np.arange(-2, 3)
    moved = float(riemannian_spd(x @ linear, y @ linear + 4, shrinkage="none"))
    assert moved == pytest.approx(value, rel=1e-8)
    assert abs(float(riemannian_spd(x @ linear, y, shrinkage="none")) - value) > 0.1


def test_known_distances():
    x = np.random.default_rng(0).normal(size=(50, 4))
    for shrinkage in ("none", "ledoit_wolf"):
        score = riemannian_spd(x, 3 * x, shrinkage=shrinkage)
        assert score.distance() == pytest.approx(2 * np.log(9), rel=1e-10)
        assert float(riemannian_spd(x, x + 5, shrinkage=shrinkage)) < 1e-8
    x = np.linalg.qr(x - x.mean(axis=0))[0]
    two_axes = x * [1, 1, 2, 5]
    assert float(riemannian_spd(x, two_axes, shrinkage="none")) == pytest.approx(
        2 * np.hypot(np.log(2), np.log(5)), rel=1e-10
    )


def test_fewer_rows_than_columns_need_shrinkage():
    x, y = two(10, 10, 30)
    assert np.isfinite(float(riemannian_spd(x, y)))
    with pytest.raises(InputError, match="no inverse"):
        riemannian_spd(x, y, shrinkage="none")


def test_one_column_is_enough():
    x, y = two(d=1)
    expected = abs(np.log(x.var(ddof=1) / y.var(ddof=1)))
    assert float(riemannian_spd(x, y, shrinkage="none")) == pytest.approx(expected, rel=1e-10)


def test_unusable_input_is_refused():
    x, y = two()
    for call, match in (
        (lambda: riemannian_spd(x, y[:, :4]), "equal width"),
        (lambda: riemannian_spd(x[:2], y), "3 rows"),
        (lambda: riemannian_spd(x, y * 0 + 1), "all equal"),
        (lambda: riemannian_spd(x[:, [0, 0, 1]], y[:, :3], shrinkage="none"), "no inverse"),
        (lambda: riemannian_spd(np.repeat([[0.0, 1], [1, 0]], 4, 0), y[:, :2]), "inverse"),
        (lambda: riemannian_spd(x, y, shrinkage="oas"), "oas"),
        (lambda: riemannian_spd(x), "two matrices"),
    ):
        with pytest.raises(InputError, match=match):
            call()
