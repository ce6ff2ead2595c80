import numpy as np
import pytest
from scipy.stats import multivariate_t

from isthmus.upgrade.decide import ALIKE, SURE_ENOUGH, believed, decide, reaching


def world(means, n, seed, noise=0.1, shared=0.3):
    """Queries differ much in difficulty, which all strategies share, and a little on their own."""
    rng = np.random.default_rng(seed)
    return means + rng.normal(size=(n, 1)) * shared + rng.normal(size=(n, len(means))) * noise


def test_draws_are_those_of_the_formula():
    values = world(np.array([0.2, 0.3, 0.5]), 12, 0)
    draws = believed(values, draws=200_000)
    # Mean, scale and degrees of freedom of scipy's own multivariate Student.
    shape = np.cov(values, rowvar=False) / 12 * 11 / 9
    own = multivariate_t(values.mean(axis=0), shape, df=9)
    np.testing.assert_allclose(draws.mean(axis=0), own.loc, atol=2e-3)
    np.testing.assert_allclose(np.cov(draws, rowvar=False), shape * 9 / 7, rtol=0.03)
    lead = draws[:, 2] - draws[:, 1]
    beyond = (lead < 0).mean()
    ours = own.rvs(200_000, random_state=1)
    assert beyond == pytest.approx((ours[:, 2] < ours[:, 1]).mean(), abs=0.003)
    # A normal belief, which takes a covariance seen on 12 queries for the truth, has thinner tails.
    normal = np.random.default_rng(1).multivariate_normal(
        own.loc, np.cov(values, rowvar=False) / 12, size=200_000
    )
    assert np.quantile(lead, 0.001) < np.quantile(normal[:, 2] - normal[:, 1], 0.001) - 0.01


def test_reaching_counts_draws_within_a_hundredth_of_their_best():
    draws = np.array([[1.0, 0.991, 0.9], [0.5, 1.0, 0.989], [0.2, 0.1, 0.199]])
    np.testing.assert_allclose(reaching(draws), [2 / 3, 2 / 3, 1 / 3])


def test_what_queries_share_does_not_hide_a_difference():
    draws = believed(world(np.array([0.2, 0.3, 0.5]), 400, 0, shared=3.0))
    assert np.diff(draws, axis=1).std(axis=0).max() < 0.02
    assert draws.std(axis=0).min() > 0.1


def test_the_same_strategy_twice_changes_nothing():
    """A prior that expects strategies to lie apart takes a copy for proof that all are alike."""
    values = world(np.array([0.4, 0.5, 0.3]), 60, 1)
    copied = np.concatenate([values, values[:, :1], values[:, :1]], axis=1)
    draws = believed(copied)
    np.testing.assert_allclose(draws[:, 0], draws[:, 4], atol=1e-7)
    alone, among = decide(values, [0, 1, 2]), decide(copied, [0, 1, 2, 3, 4])
    assert alone.chosen == among.chosen == 1
    np.testing.assert_allclose(alone.reaching, among.reaching[:3], atol=0.03)


def test_a_wide_interval_is_not_taken_for_equality():
    values = world(np.array([0.3, 0.3]), 60, 3, noise=0.3)
    assert decide(values, [0, 1]).sure < 0.8


def test_of_equals_the_cheapest_is_taken_where_the_luckiest_would_not_be():
    price = list(range(10))
    cheap = lucky = 0
    for seed in range(40):
        values = world(np.full(10, 0.4), 1000, seed, noise=0.02)
        cheap += decide(values, price).chosen == 0
        lucky += values.mean(axis=0).argmax() == 0
    assert cheap >= 36
    assert lucky < 20


def test_the_more_probable_is_taken_before_the_cheaper_unless_they_are_alike():
    found = decide(world(np.array([0.402, 0.4]), 300, 0, noise=0.01), [1, 0])
    assert found.reaching.min() > SURE_ENOUGH
    assert found.chosen == 1
    rng = np.random.default_rng(0)
    one = 0.4 + 0.2 * rng.normal(size=100)
    apart = np.linspace(-0.1, 0.1, 100)
    # A little worse on average, and not known well enough.
    doubtful = decide(np.stack([one, one - 0.004 + apart], axis=1), [1, 0])
    assert doubtful.reaching[1] < min(SURE_ENOUGH, doubtful.reaching[0] - ALIKE)
    assert doubtful.chosen == 0
    assert doubtful.sure == doubtful.reaching.max()
    # As good on average: nothing tells them apart, so the cheaper one it is.
    alike = decide(np.stack([one, one + apart], axis=1), [1, 0])
    assert abs(np.diff(alike.reaching)) < ALIKE
    assert alike.chosen == 1


def test_what_is_clearly_better_is_taken_whatever_it_costs():
    found = decide(world(np.array([0.3, 0.31, 0.5]), 200, 0), [0, 1, 2])
    assert found.chosen == 2
    assert found.sure > 0.99


@pytest.mark.parametrize(("queries", "strategies"), [(60, 6), (40, 14)])
def test_sure_is_about_as_often_right_as_it_says(queries, strategies):
    told, right = [], []
    for seed in range(150):
        truth = 0.4 + 0.02 * np.random.default_rng(seed).normal(size=strategies)
        values = world(truth, queries, seed + 5000)
        found = decide(values, [0] * strategies, rng=seed)
        told.append(found.sure)
        right.append(truth[found.chosen] >= 0.99 * truth.max())
    assert np.mean(told) == pytest.approx(np.mean(right), abs=0.1)


def test_twins_and_a_single_strategy():
    values = world(np.array([0.4]), 30, 0)
    assert decide(values, [3]).sure == 1.0
    twins = np.repeat(values, 2, axis=1)
    assert decide(twins, [5, 2]).chosen == 1
    assert decide(np.zeros((30, 3)), [2, 1, 0]).chosen == 2
    assert 0 < decide(world(np.full(9, 0.4), 6, 0), [0] * 9).sure <= 1  # fewer queries than these
