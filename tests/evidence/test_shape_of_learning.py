import numpy as np

from isthmus.evidence import shape_of_learning as sol
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(9, 3)


def stacks(kind, seed, *, bell=(1, 3, 1), dims=(2, 6, 3)):
    """Checkpoints of three layers: sizes of the first axis by layer, dimensions by step."""
    rng = np.random.default_rng([seed, len(kind), kind == "decoder"])
    found = {}
    for step, dim in enumerate(dims):
        hidden = rng.normal(size=(3, 10, 20, 8)) * (np.arange(8) < dim)
        sizes = np.array(bell) if kind == "decoder" else np.array([1.0, 1.3, 1.0])
        hidden[..., 0] *= sizes[:, None, None]
        found[step] = hidden
    return found


def test_a_bell_and_a_rise_and_fall_meet_the_claim():
    figures = sol.experiment(SEEDS, stacks=stacks)
    claimed = {key for key, one in figures.items() if one.claimed}
    assert claimed == {"peak", "flatter", "rise", "fall"}
    assert all(figures[key].met for key in claimed)
    assert figures["dimension_1"].value > figures["dimension_2"].value
    assert "after 0, 1, 2 steps" in sol.said(figures)


def test_a_slope_or_a_steady_rise_do_not():
    slope = sol.experiment(SEEDS, stacks=lambda *case: stacks(*case, bell=(1, 2, 4)))
    assert not slope["peak"].met
    rising = sol.experiment(SEEDS, stacks=lambda *case: stacks(*case, dims=(2, 4, 7)))
    assert rising["rise"].met
    assert not rising["fall"].met
    flat = sol.experiment(SEEDS, stacks=lambda *case: stacks(*case, bell=(1, 1, 1)))
    assert not flat["flatter"].met
