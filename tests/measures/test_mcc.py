from itertools import permutations

import numpy as np
import pytest
from scipy.stats import spearmanr

from isthmus.core.errors import InputError
from isthmus.measures import correlation_match, mcc


def sources(n=80, d=4, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n, d))
    return -2 * y[:, rng.permutation(d)] + noise * rng.normal(size=(n, d)) + 7, y


def oracle(x, y):
    rho = np.abs(np.corrcoef(x.T, y.T)[: x.shape[1], x.shape[1] :])
    return max(
        np.mean([rho[i, j] for i, j in enumerate(order)])
        for order in permutations(range(y.shape[1]), x.shape[1])
    )


def test_equals_the_best_of_all_assignments():
    x, y = sources()
    assert mcc(x, y).value == pytest.approx(oracle(x, y), rel=1e-12)
    assert mcc(x[:, :2], y).value == pytest.approx(oracle(x[:, :2], y), rel=1e-12)
    # With signs, as a match of neurons has them, it would be another number.
    assert correlation_match(x, y).value < 0.5 * mcc(x, y).value


def test_spearman_forgives_increasing_maps():
    x, y = sources(noise=0.0)
    bent = np.exp(3 * x / x.std(axis=0))
    assert mcc(bent, y, correlation="spearman").value == pytest.approx(1.0)
    assert mcc(bent, y).value < 0.8
    one = spearmanr(bent[:, 0], y[:, 1]).statistic
    score = mcc(bent[:, :1], y[:, 1:2], correlation="spearman")
    assert score.value == pytest.approx(abs(one))


def test_partners_and_signs():
    x, y = sources(noise=0.1)
    score = mcc(x, y)
    assert (score.parts["correlations"] < -0.9).all()
    there = score.parts["x_partner"]
    assert score.parts["y_partner"][there].tolist() == [0, 1, 2, 3]
    assert (mcc(x[:, :2], y).parts["y_partner"] == -1).sum() == 2


def test_chance_is_high_at_few_rows_and_is_that_of_shuffles():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 20, 6))
    score = mcc(x, y)
    shuffled = np.mean([mcc(x, y[rng.permutation(20)]).value for _ in range(100)])
    assert score.chance == pytest.approx(shuffled, abs=0.03)
    assert score.chance > 0.3
    assert "unrelated columns" in score.warnings[0]


def test_noise_is_seldom_called_related():
    rng = np.random.default_rng(4)
    p = [mcc(*rng.normal(size=(2, 40, 3))).p for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) <= 0.1


def test_bad_input():
    x, y = sources()
    flat = x.copy()
    flat[:, 1] = 3.0
    for bad in ((flat, y), (x, y[1:]), (x[:3], y[:3])):
        with pytest.raises(InputError, match="mcc"):
            mcc(*bad)
    with pytest.raises(InputError, match="spearman"):
        mcc(x, y, correlation="kendall")
