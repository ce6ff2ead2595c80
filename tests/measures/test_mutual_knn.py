import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import mutual_knn


def sets(x, k, metric="cosine"):
    if metric == "cosine":
        u = x / np.linalg.norm(x, axis=1, keepdims=True)
        d = 1 - u @ u.T
    else:
        d = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(d, np.inf)
    return [set(row[:k]) for row in np.argsort(d, axis=1, kind="stable").tolist()]


def oracle(x, y, k, metric="cosine"):
    both = zip(sets(x, k, metric), sets(y, k, metric), strict=True)
    return np.mean([len(a & b) / k for a, b in both])


def related(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5))
    return x, np.hstack([x, x[:, :1]]) + 0.5 * rng.normal(size=(n, 6))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_equals_set_overlap_not_jaccard(metric, k):
    x, y = related()
    score = mutual_knn(x, y, k=k, metric=metric)
    assert score.value == pytest.approx(oracle(x, y, k, metric), abs=1e-15)
    if k == 10:
        both = zip(sets(x, k, metric), sets(y, k, metric), strict=True)
        jaccard = np.mean([len(a & b) / len(a | b) for a, b in both])
        assert abs(score.value - jaccard) > 0.05


def test_chance_and_spread_are_those_of_shuffled_rows():
    x, y = related()
    rng = np.random.default_rng(1)
    values = [oracle(x, y[rng.permutation(60)], 5) for _ in range(400)]
    score = mutual_knn(x, y, k=5)
    assert score.chance == 5 / 59
    assert np.mean(values) == pytest.approx(score.chance, abs=0.003)
    assert np.std(values) == pytest.approx((score.value - score.chance) / score.z, rel=0.12)


def test_interval_equals_brute_force_leave_one_out():
    x, y = related(n=30)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0), 4) for m in range(30)])
    error = np.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2))
    score = mutual_knn(x, y, k=4)
    np.testing.assert_allclose(score.ci[1] - score.ci[0], 2 * 1.959963984540054 * error, rtol=1e-10)


def test_length_is_one_minus_value_and_obeys_the_triangle():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    y, z = x + rng.normal(size=x.shape), rng.normal(size=x.shape)
    d = {
        p: mutual_knn(*q, k=5).distance()
        for p, q in {"xy": (x, y), "yz": (y, z), "xz": (x, z)}.items()
    }
    assert mutual_knn(x, x, k=5).distance() == 0
    assert d["xz"] <= d["xy"] + d["yz"]


def test_shuffled_rows_are_insignificant():
    p = [
        mutual_knn(x, np.random.default_rng(s).permutation(y)).p
        for s in range(40)
        for x, y in [related(100, s)]
    ]
    assert np.mean(np.array(p) < 0.05) < 0.2
    assert mutual_knn(*related(100)).p < 1e-10


def test_duplicates_and_zero_vectors_are_warned_about():
    x, y = related()
    x[:40] = x[0]
    x[50] = 0
    text = " ".join(mutual_knn(x, y).warnings)
    assert "ties" in text
    assert "1 zero vectors" in text


def test_k_out_of_range_is_refused():
    x, y = related(n=12)
    assert mutual_knn(x, y, k=10).n == 12
    for k in (0, 11):
        with pytest.raises(InputError, match="rows - 2"):
            mutual_knn(x, y, k=k)
