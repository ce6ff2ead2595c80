import math
from itertools import permutations

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import correlation_match


def correlations(x, y):
    return np.array([[np.corrcoef(a, b)[0, 1] for b in y.T] for a in x.T])


def oracle(x, y, match):
    rho = correlations(x, y)
    if match == "soft":
        return (rho.max(axis=1).mean() + rho.max(axis=0).mean()) / 2
    if len(rho) > len(rho.T):
        rho = rho.T
    orders = permutations(range(len(rho.T)), len(rho))
    return max(rho[np.arange(len(rho)), list(p)].mean() for p in orders)


@pytest.mark.parametrize("match", ["hard", "soft"])
@pytest.mark.parametrize("dims", [(5, 5), (5, 3), (3, 6)])
def test_equals_the_definition(match, dims):
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(40, 3))
    x, y = (latent @ rng.normal(size=(3, d)) + rng.normal(size=(40, d)) + 5 for d in dims)
    score = correlation_match(x, y, match=match)
    assert score.value == pytest.approx(oracle(x, y, match), abs=1e-12)
    assert correlation_match(y, x, match=match).value == pytest.approx(score.value, abs=1e-12)


def test_parts_say_who_matches_whom():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 4))
    y = np.column_stack([x[:, 2], x[:, 0], 0.5 * rng.normal(size=100)])
    hard = correlation_match(x, y).parts
    assert hard["x_partner"][[0, 2]].tolist() == [1, 0]
    assert sorted(hard["x_partner"]) == [-1, 0, 1, 2]
    assert hard["x"][hard["x_partner"] < 0] == 0
    rho = correlations(x, y)
    for j, k in enumerate(hard["y_partner"]):
        assert hard["y"][k if k < 0 else j] == pytest.approx(rho[k, j])
    soft = correlation_match(x, y, match="soft").parts
    np.testing.assert_allclose(soft["x"], rho.max(axis=1), atol=1e-12)
    np.testing.assert_allclose(soft["y"], rho.max(axis=0), atol=1e-12)
    assert soft["x_partner"].tolist() == rho.argmax(axis=1).tolist()


def test_columns_may_share_a_partner_only_when_soft():
    x = np.random.default_rng(0).normal(size=(200, 3))
    same = np.column_stack([x[:, 0], x[:, 0], x[:, 0]])
    assert correlation_match(x[:, :1], same, match="soft").value == pytest.approx(1)
    assert correlation_match(x, same).value < 0.5


def test_a_sign_is_not_undone():
    x = np.random.default_rng(0).normal(size=(200, 3))
    assert correlation_match(x, -x).value < 0.2
    assert correlation_match(x[:, :1], -x[:, :1]).value == pytest.approx(-1)


@pytest.mark.parametrize("match", ["hard", "soft"])
def test_interval_is_that_of_leaving_rows_out(match):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = np.column_stack([x[:, ::-1], x[:, 0]]) + 0.7 * rng.standard_t(6, size=(120, 4))
    score = correlation_match(x, y, match=match)
    values = np.array(
        [oracle(np.delete(x, i, 0), np.delete(y, i, 0), match) for i in range(len(x))]
    )
    error = math.sqrt(119 / 120 * np.sum((values - values.mean()) ** 2))
    assert score.ci[1] - score.value == pytest.approx(1.96 * error, rel=0.05)


@pytest.mark.parametrize("match", ["hard", "soft"])
def test_interval_covers_the_truth_of_partners_well_apart(match):
    covered = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(100, 5))
        score = correlation_match(x, x[:, ::-1] + rng.normal(size=x.shape), match=match, rng=seed)
        covered += score.ci[0] <= 0.5**0.5 <= score.ci[1]
    assert covered >= 0.9 * 150


@pytest.mark.parametrize("match", ["hard", "soft"])
def test_unrelated_columns_are_at_chance_and_warned_about(match):
    scores, found = [], []
    for seed in range(150):
        x, y = np.random.default_rng(seed).normal(size=(2, 50, 10))
        scores.append(correlation_match(x, y, match=match, rng=seed))
        found.append(scores[-1].value)
    assert np.mean([s.chance for s in scores]) == pytest.approx(np.mean(found), rel=0.03)
    assert 0.005 <= np.mean([s.p < 0.05 for s in scores]) <= 0.1
    assert all("unrelated columns reach" in s.warnings[0] for s in scores)
    x = np.random.default_rng(0).normal(size=(200, 5))
    related = correlation_match(x, x + 0.1 * x**2, match=match)
    assert related.warnings == ()
    assert related.p == 1 / 101


def test_chance_is_that_of_shuffled_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 8)) @ rng.normal(size=(8, 8))
    y = x + rng.normal(size=(60, 8))
    shuffled = [oracle(x, y[rng.permutation(60)], "soft") for _ in range(60)]
    score = correlation_match(x, y, match="soft")
    assert score.chance == pytest.approx(np.mean(shuffled), rel=0.05)


def test_constant_columns_are_named():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 4))
    x[:, 2] = 0.1
    for kind in (np.float32, np.float64):
        with pytest.raises(InputError, match=r"x \(20, 4\) with 1 constant columns \(first: 2\)"):
            correlation_match(x.astype(kind), y.astype(kind))


def test_bad_input():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 4))
    with pytest.raises(InputError, match="'hard' or 'soft'"):
        correlation_match(x, y, match="medium")
    with pytest.raises(InputError, match="at least 4"):
        correlation_match(x[:3], y[:3])
