import numpy as np
import pytest
from scipy.stats import multivariate_normal

from isthmus.upgrade.decide import SPREADS, decide, shrunken


def world(means, n, seed, noise=0.1, shared=0.3):
    """Queries differ much in difficulty, which all strategies share, and a little on their own."""
    rng = np.random.default_rng(seed)
    return means + rng.normal(size=(n, 1)) * shared + rng.normal(size=(n, len(means))) * noise


def test_shrinkage_equals_the_formula_averaged_over_the_spread():
    values = world(np.array([0.2, 0.3, 0.5]), 40, 0)
    noise, one, m = np.cov(values, rowvar=False) / 40, np.ones(3), values.mean(axis=0)
    weights, means = [], []
    for spread in SPREADS:
        total = noise + spread**2 * np.eye(3)
        centre = one @ np.linalg.solve(total, m) / (one @ np.linalg.solve(total, one))
        # The likelihood of the differences alone: what a uniform centre leaves.
        d = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])
        likely = multivariate_normal(np.zeros(2), d @ total @ d.T).pdf(d @ m)
        weights.append(likely * spread)
        means.append(centre + spread**2 * np.linalg.solve(total, m - centre))
    np.testing.assert_allclose(
        shrunken(values).mean, np.average(means, axis=0, weights=weights), rtol=1e-8
    )


def test_a_wide_interval_is_not_taken_for_equality():
    """The most likely spread alone may be zero, which would make every choice sure."""
    values = world(np.array([0.3, 0.3]), 60, 3, noise=0.3)
    assert decide(values, [0, 1]).sure < 0.8


def test_what_queries_share_does_not_hide_a_difference():
    belief = shrunken(world(np.array([0.2, 0.3, 0.5]), 400, 0, shared=3.0))
    np.testing.assert_allclose(np.diff(belief.mean), [0.1, 0.2], atol=0.02)


def test_shrunken_means_are_nearer_the_truth_than_the_means():
    ours, plain = [], []
    for seed in range(100):
        truth = 0.4 + 0.02 * np.random.default_rng(seed).normal(size=12)
        values = world(truth, 50, seed + 1000, noise=0.3, shared=0.0)
        ours.append(((shrunken(values).mean - truth) ** 2).mean())
        plain.append(((values.mean(axis=0) - truth) ** 2).mean())
    assert np.mean(ours) < 0.6 * np.mean(plain)


def test_of_equals_the_cheapest_is_taken_where_the_luckiest_would_not_be():
    price = list(range(10))
    cheap = lucky = 0
    for seed in range(40):
        values = world(np.full(10, 0.4), 400, seed, noise=0.02)
        cheap += decide(values, price).chosen == 0
        lucky += values.mean(axis=0).argmax() == 0
    assert cheap >= 36
    assert lucky < 20


def test_what_is_clearly_better_is_taken_whatever_it_costs():
    found = decide(world(np.array([0.3, 0.31, 0.5]), 200, 0), [0, 1, 2])
    assert (found.chosen, found.leader) == (2, 2)
    assert found.sure > 0.99


def test_sure_is_about_as_often_right_as_it_says():
    told, right = [], []
    for seed in range(150):
        truth = 0.4 + 0.02 * np.random.default_rng(seed).normal(size=6)
        found = decide(world(truth, 60, seed + 5000, noise=0.1), [0] * 6, rng=seed)
        told.append(found.sure)
        right.append(truth[found.chosen] >= 0.99 * truth.max())
    assert np.mean(told) == pytest.approx(np.mean(right), abs=0.1)


def test_twins_and_a_single_strategy():
    values = world(np.array([0.4]), 30, 0)
    assert decide(values, [3]).sure == 1.0
    twins = np.repeat(values, 2, axis=1)
    assert decide(twins, [5, 2]).chosen == 1
    assert decide(np.zeros((30, 3)), [2, 1, 0]).chosen == 2
