import numpy as np
import pytest

from isthmus.evidence import position_context_decomposition as pcd
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(9, 3)


def states(seed, *, shared=False, rank=4, d=32):
    """Two layers whose positions fill ``rank`` axes, which texts share or not."""
    rng = np.random.default_rng(seed)
    hidden = 0.02 * rng.normal(size=(2, 60, 20, d)) + 1
    hidden[..., :rank] += rng.normal(size=(20, rank))
    texts = rng.normal(size=(60, 1, 4))
    hidden[..., slice(0, 4) if shared else slice(d - 4, d)] += texts
    return hidden


def test_parts_of_few_orthogonal_axes_meet_the_claim():
    figures = pcd.experiment(SEEDS, states=states)
    claimed = {key: figure for key, figure in figures.items() if figure.claimed}
    assert set(claimed) == {"gap", "held", "angle"}
    assert all(figure.met for figure in claimed.values())
    assert figures["gap"].value < 1e-12
    assert figures["share_1"].value == pytest.approx(0.5, abs=0.1)


def test_many_axes_or_shared_ones_do_not():
    wide = pcd.experiment(SEEDS, states=lambda seed: states(seed, rank=19))
    assert not wide["held"].met
    shared = pcd.experiment(SEEDS, states=lambda seed: states(seed, shared=True))
    assert not shared["angle"].met
    assert shared["held"].met


def test_single_precision_is_enough_for_the_sum():
    assert pcd.measured(states(0).astype(np.float32))[0] < 1e-6
