"""The contract's own data do not sample features, so it is run here on data that do."""

from dataclasses import replace

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.registry import methods
from isthmus.measures import debiased_cka, input_feature_debiased_cka
from isthmus.testing import measures as suite

METHOD = next(m for m in methods("measures") if m.name == "input_feature_debiased_cka")


def sampled(n, d, rng, *, hidden=3, share=1.0):
    """Random features of two geometries over ``hidden`` sources, and their noise."""
    source = rng.normal(size=(n, hidden))
    other = share * source + np.sqrt(1 - share**2) * rng.normal(size=(n, hidden))
    return tuple(
        side @ rng.normal(size=(hidden, d)) + 0.3 * rng.normal(size=(n, d)) + rng.normal(size=d)
        for side in (source, other)
    )


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract_on_sampled_features(check, monkeypatch):
    monkeypatch.setattr(suite, "related", sampled)
    check(replace(METHOD, card=replace(METHOD.card, spaces=2)))


def test_contract_on_sampled_features_can_fail(monkeypatch):
    monkeypatch.setattr(suite, "related", sampled)
    card = replace(METHOD.card, spaces=2, invariant=("orthogonal", "isotropic_scale"))
    with pytest.raises(AssertionError, match="declare less"):
        suite.check_invariances(replace(METHOD, card=card))


def hsic(k, l):  # noqa: E741
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
    one = np.ones(n)
    total = np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * one @ k @ l @ one) / (n * (n - 3))


def oracle(x, y):
    """Every pair of features by itself."""

    def mean(a, b, *, distinct):
        found = [
            hsic(np.outer(p, p), np.outer(q, q))
            for i, p in enumerate(a.T)
            for j, q in enumerate(b.T)
            if not (distinct and i == j)
        ]
        return np.mean(found)

    below = mean(x, x, distinct=True) * mean(y, y, distinct=True)
    return mean(x, y, distinct=False) / np.sqrt(below)


def data(n=14, d=6, seed=0):
    x, y = sampled(n, d, np.random.default_rng(seed))
    return x, y[:, :-1]


def test_equals_the_pairs_of_features():
    x, y = data()
    assert input_feature_debiased_cka(x, y).value == pytest.approx(oracle(x, y), abs=1e-11)


def test_interval_equals_brute_force_over_rows_and_columns():
    x, y = data()
    value, total = oracle(x, y), 0.0
    for left in (
        [oracle(np.delete(x, m, 0), np.delete(y, m, 0)) for m in range(14)],
        [oracle(np.delete(x, p, 1), y) for p in range(6)],
        [oracle(x, np.delete(y, q, 1)) for q in range(5)],
    ):
        m = len(left)
        total += (m - 1) / m * np.sum((np.array(left) - np.mean(left)) ** 2)
    half = 1.959963984540054 * np.sqrt(total)
    score = input_feature_debiased_cka(x, y)
    np.testing.assert_allclose(score.ci, [value - half, value + half], atol=1e-9)


def test_few_rows_and_few_features_read_the_population():
    """Two samples of the features of one space: the population's CKA is 1."""
    both, rows_only = [], []
    for seed in range(100):
        x, y = sampled(60, 12, np.random.default_rng(seed), hidden=8)
        both.append(input_feature_debiased_cka(x, y).value)
        rows_only.append(debiased_cka(x, y, ci=False).value)
    assert np.mean(rows_only) < 0.7
    assert np.mean(both) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_interval_covers_the_population_value(share):
    # Population kernels: the identity over the sources, and a source and its noise: share².
    hits = 0
    for seed in range(100):
        x, y = sampled(120, 30, np.random.default_rng(seed), hidden=4, share=share)
        low, high = input_feature_debiased_cka(x, y).ci
        hits += low <= share**2 <= high
    assert hits >= 88


def test_test_is_that_of_debiased_cka():
    x, y = data(n=40)
    one, two = input_feature_debiased_cka(x, y), debiased_cka(x, y)
    assert (one.z, one.p, one.chance) == (two.z, two.p, 0.0)


def test_scale_and_float32_far_away():
    x, y = data(n=80)
    expected = input_feature_debiased_cka(x, y).value
    for factor in (1e-30, 1e-3, 1e3, 1e30):
        assert input_feature_debiased_cka(x * factor, y).value == pytest.approx(expected, abs=1e-9)
    far = (x + 1000).astype(np.float32), (y - 1000).astype(np.float32)
    assert input_feature_debiased_cka(*far).value == pytest.approx(expected, abs=1e-3)


def test_what_cannot_be_read_is_refused():
    x, y = data(n=40)
    with pytest.raises(InputError, match="x with 2 columns"):
        input_feature_debiased_cka(x[:, :2], y)
    with pytest.raises(InputError, match="3 rows"):
        input_feature_debiased_cka(x[:3], y[:3])
    with pytest.raises(InputError, match="all equal"):
        input_feature_debiased_cka(x, np.ones((40, 4)))
    # Features that have nothing in common sample no common space.
    lone = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 5)))[0]
    with pytest.raises(InputError, match="share no geometry"):
        input_feature_debiased_cka(lone, y)


def test_four_rows_are_enough_for_a_value_but_not_an_interval():
    x = np.outer([1.0, 4.0, 2.0, 8.0], [1.0, 2.0, 3.0])
    assert input_feature_debiased_cka(x, x + 1).ci is None


def test_noise_and_shared_columns_are_warned_about():
    rng = np.random.default_rng(0)
    x, y = sampled(200, 20, rng, hidden=200)  # features that have next to nothing in common
    assert "mostly noise" in input_feature_debiased_cka(x, y).warnings[0]
    x, y = sampled(300, 12, rng, hidden=8)
    assert "above 1" in input_feature_debiased_cka(x, x).warnings[0]
    x, y = sampled(200, 60, rng)
    assert "from 60 features" in input_feature_debiased_cka(x, y).warnings[0]
    x, y = sampled(200, 120, rng)
    assert not input_feature_debiased_cka(x, y).warnings
