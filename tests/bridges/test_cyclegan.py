"""CycleGAN: clusters carried home without pairs, the way back, and what the cycle loss does."""

from itertools import product

import numpy as np
import pytest

from isthmus.bridges import Cyclegan
from isthmus.core.errors import NoReliableBridge
from isthmus.evidence.cyclegan import Mixtures

FAST = {"steps": 40, "hidden": 8, "batch": 64}


@pytest.fixture(scope="module")
def mixtures():
    world = Mixtures(3)
    x, label = world.sample(500)
    return world, x, label, world.sample(450)[0] @ world.turn


@pytest.fixture(scope="module")
def fitted(mixtures):
    _, x, _, y = mixtures
    return Cyclegan(**FAST).fit(x, y, pairs=())


def test_clusters_are_carried_home_and_back(mixtures, fitted):
    world, x, label, _ = mixtures
    moved = fitted.transform(x)
    assert world.landed(moved, label) > 0.9
    back = np.linalg.norm(fitted.inverse_transform(moved) - x) / np.linalg.norm(x - x.mean(0))
    assert back < 0.1
    assert fitted.confidence_ >= 0.6


def test_without_the_cycle_loss_the_way_back_is_lost(mixtures, fitted):
    _, x, _, y = mixtures
    free = Cyclegan(**FAST, cycle=0.0, least=0.0, rate=5e-3).fit(x, y, pairs=())
    held = Cyclegan(**FAST, rate=5e-3, least=0.0).fit(x, y, pairs=())
    off = [np.linalg.norm(b.inverse_transform(b.transform(x)) - x) for b in (free, held)]
    assert off[0] > 2 * off[1]


def test_the_identity_is_a_start_where_clouds_nearly_agree():
    """A cloud without skewness: moments cannot orient its axes, the identity can."""
    rng = np.random.default_rng(0)
    corners = np.array(list(product((-1.0, 1.0), repeat=3))).repeat(60, axis=0)
    x, y = (corners + 0.1 * rng.normal(size=corners.shape) for _ in "ab")
    bridge = Cyclegan(**FAST, least=0.0).fit(x, y, pairs=())
    assert np.linalg.norm(bridge.transform(x) - x) < 0.3 * np.linalg.norm(x)


def test_refuses_round_clouds():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 4)), rng.normal(size=(280, 6))
    with pytest.raises(NoReliableBridge, match="pairs=\\(i, j\\)"):
        Cyclegan(**FAST).fit(x, y, pairs=())


def test_few_pairs_are_enough_for_a_round_cloud():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 4))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    some = np.arange(20)
    bridge = Cyclegan(**FAST).fit(x, x @ turn, pairs=(some, some))
    assert np.linalg.norm(bridge.transform(x) - x @ turn) < 0.2 * np.linalg.norm(x)


def test_reproducible(mixtures):
    _, x, _, y = mixtures
    one, two = (Cyclegan(steps=3, hidden=4, least=0.0).fit(x, y, pairs=()) for _ in range(2))
    for name in Cyclegan.STATE:
        assert np.array_equal(getattr(one, name), getattr(two, name))
