from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from isthmus.core.errors import InputError
from isthmus.measures import energy_distance, mmd


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


def statistic(k, n, unbiased):
    within = [k[:n, :n], k[n:, n:]]
    if not unbiased:
        return within[0].mean() + within[1].mean() - 2 * k[:n, n:].mean()
    same = sum((one.sum() - n) / (n * (n - 1)) for one in within)
    return same - 2 * k[:n, n:].mean()


@pytest.mark.parametrize("size", [2, 5])
def test_approximate_is_the_mean_over_blocks(size):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(150, 3)), rng.normal(size=(190, 3)) + 0.5
    score = mmd(x, y, bandwidth=1.5, approximate=size, rng=3)
    draws, count = np.random.default_rng(3), 150 // size
    x, y = (
        side[draws.permutation(len(side))[: count * size]].reshape(size, count, 3)
        for side in (x, y)
    )
    values = []
    for b in range(count):
        both = np.concatenate([x[:, b], y[:, b]])
        k = np.exp(-cdist(both, both, "sqeuclidean") / (2 * 1.5**2))
        values.append(statistic(k, size, unbiased=True))
    assert score.value == pytest.approx(np.mean(values), abs=1e-12)
    error = np.std(values, ddof=1) / np.sqrt(count)
    assert score.ci == pytest.approx(np.mean(values) + 1.959964 * error * np.array([-1, 1]))
    assert score.z == pytest.approx(np.mean(values) / error)
    assert score.warnings[0] == f"approximated by {count} blocks of {size} rows a side"
    assert score.length is None


@pytest.mark.parametrize(
    ("measure", "dissimilarity"),
    [(partial(mmd, bandwidth=1.0), lambda d: 1 - np.exp(-(d**2) / 2)), (energy_distance, abs)],
    ids=["mmd", "energy_distance"],
)
def test_interval_of_blocks_holds_the_exact_value(measure, dissimilarity):
    hits = biased = 0
    for seed in range(300):
        x, y = np.random.default_rng(seed).normal(size=(2, 100, 2))
        within = [dissimilarity(pdist(one)).mean() for one in (x, y)]
        exact = 2 * dissimilarity(cdist(x, y)).mean() - sum(within)
        low, high = measure(x, y, approximate=2).ci
        hits += low <= exact <= high
        # A block's rows met with themselves too: half of its pairs within a side are zeros.
        biased += low + sum(within) / 2 <= exact <= high + sum(within) / 2
    assert 0.92 <= hits / 300 <= 0.98
    assert biased < 30


def test_blocks_keep_the_level_find_a_shift_and_need_rows():
    found = []
    for seed in range(200):
        x = np.random.default_rng(seed).normal(size=(240, 2))
        found.append(mmd(x[:120], x[120:], bandwidth=1.0, approximate=4).p)
    assert 2 <= np.sum(np.array(found) < 0.05) <= 18
    x = np.random.default_rng(0).normal(size=(800, 2))
    assert mmd(x[:400], x[400:] + 1, approximate=8).p < 1e-6
    assert mmd(x[:400], x[400:], approximate=2, rng=1) != mmd(x[:400], x[400:], approximate=2)
    for size in (1, 14):
        with pytest.raises(InputError, match=f"mmd.*approximate={size} of 400 rows.*30 blocks"):
            mmd(x[:400], x[400:], approximate=size)


@pytest.mark.parametrize("options", [{"kernel": "cubic"}, {"bandwidth": 0.0}])
def test_bad_options(samples, options):
    with pytest.raises(InputError, match="mmd"):
        mmd(*samples, **options)
