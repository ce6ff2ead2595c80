import sys

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import mutual_knn, r_nx_auc


def ordered(x):
    d = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(d, np.inf)
    return np.argsort(d, axis=1, kind="stable")[:, :-1]


def curve(x, y):
    n = len(x)
    a, b = ordered(x), ordered(y)
    found = []
    for k in range(1, n - 1):
        kept = np.mean([len(set(p[:k]) & set(q[:k])) / k for p, q in zip(a, b, strict=True)])
        found.append(((n - 1) * kept - k) / (n - 1 - k))
    return np.array(found)


def oracle(x, y):
    weights = 1 / np.arange(1, len(x) - 1)
    return curve(x, y) @ weights / weights.sum()


def related(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) + 2
    return x, x[:, :2] + 0.5 * rng.normal(size=(n, 2))


def test_equals_the_definition():
    x, y = related()
    score = r_nx_auc(x, y)
    assert score.value == pytest.approx(oracle(x, y), abs=1e-12)
    np.testing.assert_allclose(score.parts["curve"], curve(x, y), atol=1e-12)
    assert score.parts["per_row"].mean() == pytest.approx(score.value)
    # An area over K itself, without logarithmic weights, is another number.
    assert curve(x, y).mean() != pytest.approx(score.value, abs=0.01)


def test_one_point_of_the_curve_is_mutual_knn_beyond_chance():
    x, y = related()
    kept = mutual_knn(x, y, k=5, metric="euclidean")
    expected = (kept.value - kept.chance) / (1 - kept.chance)
    assert r_nx_auc(x, y).parts["curve"][4] == pytest.approx(expected)


def test_unrelated_spaces_give_zero():
    values = [float(r_nx_auc(*np.random.default_rng(s).normal(size=(2, 30, 3)))) for s in range(60)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 60**0.5


@pytest.mark.parametrize("seed", range(3))
def test_interval_is_close_to_brute_force_leave_one_out(seed):
    x, y = related(30, seed)
    left = np.array([oracle(np.delete(x, m, 0), np.delete(y, m, 0)) for m in range(30)])
    error = np.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2))
    score = r_nx_auc(x, y)
    assert score.ci[1] - score.value == pytest.approx(1.959963984540054 * error, rel=0.1)


def test_blocks_do_not_matter(monkeypatch):
    x, y = related()
    whole = r_nx_auc(x, y)
    monkeypatch.setattr(sys.modules["isthmus.measures.ranks"], "_ENTRIES", 7 * 40)
    again = r_nx_auc(x, y)
    np.testing.assert_allclose([again.value, *again.ci], [whole.value, *whole.ci], rtol=1e-12)


def test_few_rows_are_refused():
    with pytest.raises(InputError, match="at least 8"):
        r_nx_auc(np.eye(7), np.eye(7))
