"""What unpaired bridges share: starts, losses against critics, and the signs that they go by."""

import numpy as np
import pytest

from isthmus.bridges.adversarial import (
    confidence,
    moment_map,
    nearness,
    new_way,
    paired_start,
    play,
    translated,
    unpaired_start,
)
from isthmus.bridges.coordinates import Coordinates
from isthmus.bridges.mlp import silu


@pytest.fixture(scope="module")
def skewed():
    """Coordinates of two samples of one skewed cloud of 6 dims."""
    rng = np.random.default_rng(0)
    sides = [rng.gamma(0.5, size=(900, 6)) * np.geomspace(3, 0.5, 6) for _ in range(2)]
    return tuple(Coordinates.of(side).of_rows(side) for side in sides)


def still(k):
    """The way that leaves coordinates alone."""
    return new_way(np.eye(k), 4, np.random.default_rng(0))


def test_a_way_is_linear_at_first_and_then_has_one_hidden_layer():
    rng = np.random.default_rng(0)
    u, w = rng.normal(size=(20, 3)), rng.normal(size=(3, 2))
    way = new_way(w, 5, rng)
    np.testing.assert_allclose(translated(way, u), u @ w, atol=1e-12)
    way = [rng.normal(size=part.shape) for part in way]
    linear, shift, hidden, bias, out = way
    expected = u @ linear + shift + silu(u @ hidden + bias) @ out
    np.testing.assert_allclose(translated(way, u), expected, atol=1e-12)


@pytest.mark.parametrize(("k", "width"), [(3, 3), (3, 5), (5, 3)])
def test_moments_are_matched(k, width):
    rng = np.random.default_rng(1)
    u = rng.normal(size=(500, k)) * np.arange(k, 0, -1)
    v = rng.normal(size=(500, width)) * 0.5 * np.arange(width, 0, -1)
    found = (u @ moment_map(u, v)).std(axis=0)
    both = min(k, width)
    np.testing.assert_allclose(found[:both], v.std(axis=0)[:both], rtol=1e-9)
    assert not found[both:].any()


def test_many_pairs_give_ridge_and_few_correct_the_moments(skewed):
    u = skewed[0]
    mirrored = u * [1, -1, 1, 1, 1, 1]
    there, back = paired_start(u, mirrored, u[:200], mirrored[:200])
    np.testing.assert_allclose(there, np.diag([1, -1, 1, 1, 1, 1]), atol=1e-3)
    np.testing.assert_allclose(back, there, atol=2e-3)
    few, _ = paired_start(u, mirrored, u[:10], mirrored[:10])
    none = moment_map(u, mirrored)
    assert np.linalg.norm(u @ few - mirrored) < np.linalg.norm(u @ none - mirrored)


def test_nearest_rows_undo_mirrored_axes(skewed):
    u, v = skewed
    mirrored = v * [1, -1, 1, -1, 1, 1]
    w = unpaired_start(u, mirrored, np.random.default_rng(0))
    np.testing.assert_allclose(w[:3, :3], np.diag([1, -1, 1]), atol=0.25)
    np.testing.assert_allclose(w.T @ w, np.eye(6), atol=1e-9)
    assert nearness(u @ w, mirrored) < 0.9 * nearness(u, mirrored)


def test_confidence_believes_what_is_right(skewed):
    u, v = skewed
    ways = still(6), still(6)
    rng = np.random.default_rng(0)
    signs = confidence(ways, ways, u[:150], v[:150], v[150:], np.eye(6), rng)
    assert signs["fit"] > 0.8
    assert signs["cycle"] == signs["agreement"] == pytest.approx(1)


def test_confidence_sees_each_thing_that_can_be_wrong(skewed):
    u, v = skewed
    right, other = still(6), still(6)
    mirror = new_way(np.diag([1.0, -1, -1, 1, -1, 1]), 4, np.random.default_rng(0))
    flat = new_way(np.eye(6) * 0.0, 4, np.random.default_rng(0))

    def signs(there, back, witness, cloud=v):
        held, reference = cloud[:150], cloud[150:]
        rng = np.random.default_rng(0)
        return confidence((there, back), (witness, back), u[:150], held, reference, np.eye(6), rng)

    assert signs(mirror, mirror, mirror)["fit"] < 0.5
    assert signs(flat, right, right)["fit"] < 0.5
    assert signs(right, flat, right)["cycle"] < 0.1
    assert signs(right, right, mirror)["agreement"] < 0.5
    # A round cloud looks the same from every side: nothing tells a right map from a wrong one.
    round_cloud = np.random.default_rng(1).normal(size=(900, 6))
    assert signs(other, other, other, round_cloud)["fit"] < 0.3


def test_maps_learn_to_pass_for_real():
    """A shift is all that tells the clouds apart, so that is what a map must learn."""
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + np.eye(2)[0]
    none = np.empty((0, 2)), np.empty((0, 2))

    def losses(tensors, a, b, pair_a, pair_b, silu):
        return 0.0 * tensors[0].sum(), [(0, b, a + tensors[0])]

    def learned(steps):
        return play(
            "test", [np.zeros(2)], (2,), losses, (u, v), none, steps=steps, batch=32, rate=2e-2,
            rng=np.random.default_rng(1),
        )[0]  # fmt: skip

    assert np.abs(learned(120) - [1.0, 0.0]).max() < 0.4
    assert np.array_equal(learned(5), learned(5))
