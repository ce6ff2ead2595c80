import numpy as np
import pytest

from isthmus.evidence import inherent_anisotropy as ia
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(9, 3)


def states(kind, seed, finished, *, shift=None):
    """Three layers of noise; a decoder's blocks, once trained, share a direction."""
    rng = np.random.default_rng([seed, len(kind), finished])
    hidden = rng.normal(size=(3, 8, 10, 6))
    sizes = {("decoder", True): 2.0, ("convolution", True): 0.5}
    hidden[1:] += sizes.get((kind, finished), 0.0) if shift is None else shift
    return hidden


def test_a_common_direction_meets_the_claim():
    figures = ia.experiment(SEEDS, states=states)
    assert {key for key, one in figures.items() if one.claimed} == {"transformer", "gap", "centred"}
    assert all(one.met for one in figures.values() if one.claimed)
    assert figures["transformer"].value == pytest.approx(0.8, abs=0.05)
    assert figures["transformer_0"].value == pytest.approx(0, abs=0.05)
    assert figures["untrained"].value == pytest.approx(0, abs=0.05)


def test_even_directions_or_equal_models_do_not():
    even = ia.experiment(SEEDS, states=lambda *case: states(*case, shift=0.0))
    assert not even["transformer"].met
    equal = ia.experiment(SEEDS, states=lambda *case: states(*case, shift=2.0))
    assert equal["transformer"].met
    assert not equal["gap"].met


def test_two_senses_of_one_axis_are_not_centred_away():
    def clusters(kind, seed, finished):
        hidden = states(kind, seed, finished, shift=0.0)
        hidden[:, :6] += 5.0
        return hidden

    assert not ia.experiment(SEEDS, states=clusters)["centred"].met
