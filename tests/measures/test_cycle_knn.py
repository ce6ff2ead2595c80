import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import cycle_knn


def near(x, k):
    d = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(d, np.inf)
    return np.argsort(d, axis=1, kind="stable")[:, :k]


def oracle(x, y, k):
    a, b = near(x, k), near(y, k)
    return np.mean([any(i in a[j] for j in b[i]) for i in range(len(x))])


def related(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    return x, np.hstack([x, x[:, :1]]) + 0.5 * rng.normal(size=(n, 6))


@pytest.mark.parametrize("k", [1, 3, 10])
def test_equals_going_round(k):
    x, y = related()
    assert cycle_knn(x, y, k=k, metric="euclidean").value == oracle(x, y, k)
    assert cycle_knn(y, x, k=k, metric="euclidean").value == oracle(y, x, k)


def test_chance_and_spread_are_those_of_shuffled_rows():
    x, y = related(40)
    rng = np.random.default_rng(1)
    values = [oracle(x, y[rng.permutation(40)], 3) for _ in range(400)]
    score = cycle_knn(x, y, k=3, metric="euclidean")
    spread = (score.value - score.chance) / score.z
    assert np.mean(values) == pytest.approx(score.chance, abs=4 * spread / 20)
    assert np.std(values) == pytest.approx(spread, rel=0.15)
    # Rows that nobody points at can never be found: equal in-degrees would give more.
    assert score.chance < 1 - (1 - 3 / 39) ** 3 - 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_interval_equals_brute_force_leave_one_out(seed):
    x, y = related(30, seed)
    y += np.random.default_rng(seed).normal(size=y.shape)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0), 3) for m in range(30)])
    error = np.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2))
    score = cycle_knn(x, y, k=3, metric="euclidean")
    low = max(score.value - 1.959963984540054 * error, 0)
    assert score.ci[0] == pytest.approx(low, rel=1e-10)


def test_k_out_of_range_is_refused():
    x, y = related(12)
    with pytest.raises(InputError, match=r"cycle_knn.*rows - 2"):
        cycle_knn(x, y, k=11)
