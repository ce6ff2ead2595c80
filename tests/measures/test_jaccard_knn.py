import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import jaccard_knn, mutual_knn


def sets(x, k):
    d = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(d, np.inf)
    return [set(row[:k]) for row in np.argsort(d, axis=1, kind="stable").tolist()]


def oracle(x, y, k):
    return np.mean([len(a & b) / len(a | b) for a, b in zip(sets(x, k), sets(y, k), strict=True)])


def related(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    return x, np.hstack([x, x[:, :1]]) + 0.5 * rng.normal(size=(n, 6))


@pytest.mark.parametrize("k", [1, 3, 10])
def test_is_over_the_union(k):
    x, y = related()
    score = jaccard_knn(x, y, k=k, metric="euclidean")
    assert score.value == pytest.approx(oracle(x, y, k), abs=1e-15)
    overlap = mutual_knn(x, y, k=k, metric="euclidean").value
    assert (overlap == pytest.approx(score.value)) == (k == 1)


def test_chance_and_spread_are_those_of_shuffled_rows():
    x, y = related(30)
    rng = np.random.default_rng(1)
    values = [oracle(x, y[rng.permutation(30)], 5) for _ in range(500)]
    score = jaccard_knn(x, y, k=5, metric="euclidean")
    spread = (score.value - score.chance) / score.z
    assert np.mean(values) == pytest.approx(score.chance, abs=4 * spread / 500**0.5)
    assert np.std(values) == pytest.approx(spread, rel=0.12)
    # Overlap's chance put into the formula of Jaccard is another number.
    naive = (5 / 29) / (2 - 5 / 29)
    assert abs(score.chance - naive) > 5 * spread / 500**0.5


def test_interval_equals_brute_force_leave_one_out():
    x, y = related(30)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0), 4) for m in range(30)])
    error = np.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2))
    score = jaccard_knn(x, y, k=4, metric="euclidean")
    assert score.ci[1] - score.value == pytest.approx(1.959963984540054 * error, rel=1e-10)
    assert score.parts["per_row"].mean() == pytest.approx(score.value)


def test_k_out_of_range_is_refused():
    x, y = related(12)
    for k in (0, 11):
        with pytest.raises(InputError, match=r"jaccard_knn.*rows - 2"):
            jaccard_knn(x, y, k=k)
