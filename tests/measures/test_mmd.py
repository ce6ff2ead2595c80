import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from isthmus.core.errors import InputError
from isthmus.measures import mmd


def naive(x, y, width):
    """U and V form, straight from the formula."""
    n, m = len(x), len(y)
    k = [np.exp(-cdist(*pair, "sqeuclidean") / (2 * width**2)) for pair in ((x, x), (y, y), (x, y))]
    cross = 2 * k[2].mean()
    unbiased = (k[0].sum() - n) / (n * (n - 1)) + (k[1].sum() - m) / (m * (m - 1)) - cross
    return unbiased, k[0].mean() + k[1].mean() - cross


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return rng.normal(size=(23, 4)), rng.exponential(size=(31, 4))


def test_equals_the_formula_at_the_median(samples):
    width = np.median(pdist(np.concatenate(samples)))
    assert float(mmd(*samples)) == pytest.approx(naive(*samples, width)[0], abs=1e-12)


def test_a_bandwidth_of_the_callers_gives_a_metric(samples):
    score = mmd(*samples, bandwidth=1.5)
    unbiased, biased = naive(*samples, 1.5)
    assert score.value == pytest.approx(unbiased, abs=1e-12)
    assert score.distance() == pytest.approx(np.sqrt(biased), abs=1e-12)
    with pytest.raises(InputError):
        mmd(*samples).distance()


def test_linear_kernel_is_the_distance_of_the_means(samples):
    x, y = samples
    score = mmd(x, y, kernel="linear")
    gap = x.mean(axis=0) - y.mean(axis=0)
    assert score.distance() == pytest.approx(np.linalg.norm(gap), abs=1e-10)
    noise = sum(one.var(axis=0, ddof=1).sum() / len(one) for one in samples)
    assert score.value == pytest.approx(gap @ gap - noise, abs=1e-10)


def test_z_is_that_of_all_relabellings(samples):
    x, _ = samples
    both, rng = np.concatenate(samples), np.random.default_rng(1)
    width = np.median(pdist(both))
    drawn = []
    for _ in range(1500):
        mixed = both[rng.permutation(len(both))]
        drawn.append(naive(mixed[: len(x)], mixed[len(x) :], width)[0])
    score = mmd(*samples)
    assert score.value / score.z == pytest.approx(np.std(drawn), rel=0.08)


def test_interval_covers_the_true_value():
    # Two Gaussians a unit apart in d = 1: E k has a closed form.
    width, step, hits = 1.0, 1.0, 0
    scale = width / np.sqrt(width**2 + 2)
    truth = 2 * scale * (1 - np.exp(-(step**2) / (2 * (width**2 + 2))))
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(40, 1)), rng.normal(size=(60, 1)) + step
        low, high = mmd(x, y, bandwidth=width).ci
        hits += low <= truth <= high
    assert 178 <= hits <= 200


def test_the_median_of_many_rows_does_not_depend_on_their_order():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(700, 2)), rng.normal(size=(600, 2)) + 0.3
    assert float(mmd(x, y)) == pytest.approx(
        float(mmd(x[::-1], y[rng.permutation(600)])), abs=1e-12
    )


@pytest.mark.parametrize("options", [{"kernel": "cubic"}, {"bandwidth": 0.0}])
def test_bad_options(samples, options):
    with pytest.raises(InputError, match="mmd"):
        mmd(*samples, **options)
