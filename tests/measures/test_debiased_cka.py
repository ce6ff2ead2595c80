import itertools

import numpy as np
import pytest
from scipy.stats import chi2, norm

from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.measures import debiased_cka
from isthmus.measures.debiased_cka import from_moments


def hsic(k, l):  # noqa: E741
    """Song et al. 2012, eq. 5, as it stands."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    one = np.ones(n)
    total = np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * one @ k @ l @ one) / (n * (n - 3))


def biased(k, l):  # noqa: E741
    n = len(k)
    h = np.eye(n) - 1 / n
    return np.trace(h @ k @ h @ l) / (n - 1) ** 2


def oracle(x, y, statistic=hsic):
    k, l = x @ x.T, y @ y.T  # noqa: E741
    return statistic(k, l) / np.sqrt(statistic(k, k) * statistic(l, l))


def related(n=40, d=6, e=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 3
    return x, x[:, :e] + rng.normal(size=(n, e))


def test_equals_the_gram_form_and_not_the_biased_one():
    x, y = related()
    score = debiased_cka(x, y)
    assert score.value == pytest.approx(oracle(x, y), abs=1e-12)
    assert abs(score.value - oracle(x, y, biased)) > 1e-3


def test_interval_equals_brute_force_leave_one_out():
    x, y = related(n=23)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0)) for m in range(23)])
    error = np.sqrt(22 / 23 * np.sum((left - left.mean()) ** 2))
    score = debiased_cka(x, y)
    expected = score.value + 1.959963984540054 * error * np.array([-1, 1])
    np.testing.assert_allclose(score.ci, expected, rtol=0, atol=1e-12)


def test_null_moments_hold_over_all_permutations():
    x, y = related(n=6, d=3, e=2)
    values = [oracle(x, y[list(p)]) for p in itertools.permutations(range(6))]
    assert np.mean(values) == pytest.approx(0, abs=1e-12)
    score = debiased_cka(x, y)
    assert score.z == pytest.approx(score.value / np.std(values), rel=1e-10)


def test_interval_covers_the_population_value():
    # |Σxy|² = |Σxx|² = 5 and |Σyy|² = 10, so the population's CKA is 5 / sqrt(50).
    hits = 0
    for seed in range(100):
        x, noise = np.random.default_rng(seed).normal(size=(2, 100, 5))
        low, high = debiased_cka(x, np.hstack([x, noise])).ci
        hits += low <= 0.5**0.5 <= high
    assert hits >= 88


def test_wide_noise_is_zero_where_the_biased_form_is_nearly_one():
    x, y = np.random.default_rng(0).normal(size=(2, 10, 500))
    assert oracle(x, y, biased) > 0.97
    score = debiased_cka(x, y)
    assert abs(score.value) < 0.5
    assert 0.001 < score.p < 0.999


def test_small_values_are_not_clipped():
    values = [
        float(debiased_cka(*np.random.default_rng(s).normal(size=(2, 30, 4)), ci=False))
        for s in range(30)
    ]
    assert min(values) < 0 < max(values)


def test_streams_and_merges_from_moments():
    x, y = related(n=200)
    parts = Moments.of(x[:50], y[:50]) + Moments.of(x[50:], y[50:])
    streamed = from_moments(parts)
    assert streamed.value == pytest.approx(debiased_cka(x, y).value, abs=1e-12)
    assert streamed.ci is None
    assert debiased_cka(x, y, ci=False).ci is None


def test_shrinking_features_do_not_matter():
    x, y = related()
    for factor in (1e-3, 0.03, 1e3, 1e20):
        assert debiased_cka(x * factor, y).value == pytest.approx(oracle(x, y), abs=1e-10)


def test_large_common_offset_in_float32():
    x, _ = related(n=300)
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    far = (x + 1000).astype(np.float32), (x @ q - 1000).astype(np.float32)
    assert debiased_cka(*far).value == pytest.approx(1, abs=1e-4)


def test_four_rows_are_enough_but_three_are_not():
    x, y = related(n=4)
    assert debiased_cka(x, y).ci is None
    with pytest.raises(InputError, match="at least 4"):
        debiased_cka(x[:3], y[:3])
    with pytest.raises(InputError, match="at least 4"):
        from_moments(Moments.of(x[:3], y[:3]))


def test_five_rows_have_an_interval_or_none_but_never_nan():
    x, y = related(n=5)
    ci = debiased_cka(x, y).ci
    assert ci is None or np.isfinite(ci).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rows_are_refused(dtype):
    x, y = related()
    constant = np.full((40, 3), 0.1, dtype=dtype)
    with pytest.raises(InputError, match="all equal"):
        debiased_cka(constant, y)
    with pytest.raises(InputError, match="all equal"):
        debiased_cka(x, constant + 1e4)


def test_p_is_chi_squared_for_one_direction_and_normal_for_many():
    x, y = np.random.default_rng(3).normal(size=(2, 60, 1))
    score = debiased_cka(x, y)
    assert score.p == pytest.approx(chi2.sf(1 + 2**0.5 * score.z, 1), rel=1e-9)
    score = debiased_cka(*np.random.default_rng(0).normal(size=(2, 400, 150)))
    assert score.p == pytest.approx(norm.sf(score.z), abs=0.01)


@pytest.mark.parametrize("fall", [0.0, 0.7, 8.0])
def test_p_is_calibrated_for_flat_and_for_steep_spectra(fall):
    spectrum = np.arange(1, 11) ** -fall
    p, z = [], []
    for seed in range(600):
        x, y = np.random.default_rng(seed).normal(size=(2, 80, 10)) * spectrum
        score = debiased_cka(x, y, ci=False)
        p.append(score.p)
        z.append(score.z)
    for level, slack in ((0.05, 0.027), (0.01, 0.0125)):
        assert np.mean(np.array(p) < level) == pytest.approx(level, abs=slack)
    # The normal tail, which steep spectra break, is what this replaces.
    if fall == 8.0:
        assert np.mean(np.array(z) > 2.326) > 0.02


def test_unequal_rows_and_nan_are_refused():
    x, y = related()
    with pytest.raises(InputError, match="equally many rows"):
        debiased_cka(x, y[:-1])
    x[3, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        debiased_cka(x, y)
