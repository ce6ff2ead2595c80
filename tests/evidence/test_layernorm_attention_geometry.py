import numpy as np

from isthmus.evidence import layernorm_attention_geometry as lag
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(5, 2)


def test_keys_in_the_hull_are_lost_and_layernorm_frees_them():
    figures = lag.experiment(SEEDS, keys=150, checked=25)
    assert figures["before"].value > 0.5
    assert figures["after"].value == 0
    assert figures["after"].met
    assert figures["agreement"].value == figures["agreement_after"].value == 1


def test_projection_without_scaling_does_not():
    wrong = lag.experiment(
        SEEDS, keys=150, checked=5, normalise=lambda x: x - x.mean(axis=1, keepdims=True)
    )
    assert not wrong["after"].met
    assert wrong["after"].value > 0.5


def test_mixtures():
    square = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.4]])
    assert [lag.mixture_exists(square, i) for i in range(5)] == [False] * 4 + [True]
