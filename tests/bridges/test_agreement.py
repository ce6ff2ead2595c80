import numpy as np
import pytest

from isthmus.bridges.agreement import agreement, beyond_chance, demand
from isthmus.bridges.self_training import unit_rows
from isthmus.core.errors import NoReliableBridge


def test_agreement_discounts_hubs():
    rng = np.random.default_rng(6)
    hub = np.where(rng.random(4000) < 0.9, 0, rng.integers(1000, size=4000))
    assert np.mean(hub == rng.permutation(hub)) > 0.7
    assert beyond_chance(hub, rng.permutation(hub)) < 0.1
    assert beyond_chance(hub, hub) == pytest.approx(1.0)


def test_it_is_the_kappa_of_what_two_maps_choose():
    rng = np.random.default_rng(0)
    target = unit_rows(rng.normal(size=(300, 8)))
    one = unit_rows(target + 0.05 * rng.normal(size=target.shape))
    half = one.copy()
    half[::2] = unit_rows(rng.normal(size=(150, 8)))
    assert agreement(one, one, target) == pytest.approx(1.0)
    assert 0.4 < agreement(one, half, target) < 0.6
    assert agreement(one, unit_rows(rng.normal(size=target.shape)), target) < 0.02


def test_too_little_is_refused_with_a_cure():
    demand("fit", 0.2, 0.2)
    with pytest.raises(NoReliableBridge, match="agree on 19.9% of rows.*at least 20%.*known pairs"):
        demand("fit", 0.199, 0.2)
