import itertools
import math

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import cka, debiased_cka


def oracle(x, y):
    n = len(x)
    h = np.eye(n) - 1 / n
    k, l = h @ x @ x.T @ h, h @ y @ y.T @ h  # noqa: E741
    return np.sum(k * l) / np.linalg.norm(k) / np.linalg.norm(l)


def related(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) + 3
    return x, x[:, :3] + rng.normal(size=(n, 3))


def test_equals_the_cosine_of_centred_grams():
    x, y = related()
    assert cka(x, y).value == pytest.approx(oracle(x, y), abs=1e-13)


def test_chance_is_the_mean_over_all_permutations():
    x, y = related(n=6)
    values = [oracle(x, y[list(p)]) for p in itertools.permutations(range(6))]
    assert cka(x, y).chance == pytest.approx(np.mean(values), rel=1e-12)


def test_wide_noise_reads_nearly_one_and_says_so():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 1000))
    score = cka(x, y)
    assert score.value > 0.97
    assert score.value == pytest.approx(score.chance, abs=0.005)
    assert abs(score.z) < 3
    assert "would read 0.98" in score.warnings[0]
    assert not cka(*related(n=300)).warnings


def test_interval_equals_brute_force_leave_one_out():
    x, y = related(n=21)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0)) for m in range(21)])
    half = 1.959963984540054 * np.sqrt(20 / 21 * np.sum((left - left.mean()) ** 2))
    score = cka(x, y)
    np.testing.assert_allclose(score.ci, [score.value - half, score.value + half], atol=1e-12)


def test_test_is_that_of_the_debiased_form():
    x, y = related()
    one, two = cka(x, y), debiased_cka(x, y)
    assert (one.z, one.p) == (two.z, two.p)


def test_length_is_the_angle():
    x, y = related()
    assert cka(x, y).distance() == pytest.approx(math.acos(oracle(x, y)), abs=1e-12)


def test_shrinking_features_and_far_float32_do_not_matter():
    x, y = related(n=300)
    for factor in (1e-3, 0.03, 1e3, 1e20):
        assert cka(x * factor, y).value == pytest.approx(oracle(x, y), abs=1e-10)
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    far = (x + 1000).astype(np.float32), (x @ q - 1000).astype(np.float32)
    assert cka(*far).value == pytest.approx(1, abs=1e-4)


def test_bad_rows_are_refused():
    x, y = related()
    with pytest.raises(InputError, match="cka.*3 rows"):
        cka(x[:3], y[:3])
    with pytest.raises(InputError, match="all equal"):
        cka(np.full((40, 3), 0.1), y)


def test_without_interval_the_rest_is_the_same():
    x, y = np.random.default_rng(0).normal(size=(2, 50, 6))
    bare, whole = cka(x, y, ci=False), cka(x, y)
    assert bare.ci is None
    assert (bare.value, bare.z, bare.chance) == (whole.value, whole.z, whole.chance)
