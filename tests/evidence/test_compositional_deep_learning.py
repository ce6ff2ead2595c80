import numpy as np
import pytest

from isthmus.evidence import compositional_deep_learning as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(7, 3)


def linear_views(seed):
    """Three noisy linear views of one latent space: like three encoders, at no cost."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(1500, 8))
    return [
        latent @ rng.normal(size=(8, d)) + 1.5 * rng.normal(size=(1500, d)) for d in (20, 16, 24)
    ]


def test_the_claim_on_linear_views():
    figures = evidence.experiment(SEEDS, spaces=linear_views)
    assert figures["ratio"].value < 0.5
    assert figures["gain"].value >= 0
    assert sum(figure.claimed for figure in figures.values()) == 2


def test_no_weight_on_the_equation_halves_nothing():
    figures = evidence.experiment(SEEDS, spaces=linear_views, weight=0.0)
    assert figures["ratio"].value == pytest.approx(1)
    assert not figures["ratio"].met
    assert figures["gain"].value == 0


def test_the_three_spaces_are_of_one_set_of_images(monkeypatch):
    monkeypatch.setattr(evidence, "NAMES", ("pca", "random_conv"))  # the others take a while
    spaces = evidence.three_spaces(0)
    assert {len(space) for space in spaces} == {1797}
    assert all(np.isfinite(space).all() for space in spaces)
