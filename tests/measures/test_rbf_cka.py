import itertools
import sys

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import debiased_cka, rbf_cka
from isthmus.measures.rdm import Dissimilarities


def hsic(k, l):  # noqa: E741
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    one = np.ones(n)
    total = np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * one @ k @ l @ one) / (n * (n - 3))


def kernel(x, bandwidth=1.0):
    gaps = np.linalg.norm(x[:, None] - x[None], axis=2)
    sigma = bandwidth * np.median(gaps[np.triu_indices(len(x), 1)])
    return np.exp(-(gaps**2) / (2 * sigma**2))


def cka(k, l):  # noqa: E741
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


def related(n=40, seed=0):
    x, e = np.random.default_rng(seed).normal(size=(2, n, 4))
    return x, np.tanh(x[:, :3]) ** 2 + 0.3 * e[:, :3]


@pytest.mark.parametrize("bandwidth", [0.4, 1.0, 2.0])
def test_equals_the_formula(bandwidth):
    x, y = related()
    expected = cka(kernel(x, bandwidth), kernel(y, bandwidth))
    assert rbf_cka(x, y, bandwidth=bandwidth).value == pytest.approx(expected, abs=1e-11)


def test_interval_equals_brute_force_leave_one_out_at_fixed_width():
    x, y = related(n=19)
    k, l = kernel(x), kernel(y)  # noqa: E741
    left = np.array([cka(*(np.delete(np.delete(m, i, 0), i, 1) for m in (k, l)))
                     for i in range(19)])  # fmt: skip
    half = 1.959963984540054 * np.sqrt(18 / 19 * np.sum((left - left.mean()) ** 2))
    score = rbf_cka(x, y)
    np.testing.assert_allclose(score.ci, [score.value - half, score.value + half], atol=1e-10)


def test_null_moments_hold_over_all_permutations():
    x, y = related(n=6)
    values = [rbf_cka(x, y[list(p)]).value for p in itertools.permutations(range(6))]
    assert np.mean(values) == pytest.approx(0, abs=1e-12)
    score = rbf_cka(x, y)
    assert score.z == pytest.approx(score.value / np.std(values), rel=1e-9)


def test_wide_kernels_are_linear_and_narrow_ones_see_curves():
    x, y = related(n=80)
    assert rbf_cka(x, y, bandwidth=300.0).value == pytest.approx(debiased_cka(x, y).value, abs=1e-3)
    x = np.random.default_rng(1).normal(size=(150, 1))
    assert rbf_cka(x, x**2).value > debiased_cka(x, x**2).value + 0.2


def test_scale_does_not_matter_nor_does_distance_in_float32():
    x, y = related(n=100)
    expected = rbf_cka(x, y).value
    for factor in (1e-30, 1e-3, 1e3, 1e30):
        assert rbf_cka(x * factor, y).value == pytest.approx(expected, abs=1e-9)
    far = (x + 1000).astype(np.float32), (y - 1000).astype(np.float32)
    assert rbf_cka(*far).value == pytest.approx(expected, abs=1e-3)


def test_median_of_a_sample_of_many_rows_is_near_and_needs_no_order():
    median = sys.modules["isthmus.measures.rbf_cka"]._median
    x = np.random.default_rng(0).normal(size=(2100, 2)) * (3, 1)
    found, turned = (Dissimilarities("x", side, operation="test") for side in (x, x[::-1]))
    assert median("x", found) == pytest.approx(np.median(found.condensed()), rel=0.02)
    assert median("x", turned) == pytest.approx(median("x", found), rel=1e-12)


def test_random_features_agree_within_their_interval():
    x, y = related(n=150, seed=3)
    exact = rbf_cka(x, y).value
    scores = [rbf_cka(x, y, approximate=256, rng=seed) for seed in range(20)]
    values = np.array([score.value for score in scores])
    assert np.mean(values) == pytest.approx(exact, abs=4 * values.std() / 20**0.5 + 0.01)
    assert all(low <= exact <= high for low, high in (score.ci for score in scores))
    assert scores[0].method == "rbf_cka"
    assert "256 random" in scores[0].warnings[0]
    assert rbf_cka(x, y, approximate=256, rng=1) == scores[1]


def test_bad_input_is_refused():
    x, y = related()
    for bandwidth in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="bandwidth"):
            rbf_cka(x, y, bandwidth=bandwidth)
    with pytest.raises(InputError, match="approximate=3"):
        rbf_cka(x, y, approximate=3)
    with pytest.raises(InputError, match="median distance of 0"):
        rbf_cka(np.repeat(x[:2], [38, 2], axis=0), y)
    with pytest.raises(InputError, match="equally far apart"):
        rbf_cka(np.eye(40), y)


def test_many_rows_hear_of_the_quicker_way(monkeypatch):
    x, y = related()
    assert not any("approximate" in text for text in rbf_cka(x, y).warnings)
    monkeypatch.setattr(sys.modules["isthmus.measures.rbf_cka"], "_MANY", 39)
    assert "approximate=1024" in rbf_cka(x, y).warnings[0]
