import numpy as np
import pytest
from scipy.linalg import sqrtm

from isthmus.core.errors import InputError
from isthmus.measures import gaussian_wasserstein


def naive(x, y):
    a, b = np.cov(x.T), np.cov(y.T)
    step = x.mean(axis=0) - y.mean(axis=0)
    return np.sqrt(step @ step + np.trace(a + b - 2 * sqrtm(a @ b).real))


def test_equals_the_formula():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)) * [1, 2, 3, 4], rng.exponential(size=(70, 4))
    score = gaussian_wasserstein(x, y)
    assert score.distance() == pytest.approx(naive(x, y), abs=1e-9)
    assert score.parts["mean"] + score.parts["covariance"] == pytest.approx(score.value**2)


def test_nothing_cancels_between_nearly_equal_samples():
    x = np.random.default_rng(0).normal(size=(200, 6)) * np.geomspace(1e3, 1, 6)
    y = x * (1 + 1e-9)
    exact = 1e-9 * np.sqrt(np.trace(np.cov(x.T)) + np.sum(x.mean(axis=0) ** 2))
    assert float(gaussian_wasserstein(x, y)) == pytest.approx(exact, rel=1e-3)


def test_singular_covariances_are_no_trouble():
    x = np.random.default_rng(0).normal(size=(5, 8))
    score = gaussian_wasserstein(x, np.roll(x, 1, axis=1))
    assert np.isfinite(score.value)
    assert score.ci is None
    assert any("hardly determine" in one for one in score.warnings)


def test_chance_is_what_two_samples_of_one_gaussian_read():
    rng = np.random.default_rng(0)
    scales = np.geomspace(3, 0.5, 5)
    squares, chances = [], []
    for _ in range(200):
        score = gaussian_wasserstein(
            rng.normal(size=(150, 5)) * scales, rng.normal(size=(250, 5)) * scales
        )
        squares.append(score.value**2)
        chances.append(score.chance**2)
    assert np.mean(chances) == pytest.approx(np.mean(squares), rel=0.1)
    assert any("one Gaussian" in one for one in score.warnings)


def test_interval_covers_the_true_distance():
    scales, step, hits = np.array([1.0, 2.0, 0.5]), np.array([1.0, 0.0, 0.5]), 0
    truth = np.sqrt(step @ step + np.sum((scales - 1) ** 2))
    for seed in range(200):
        rng = np.random.default_rng(seed)
        score = gaussian_wasserstein(
            rng.normal(size=(400, 3)) * scales, rng.normal(size=(300, 3)) + step
        )
        hits += score.ci[0] <= truth <= score.ci[1]
    assert 180 <= hits <= 199


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_point_is_a_gaussian_of_no_spread(dtype):
    """W² = |μx - μy|² + tr Σy, of which a warning tells."""
    y = np.random.default_rng(0).normal(size=(200, 3)).astype(dtype)
    point = np.ones((50, 3), dtype) * np.array([1, 2, 3], dtype)
    score = gaussian_wasserstein(point, y)
    expected = np.sum((point[0] - y.mean(axis=0)) ** 2) + np.trace(np.cov(y.T))
    assert score.value**2 == pytest.approx(expected, rel=1e-5)
    said = [warning for warning in score.warnings if "no spread" in warning]
    assert said == ["all rows of x are equal: a point has no spread"]
    both = gaussian_wasserstein(point, point + 1)
    assert both.value == pytest.approx(3**0.5, rel=1e-6)
    assert "all rows of x and of y are equal" in both.warnings[0]
    assert "equal" not in " ".join(gaussian_wasserstein(y, y + 1).warnings)


def test_bad_input():
    with pytest.raises(InputError, match="gaussian_wasserstein"):
        gaussian_wasserstein(np.eye(3), np.eye(4))
