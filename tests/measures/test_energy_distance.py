import numpy as np
import pytest
from scipy.spatial.distance import cdist

from isthmus.core.errors import InputError
from isthmus.measures import energy_distance, two_sample


def naive(x, y):
    """U and V form, straight from the formula."""
    n, m = len(x), len(y)
    xx, yy, xy = cdist(x, x).sum(), cdist(y, y).sum(), cdist(x, y).sum()
    unbiased = 2 * xy / (n * m) - xx / (n * (n - 1)) - yy / (m * (m - 1))
    return unbiased, 2 * xy / (n * m) - xx / n**2 - yy / m**2


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return rng.normal(size=(23, 4)), rng.exponential(size=(31, 4))


def test_equals_the_formula(samples):
    score = energy_distance(*samples)
    unbiased, biased = naive(*samples)
    assert score.value == pytest.approx(unbiased, abs=1e-12)
    assert score.distance() == pytest.approx(np.sqrt(biased), abs=1e-12)


def test_blocks_do_not_change_it(samples, monkeypatch):
    whole = energy_distance(*samples)
    monkeypatch.setattr(two_sample, "_CELLS", 200)
    parts = energy_distance(*samples)
    assert parts.value == pytest.approx(whole.value, abs=1e-12)
    assert parts.z == pytest.approx(whole.z, abs=1e-9)
    assert parts.ci == pytest.approx(whole.ci, abs=1e-12)


@pytest.mark.parametrize(("dtype", "rel"), [("f4", 1e-5), ("f8", 1e-10)])
def test_close_rows_keep_their_digits(dtype, rel, monkeypatch):
    rng = np.random.default_rng(0)
    x = 100 + rng.normal(size=(60, 30)).astype(dtype)
    # Copies, and rows at a hundred-thousandth of the radius, whose distance a product loses.
    y = np.concatenate([x[:30], x[30:] + 1e-5 * rng.normal(size=(30, 30)).astype(dtype)])
    both = np.concatenate([x, y])
    every, apart = slice(0, 120), cdist(both, both)
    found = np.sqrt(two_sample.SquaredDistances(both - both.mean(axis=0)).tile(every, every))
    far = apart > (1e-3 if dtype == "f4" else 0)
    np.testing.assert_allclose(found[far], apart[far], rtol=rel)
    assert found[apart == 0].max() == 0
    # The product alone, which is what this guards against, is off.
    monkeypatch.setattr(two_sample, "_NEAR", dict.fromkeys(two_sample._NEAR, -1.0))
    bare = two_sample.SquaredDistances(both - both.mean(axis=0)).tile(every, every)
    assert np.abs(bare[apart == 0]).max() > 0
    monkeypatch.undo()
    assert energy_distance(x, y).value == pytest.approx(naive(x, y)[0], rel=1e-4)


def test_interval_is_the_jackknife_of_both_samples(samples):
    x, y = samples
    left_x = [naive(np.delete(x, i, 0), y)[0] for i in range(len(x))]
    left_y = [naive(x, np.delete(y, i, 0))[0] for i in range(len(y))]
    variance = sum((len(one) - 1) * np.var(one) for one in (left_x, left_y))
    # Less what belongs to pairs: 2 Var/(n (n - 1)) within a sample, 4 Var/(n m) across.
    for one in samples:
        d, n = cdist(one, one), len(one)
        rows = d.sum(axis=1)
        d = d - (rows[:, None] + rows) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(d, 0)
        variance -= 2 * np.sum(d**2) / (n * (n - 3)) / (n * (n - 1))
    d, n, m = cdist(x, y), len(x), len(y)
    d = d - d.mean(axis=0) - d.mean(axis=1)[:, None] + d.mean()
    variance -= 4 * np.sum(d**2) / ((n - 1) * (m - 1)) / (n * m)
    score = energy_distance(x, y)
    assert score.ci[1] - score.value == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-6)


def test_z_is_that_of_all_relabellings(samples):
    x, y = samples
    both, rng = np.concatenate(samples), np.random.default_rng(1)
    drawn = []
    for _ in range(2000):
        mixed = both[rng.permutation(len(both))]
        drawn.append(naive(mixed[: len(x)], mixed[len(x) :])[0])
    score = energy_distance(x, y)
    assert np.mean(drawn) == pytest.approx(0, abs=4 * np.std(drawn) / np.sqrt(len(drawn)))
    assert score.value / score.z == pytest.approx(np.std(drawn), rel=0.08)


def test_p_keeps_its_level_and_finds_a_shift():
    found = []
    for seed in range(300):
        x = np.random.default_rng(seed).normal(size=(50, 3))
        found.append(energy_distance(x[:20], x[20:]).p)
    assert np.mean(np.array(found) < 0.05) < 0.085
    x = np.random.default_rng(0).normal(size=(60, 3))
    assert energy_distance(x[:30], x[30:] + 1).p < 1e-4


def test_one_sample_twice_is_at_no_distance(samples):
    score = energy_distance(samples[0], samples[0].copy())
    assert score.distance() < 1e-7
    assert score.value < 0  # not clipped: it is unbiased


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((5, 2)), np.ones((4, 2))),
        (np.eye(3), np.eye(4)),
        (np.eye(3)[:1], np.eye(3)),
        (np.full((3, 3), np.nan), np.eye(3)),
    ],
)
def test_bad_input(x, y):
    with pytest.raises(InputError, match="energy_distance"):
        energy_distance(x, y)
