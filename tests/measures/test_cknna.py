import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import cknna


def kernel(x, k):
    """The centred kernel, zero where column j is not among the k nearest of row i."""
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    gram = u @ u.T
    centred = gram - gram.mean(axis=1, keepdims=True)
    np.fill_diagonal(gram, -np.inf)
    near = np.argsort(-gram, axis=1, kind="stable")[:, :k]
    mask = np.zeros(gram.shape)
    np.put_along_axis(mask, near, 1.0, axis=1)
    return centred * mask


def oracle(x, y, k):
    a, b = kernel(x, k), kernel(y, k)
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def related(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) + 0.5
    return x, np.hstack([x, x[:, :1]]) + 0.5 * rng.normal(size=(n, 6))


@pytest.mark.parametrize("k", [1, 5, 30, 58])
def test_equals_the_formula(k):
    x, y = related()
    assert cknna(x, y, k=k).value == pytest.approx(oracle(x, y, k), abs=1e-13)


def test_scale_changes_nothing_where_an_absolute_guard_would():
    x, y = related()
    value = cknna(x, y).value
    for factor in (1e-9, 1e9):
        assert cknna(x * factor, y).value == pytest.approx(value, abs=1e-12)
    # Nearly one direction: kernels of 1e-8, which +1e-6 in the denominator would drown.
    narrow = np.hstack([1e-4 * related()[0], np.ones((60, 1))])
    a = kernel(narrow, 10)
    guarded = (a * a).sum() / ((a * a).sum() + 1e-6)
    assert guarded < 0.01
    assert cknna(narrow, narrow).value == pytest.approx(1, abs=1e-12)


def test_chance_and_spread_are_those_of_shuffled_rows():
    x, y = related(30)
    rng = np.random.default_rng(1)
    values = [oracle(x, y[rng.permutation(30)], 5) for _ in range(500)]
    score = cknna(x, y, k=5)
    spread = (score.value - score.chance) / score.z
    assert np.mean(values) == pytest.approx(score.chance, abs=4 * spread / 500**0.5)
    assert np.std(values) == pytest.approx(spread, rel=0.12)


def test_interval_is_close_to_brute_force_leave_one_out():
    x, y = related(60)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0), 6) for m in range(60)])
    error = np.sqrt(59 / 60 * np.sum((left - left.mean()) ** 2))
    score = cknna(x, y, k=6)
    assert score.ci[1] - score.value == pytest.approx(1.959963984540054 * error, rel=0.05)


def test_refusals():
    x, y = related(12)
    with pytest.raises(InputError, match=r"cknna.*rows - 2"):
        cknna(x, y, k=11)
    with pytest.raises(InputError, match="y whose 12 rows all have one direction"):
        cknna(x, np.outer(np.arange(1, 13), np.ones(3)), k=3)
