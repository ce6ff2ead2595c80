import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import anisotropy


def oracle(x):
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = u @ u.T
    n = len(x)
    return np.mean(cosines[~np.eye(n, dtype=bool)]), u


def test_equals_all_pairs_and_the_jackknife():
    x = np.random.default_rng(0).normal(size=(40, 4)) + 0.4
    value, u = oracle(x)
    score = anisotropy(x)
    assert score.value == pytest.approx(value, rel=1e-12)
    left = np.array([oracle(np.delete(x, i, axis=0))[0] for i in range(40)])
    error = np.sqrt(39 / 40 * np.sum((left - left.mean()) ** 2))
    assert score.ci[1] - score.value == pytest.approx(1.959964 * error, rel=1e-6)
    s = np.linalg.svd(u, compute_uv=False) ** 2
    assert score.parts["top_share"] == pytest.approx(s[0] / s.sum())
    assert score.parts["drift"] == pytest.approx(np.linalg.norm(u.mean(axis=0)))
    # Counting each row with itself is what makes the mean biased.
    assert np.mean(u @ u.T) > score.value + 0.01


def test_a_line_of_two_senses_has_no_drift_but_one_direction():
    line = np.outer(np.tile([1.0, -1.0], 20), [1.0, 2.0, 2.0])
    parts = anisotropy(line).parts
    assert parts["drift"] == pytest.approx(0, abs=1e-12)
    assert parts["top_share"] == pytest.approx(1)


def test_level_and_spread_under_even_directions():
    scores = [anisotropy(np.random.default_rng(s).normal(size=(60, 5))) for s in range(300)]
    assert np.mean([s.p <= 0.05 for s in scores]) == pytest.approx(0.05, abs=0.035)
    z = [s.z for s in scores]
    assert np.mean(z) == pytest.approx(0, abs=0.2)
    assert np.std(z) == pytest.approx(1, abs=0.15)


def test_zero_rows_and_bad_input():
    x = np.random.default_rng(0).normal(size=(10, 3))
    score = anisotropy(np.vstack([x, 0 * x[:2]]))
    assert score.value == pytest.approx(anisotropy(x).value)
    assert score.warnings[0] == "2 zero rows left out"
    assert score.n == 10
    with pytest.raises(InputError, match="anisotropy: got 2 nonzero rows"):
        anisotropy(np.vstack([x[:2], 0 * x]))
