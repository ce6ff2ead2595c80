from itertools import combinations

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import cdnv


def classes(n=90, d=4, g=3, gap=2.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % g
    return rng.normal(size=(n, d)) + gap * rng.normal(size=(g, d))[labels] + 5, labels


def oracle(x, labels):
    values = []
    for i, j in combinations(np.unique(labels), 2):
        one, two = x[labels == i], x[labels == j]
        spread = one.var(axis=0, ddof=1).sum() + two.var(axis=0, ddof=1).sum()
        values.append(spread / 2 / np.sum((one.mean(axis=0) - two.mean(axis=0)) ** 2))
    return np.mean(values)


def test_equals_the_formula():
    x, labels = classes()
    assert cdnv(x, labels).value == pytest.approx(oracle(x, labels), rel=1e-12)
    uneven = np.minimum(np.arange(90) // 20, 2)
    score = cdnv(x, uneven)
    assert score.value == pytest.approx(oracle(x, uneven), rel=1e-12)
    assert score.parts["pairs"][0, 1] == pytest.approx(oracle(x[:40], uneven[:40]), rel=1e-12)


def test_interval_is_the_jackknife_within_classes():
    x, labels = classes()
    value, error = oracle(x, labels), 0.0
    for c in range(3):
        rows = np.flatnonzero(labels == c)
        left = [oracle(np.delete(x, i, 0), np.delete(labels, i)) for i in rows]
        error += (len(rows) - 1) ** 2 / len(rows) * np.var(left, ddof=1)
    low, high = cdnv(x, labels).ci
    assert (high - low) / 2 == pytest.approx(1.96 * error**0.5, rel=0.1)
    assert (low + high) / 2 == pytest.approx(value)


def test_interval_covers_the_truth():
    truth = 4 / 9  # two classes of 4 unit variances, 3 apart
    inside = []
    for seed in range(150):
        x = np.random.default_rng(seed).normal(size=(200, 4))
        x[::2, 0] += 3
        low, high = cdnv(x, np.arange(200) % 2).ci
        inside.append(low <= truth <= high)
    assert 0.88 < np.mean(inside) < 0.99


def error_of(x, labels, shots, rng):
    wrong = []
    for _ in range(200):
        means = [x[rng.choice(np.flatnonzero(labels == c), shots)].mean(axis=0) for c in (0, 1)]
        guess = np.sum((x[:, None] - np.array(means)) ** 2, axis=2).argmin(axis=1)
        wrong.append(np.mean(guess != labels))
    return np.mean(wrong)


@pytest.mark.parametrize(("gap", "shots"), [(1.0, 5), (4.0, 1), (9.0, 5), (20.0, 1)])
def test_the_bound_is_above_the_error(gap, shots):
    x, labels = classes(n=200, g=2, gap=0.0)
    x[:, 0] += gap * labels
    bound = cdnv(x, labels, shots=shots).parts["bound"]
    assert error_of(x, labels, shots, np.random.default_rng(0)) <= bound <= 1
    assert bound == pytest.approx(
        min(1, 4 * (1 + shots**-0.5) ** 2 * cdnv(x, labels).value), rel=1e-9
    )
    assert cdnv(x, labels).parts["bound"] <= bound


def test_a_variance_of_the_whole_is_not_it():
    """A wrong version that forgets the classes reads no collapse where there is one."""
    x, labels = classes(gap=50.0)
    whole = x.var(axis=0, ddof=1).sum()
    assert cdnv(x, labels).value < 0.01 * whole


def test_means_no_further_apart_than_sampling_leaves_them_are_said():
    x, labels = classes(gap=0.0)
    assert "as near as sampling" in cdnv(x, labels).warnings[0]
    assert not cdnv(*classes(n=600, gap=5.0)).warnings


def test_bad_input():
    x, labels = classes()
    lone = np.where(np.arange(90) == 0, 9, labels)
    for bad in (labels[1:], labels * 0, lone):
        with pytest.raises(InputError, match="cdnv"):
            cdnv(x, bad)
    with pytest.raises(InputError, match="one mean"):
        cdnv(np.tile([[1.0], [-1.0]], (4, 1)), [0, 0, 1, 1] * 2)
    with pytest.raises(InputError, match="shots=0"):
        cdnv(x, labels, shots=0)
