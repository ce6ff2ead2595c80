import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import pwcca


def related(n=70, d=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) + 5
    return x, x[:, :3] + 2 * rng.normal(size=(n, 3))


def root(c):
    values, vectors = np.linalg.eigh(c)
    return (vectors / np.sqrt(values)) @ vectors.T


def oracle(x, y, centre=True):
    a, b = x - x.mean(0), y - y.mean(0)
    wx, wy = root(a.T @ a), root(b.T @ b)
    left, rho, _ = np.linalg.svd(wx @ a.T @ b @ wy, full_matrices=False)
    h = a @ wx @ left
    alpha = np.abs(h.T @ (a if centre else x)).sum(1)
    return alpha @ rho / alpha.sum()


def test_equals_the_formula():
    x, y = related()
    assert pwcca(x, y).value == pytest.approx(oracle(x, y), abs=1e-10)
    assert pwcca(y, x).value == pytest.approx(oracle(y, x), abs=1e-10)
    assert abs(oracle(x, y) - oracle(y, x)) > 1e-3


def test_one_bias_vector_changes_nothing():
    x, y = related()
    for offset in (10.0, 1e4):
        moved = x + offset * np.arange(4)
        assert pwcca(moved, y).value == pytest.approx(pwcca(x, y).value, abs=1e-9)


def test_directions_that_x_hardly_has_hardly_count():
    x = np.random.default_rng(0).normal(size=(200, 2)) * [1, 1e-3]
    noise = np.random.default_rng(1).normal(size=200)
    score = pwcca(x, np.column_stack([x[:, 0], noise]))
    assert score.value > 0.99
    assert score.parts["rho"][1] < 0.3


def test_chance_matches_many_shuffles_and_p_holds():
    x, y = related(seed=3)
    rng = np.random.default_rng(5)
    values = [oracle(x, y[rng.permutation(70)]) for _ in range(400)]
    score = pwcca(x, y)
    assert score.chance == pytest.approx(np.mean(values), abs=4 * np.std(values) / np.sqrt(20))
    assert score.p < 1e-6
    p = [pwcca(x, rng.normal(size=(70, 3))).p for _ in range(200)]
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.1


def test_chance_does_not_depend_on_row_order():
    x, y = related()
    order = np.random.default_rng(0).permutation(70)
    assert pwcca(x[order], y[order]).chance == pytest.approx(pwcca(x, y).chance, abs=1e-10)


def test_deficient_far_and_narrow_input():
    x, y = related(n=300)
    assert pwcca(x, np.hstack([y, y])).value == pytest.approx(oracle(x, y), abs=1e-9)
    with pytest.raises(InputError, match="debiased_cka"):
        pwcca(x[:5], y[:5])
    with pytest.raises(InputError, match="all equal"):
        pwcca(x, np.ones((300, 2)))


def test_float32_agrees_with_float64():
    x, y = np.random.default_rng(0).normal(size=(2, 300, 6)).astype(np.float32)
    y[:, :3] += x[:, :3]
    wide = pwcca(x.astype(np.float64), y.astype(np.float64))
    assert float(pwcca(x, y)) == pytest.approx(float(wide), abs=1e-6)
