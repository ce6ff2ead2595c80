import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import mutual_knn, rank_biased_overlap


def ordered(x, k):
    d = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(d, np.inf)
    return np.argsort(d, axis=1, kind="stable")[:, :k].tolist()


def rbo(a, b, p):
    """Webber's extrapolated sum for lists of equal length."""
    k = len(a)
    agreement = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, k + 1)]
    return agreement[-1] * p**k + (1 - p) / p * sum(
        one * p ** (d + 1) for d, one in enumerate(agreement)
    )


def oracle(x, y, k, p=0.9):
    return np.mean([rbo(a, b, p) for a, b in zip(ordered(x, k), ordered(y, k), strict=True)])


def related(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    return x, np.hstack([x, x[:, :1]]) + 0.5 * rng.normal(size=(n, 6))


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("p", [0.3, 0.9])
def test_equals_the_formula(k, p):
    x, y = related()
    score = rank_biased_overlap(x, y, k=k, persistence=p, metric="euclidean")
    assert score.value == pytest.approx(oracle(x, y, k, p), abs=1e-14)


def test_order_counts_where_a_set_overlap_sees_none():
    # Both spaces of points on a line give the same sets of two; half of the rows swap their order.
    x = np.array([0.0, 1, 2.1, 10, 11, 12.1, 20, 21, 22.1, 30, 31, 32.1])[:, None]
    y = np.array([0.0, 1.1, 2.1, 10, 11.1, 12.1, 20, 21.1, 22.1, 30, 31.1, 32.1])[:, None]
    assert mutual_knn(x, y, k=2, metric="euclidean").value == 1
    value = rank_biased_overlap(x, y, k=2, persistence=0.5, metric="euclidean").value
    assert value == pytest.approx(1 - 0.5 / 3)


def test_chance_and_spread_are_those_of_shuffled_rows():
    x, y = related(30)
    rng = np.random.default_rng(1)
    values = [oracle(x, y[rng.permutation(30)], 5) for _ in range(500)]
    score = rank_biased_overlap(x, y, k=5, metric="euclidean")
    spread = (score.value - score.chance) / score.z
    assert np.mean(values) == pytest.approx(score.chance, abs=4 * spread / 500**0.5)
    assert np.std(values) == pytest.approx(spread, rel=0.12)


def test_interval_equals_brute_force_leave_one_out():
    x, y = related(30)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0), 4) for m in range(30)])
    error = np.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2))
    score = rank_biased_overlap(x, y, k=4, metric="euclidean")
    assert score.ci[1] - score.value == pytest.approx(1.959963984540054 * error, rel=1e-10)


def test_refusals():
    x, y = related(12)
    with pytest.raises(InputError, match=r"rank_biased_overlap.*rows - 2"):
        rank_biased_overlap(x, y, k=11)
    for p in (0, 1):
        with pytest.raises(InputError, match="0 < p < 1"):
            rank_biased_overlap(x, y, persistence=p)


def test_ties_within_the_list_leave_no_test():
    """Sets of k neighbours do not see which of two comes first; a ranking does."""
    x = np.array([[0.0], [1.0], [-1.0], [10.0], [23.0], [43.0], [87.0]])
    ranked = rank_biased_overlap(x, 2 * x, k=3, metric="euclidean")
    assert ranked.z is None
    assert ranked.p is None
    assert any("ties among their nearest on both sides" in w for w in ranked.warnings)
    assert mutual_knn(x, 2 * x, k=3, metric="euclidean").z is not None
