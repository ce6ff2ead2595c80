import numpy as np
import pytest

from isthmus.evidence import find_interface as evidence

SEEDS = (11, 12)


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    monkeypatch.setattr(evidence, "TRAIN", 300)
    monkeypatch.setattr(evidence, "TEST", 100)


def curved_views(seed):
    """Four nonlinear views of one latent space, two of them noisy: cheap stand-ins for encoders."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(400, 6))
    names = (*evidence.NAMES, evidence.FOURTH)
    return {
        name: np.tanh(latent @ rng.normal(size=(6, 24)) / 3) + 0.05 * rng.normal(size=(400, 24))
        for name in names
    }


def test_a_trained_interface_beats_an_untrained_one_and_moves_nothing():
    figures = evidence.experiment(SEEDS, spaces=curved_views, options={"steps": 60, "width": 12})
    assert figures["moved"].value == 0
    assert figures["share"].value < 1
    assert figures["interface"].value > 0.5
    raw = evidence.experiment(SEEDS, spaces=curved_views, options={"steps": 1, "width": 2})
    assert raw["interface"].value < figures["interface"].value
    assert not raw["gain"].met
    assert sum(figure.claimed for figure in figures.values()) == 4


def test_unrelated_encoders_are_not_found():
    def unrelated(seed):
        rng = np.random.default_rng(seed)
        return {name: x[rng.permutation(len(x))] for name, x in curved_views(seed).items()}

    figures = evidence.experiment(SEEDS, spaces=unrelated, options={"steps": 5, "width": 8})
    assert figures["interface"].value < 0.1
    assert figures["fourth"].value < 0.1
