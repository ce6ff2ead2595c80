import numpy as np
import pytest

from isthmus.core.score import Score
from isthmus.evidence import trsa as evidence
from isthmus.evidence.experiment import seeds_from
from isthmus.measures import rsa, trsa

SEEDS = seeds_from(123, 2)
SMALL = {"networks": 4, "items": 60, "epochs": 6}


@pytest.fixture(scope="module")
def figures():
    return evidence.experiment(SEEDS, **SMALL)


def test_both_identify_layers_and_the_clipped_vary_more_not_less(figures):
    for name in ("rsa_quiet", "trsa_quiet"):
        assert figures[name].value > 0.45
    assert abs(figures["gain"].value) < 0.1
    # The second half of the claim is false, here as on the recorded seeds.
    assert 1.0 < figures["variability"].value < 1.5
    assert not figures["variability"].met
    assert sum(figure.claimed for figure in figures.values()) == 2


def test_a_measure_of_unlikeness_is_not_within_a_point():
    def wrong(x, y):
        return Score(value=-float(trsa(x, y)), method="wrong", n=len(x))

    assert not evidence.experiment(SEEDS, **SMALL, compare=wrong)["gain"].met


def test_identification_is_certain_for_one_network_twice_and_chance_for_noise():
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=(40, 5)) for _ in range(3)]
    assert evidence.identified([layers, layers], rsa) == 1
    noise = [[rng.normal(size=(40, 5)) for _ in range(3)] for _ in range(12)]
    assert evidence.identified(noise, rsa) == pytest.approx(1 / 3, abs=0.1)


def test_variability_is_the_ratio_of_variances():
    signal = np.zeros((30, 30))
    signal[np.triu_indices(30, 1)] = np.random.default_rng(0).normal(size=435)
    noisy = [signal + 0.1 * np.random.default_rng(s).normal(size=(30, 30)) for s in range(1, 40)]
    assert evidence.variability(noisy) == pytest.approx(0.01, rel=0.15)
    assert evidence.variability([3 * m + 1 for m in noisy]) == pytest.approx(
        evidence.variability(noisy)
    )
