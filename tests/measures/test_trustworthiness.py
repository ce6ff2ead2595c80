import sys

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as rival

from isthmus.core.errors import InputError
from isthmus.measures import trustworthiness


def related(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) + 2
    return x, x[:, :2] + 0.3 * rng.normal(size=(n, 2))


@pytest.mark.parametrize("k", [1, 5, 29])
def test_equals_scikit_learn(k):
    x, y = related()
    assert trustworthiness(x, y, k=k).value == pytest.approx(rival(x, y, n_neighbors=k), abs=1e-12)
    assert rival(x, y, n_neighbors=k) != pytest.approx(rival(y, x, n_neighbors=k), abs=1e-3)


def test_chance_and_spread_are_those_of_shuffled_rows():
    x, y = related(40)
    rng = np.random.default_rng(1)
    values = [rival(x, y[rng.permutation(40)], n_neighbors=4) for _ in range(400)]
    score = trustworthiness(x, y, k=4)
    spread = (score.value - score.chance) / score.z
    assert np.mean(values) == pytest.approx(score.chance, abs=4 * spread / 20)
    assert np.std(values) == pytest.approx(spread, rel=0.15)


def test_interval_equals_brute_force_leave_one_out():
    x, y = related(30)
    left = np.array(
        [rival(np.delete(x, m, 0), np.delete(y, m, 0), n_neighbors=4) for m in range(30)]
    )
    error = np.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2))
    score = trustworthiness(x, y, k=4)
    assert score.value - score.ci[0] == pytest.approx(1.959963984540054 * error, rel=1e-9)
    assert score.parts["per_row"].mean() == pytest.approx(score.value)


def test_farthest_neighbours_give_less_than_chance():
    x = np.arange(20.0)[:, None] ** 1.01
    y = x.copy()
    y[::2] += 1000
    score = trustworthiness(x, np.random.default_rng(0).permutation(y), k=3)
    assert score.value < trustworthiness(x, y, k=3).value < 1


def test_blocks_do_not_matter(monkeypatch):
    x, y = related()
    whole = trustworthiness(x, y)
    monkeypatch.setattr(sys.modules["isthmus.measures.ranks"], "_ENTRIES", 7 * 60)
    assert trustworthiness(x, y) == whole


def test_ties_are_warned_about():
    x, y = related()
    y[:30] = y[0]
    assert "equal distances" in " ".join(trustworthiness(x, y).warnings)


def test_k_out_of_range_is_refused():
    x, y = related(12)
    for k in (0, 6):
        with pytest.raises(InputError, match=r"trustworthiness.*rows / 2"):
            trustworthiness(x, y, k=k)
