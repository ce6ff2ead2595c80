import itertools
import math

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from isthmus.core.errors import InputError
from isthmus.measures import cca
from isthmus.measures.canonical import correlations, overlap_moments


def related(n=60, dx=4, dy=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dx)) + 5
    return x, x[:, :1] + rng.normal(size=(n, dy))


def oracle(x, y, w=None):
    """tr(Cxx^-1 Cxy Cyy^-1 Cyx) / min d, with row weights."""
    w = np.full(len(x), 1 / len(x)) if w is None else w / w.sum()
    a, b = x - w @ x, y - w @ y
    xx, xy, yy = (a.T * w) @ a, (a.T * w) @ b, (b.T * w) @ b
    return np.trace(np.linalg.solve(xx, xy) @ np.linalg.solve(yy, xy.T)) / min(xy.shape)


def test_equals_the_covariance_formula_and_principal_angles():
    x, y = related()
    score = cca(x, y)
    assert score.value == pytest.approx(oracle(x, y), abs=1e-12)
    rho = np.sort(np.cos(subspace_angles(x - x.mean(0), y - y.mean(0))))[::-1]
    np.testing.assert_allclose(score.parts["rho"], rho, atol=1e-12)
    assert score.parts["mean_rho"] == pytest.approx(rho.mean())


def test_moments_over_all_shuffles_are_exact_centred_or_not():
    rng = np.random.default_rng(0)
    for shift in (0.0, 2.0):
        u, v = (np.linalg.qr(rng.normal(size=(6, r)) + shift)[0] for r in (2, 3))
        if not shift:
            u, v = (np.linalg.qr(b - b.mean(0))[0] for b in (u, v))
        values = [np.sum((u.T @ v[list(p)]) ** 2) for p in itertools.permutations(range(6))]
        mean, error = overlap_moments(u, v)
        assert mean == pytest.approx(np.mean(values), abs=1e-12)
        assert error == pytest.approx(np.std(values), abs=1e-12)


@pytest.mark.parametrize(("dx", "dy"), [(1, 1), (4, 4), (2, 9)])
def test_noise_reads_chance_and_p_is_uniform(dx, dy):
    rng = np.random.default_rng(1)
    scores = [cca(rng.normal(size=(40, dx)), rng.normal(size=(40, dy))) for _ in range(400)]
    error = np.std([s.value for s in scores]) / 20
    assert scores[0].chance == pytest.approx(max(dx, dy) / 39, abs=1e-12)
    assert np.mean([s.value for s in scores]) == pytest.approx(scores[0].chance, abs=4 * error)
    p = np.array([s.p for s in scores])
    assert 0.02 < np.mean(p < 0.05) < 0.085
    assert 0.42 < np.mean(p < 0.5) < 0.58


def test_p_of_one_dimension_is_that_of_a_correlation():
    from scipy.stats import pearsonr

    x, y = np.random.default_rng(3).normal(size=(2, 4000, 1))
    assert cca(x, y).p == pytest.approx(pearsonr(x[:, 0], y[:, 0]).pvalue, rel=0.01)


def test_interval_is_that_of_the_weight_derivatives():
    x, y = related(n=30)
    n, step = 30, 1e-5
    psi = np.empty(n)
    for i in range(n):
        ends = [oracle(x, y, np.ones(n) + s * step * (np.arange(n) == i)) for s in (1, -1)]
        psi[i] = n * (ends[0] - ends[1]) / (2 * step)
    half = 1.959963984540054 * np.sqrt(np.sum((psi - psi.mean()) ** 2) / (n * (n - 1)))
    score = cca(x, y)
    assert (score.ci[1] - score.ci[0]) / 2 == pytest.approx(half, rel=1e-6)


def test_length_is_between_projections_and_exact_near_zero():
    x, y = related()
    bases = [np.linalg.qr(s - s.mean(0))[0] for s in (x, y)]
    gap = bases[0] @ bases[0].T - bases[1] @ bases[1].T
    assert cca(x, y).distance() == pytest.approx(np.linalg.norm(gap) / math.sqrt(2), abs=1e-12)
    assert cca(x, x @ np.diag([1, 2, 3, 4]) + 7).distance() < 1e-12


def test_deficient_columns_far_float32_and_ill_conditioning_give_no_nan():
    x, y = related(n=300)
    reference = cca(x, y).value
    wide = np.hstack([x, x[:, :2], np.full((300, 2), 3.0)])
    assert cca(wide, y).value == pytest.approx(reference, abs=1e-9)
    assert cca(x * [1, 1e-5, 1e5, 1], y).value == pytest.approx(reference, abs=1e-6)
    far = [(s + 1000).astype(np.float32) for s in (x, y)]
    expected = cca(*(s.astype(np.float64) for s in far)).value
    assert cca(*far).value == pytest.approx(expected, abs=1e-4)


def test_rows_no_more_than_dimensions_are_refused_with_the_cure():
    x, y = np.random.default_rng(0).normal(size=(2, 10, 9))
    with pytest.raises(InputError, match="debiased_cka"):
        cca(x, y)
    with pytest.raises(InputError, match="all equal"):
        cca(np.full((10, 2), 0.1), y[:, :2])
    assert "read 0.89" in cca(x[:, :8], y[:, :8]).warnings[0]


@pytest.mark.parametrize("shape", [(9, 5), (5, 9)])
def test_correlations_of_float32_are_the_singular_values(shape):
    cross = (np.random.default_rng(0).normal(size=shape) / 6).astype(np.float32)
    expected = np.linalg.svd(cross.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(correlations(cross), np.minimum(expected, 1.0), atol=1e-7)


def test_float32_far_from_the_origin_keeps_its_digits():
    x, y = np.random.default_rng(0).normal(size=(2, 300, 4))
    x, y = (x + 1000).astype(np.float32), (y + x).astype(np.float32)
    wide = cca(x.astype(np.float64), y.astype(np.float64))
    assert float(cca(x, y)) == pytest.approx(float(wide), abs=1e-6)
