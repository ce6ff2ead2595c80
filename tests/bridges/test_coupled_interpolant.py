"""Coupled interpolant: two partners where ridge sees their mean, spread, and starts compared."""

import numpy as np
import pytest
import torch

from isthmus.bridges import Affine, CoupledInterpolant
from isthmus.core.errors import InputError


@pytest.fixture(scope="module")
def forked():
    """Pairs y = 2 x ± 3 in the first coordinate, by a fair coin."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 2))
    coin = rng.choice([-1.0, 1.0], size=1500)
    y = 2 * x + np.c_[3 * coin, np.zeros(1500)] + 0.1 * rng.normal(size=(1500, 2))
    return x, y, CoupledInterpolant(steps=400, hidden=32, batch=128).fit(x, y)


def test_draws_have_two_modes_where_ridge_gives_their_mean(forked):
    x, y, bridge = forked
    queries = x[:50]
    draws = bridge.sample(queries, 40)
    assert draws.shape == (40, 50, 2)
    off = np.abs(draws[:, :, 0] - 2 * queries[:, 0])
    # All of the truth is that far from the middle, and 0.32 of a normal of equal spread.
    assert np.mean((off > 2) & (off < 4)) > 0.55
    assert 0.3 < np.mean(draws[:, :, 0] > 2 * queries[:, 0]) < 0.7
    assert np.abs(Affine().fit(x, y).transform(queries)[:, 0] - 2 * queries[:, 0]).max() < 0.6


def test_transform_is_near_the_conditional_mean(forked):
    x, _, bridge = forked
    assert np.abs(bridge.transform(x[:200]) - 2 * x[:200]).mean() < 0.7
    draws = bridge.sample(x[:20], 200)
    assert np.abs(draws.mean(axis=0) - 2 * x[:20]).mean() < 0.6


def test_spread_is_that_of_the_draws(forked):
    x, _, bridge = forked
    draws = bridge.sample(x[:30], 25, rng=3)
    expected = np.sqrt(np.sum(draws.var(axis=0, ddof=1), axis=1))
    np.testing.assert_allclose(bridge.spread(x[:30], 25, rng=3), expected, atol=1e-12)
    assert 2 < expected.mean() < 4  # the truth: sqrt(9 + 2 * 0.01)


def test_paths_from_the_vector_are_shorter_than_from_noise():
    rng = np.random.default_rng(1)
    x = 3 * rng.normal(size=(500, 2))
    y = x + 0.3 * rng.normal(size=(500, 2))
    ways = {
        start: CoupledInterpolant(start=start, steps=150, hidden=32).fit(x, y).lengths(x).mean()
        for start in ("linear", "noise")
    }
    assert ways["linear"] < 0.5 * ways["noise"]


def test_lengths_are_at_least_the_straight_way(forked):
    x, _, bridge = forked
    z = np.random.default_rng(0).normal(size=(30, 2))
    path = []
    bridge._draw(x[:30], z, path)
    straight = np.linalg.norm((path[-1] - path[0]) @ bridge.target_axes_, axis=1)
    assert (bridge.lengths(x[:30], rng=0) >= straight - 1e-9).all()


def test_draws_are_reproducible_and_of_the_input_kind(forked):
    x, _, bridge = forked
    assert np.array_equal(bridge.sample(x[:4], rng=1), bridge.sample(x[:4], rng=1))
    assert not np.array_equal(bridge.sample(x[:4], rng=1), bridge.sample(x[:4], rng=2))
    tensor = bridge.sample(torch.asarray(x[:4]), rng=1)
    np.testing.assert_allclose(tensor.numpy(), bridge.sample(x[:4], rng=1), atol=1e-9)
    assert bridge.sample(x[:4].astype(np.float32)).dtype == np.float32


def test_refusals(forked):
    x, y, bridge = forked
    with pytest.raises(InputError, match="one of linear, noise"):
        CoupledInterpolant(start="magic").fit(x, y)
    with pytest.raises(InputError, match="noise=0"):
        CoupledInterpolant(noise=0).fit(x, y)
    with pytest.raises(InputError, match="2 columns"):
        bridge.sample(x[:, :1])
    with pytest.raises(InputError, match="at least 2"):
        bridge.spread(x, 1)
    with pytest.raises(InputError, match="learns from them alone"):
        CoupledInterpolant().fit(x, y, pairs=())
    with pytest.raises(InputError, match="contradictory"):
        CoupledInterpolant().fit(x, y, pairs=([0, 0], [1, 2]))


def test_fewer_pairs_than_dims_and_constant_columns():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(4, 12)), rng.normal(size=(4, 9))
    x[:, 3] = y[:, 5] = 1.0
    bridge = CoupledInterpolant(steps=5, hidden=8).fit(x, y)
    assert np.isfinite(bridge.transform(x)).all()
    np.testing.assert_allclose(bridge.transform(x)[:, 5], 1.0, atol=1e-6)
