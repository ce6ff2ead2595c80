import numpy as np
import pytest

from isthmus.evidence import ldreg as evidence
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import seeds_from
from isthmus.measures.ldreg import ldreg_gradient

SEEDS = seeds_from(99, 2)
pytest.importorskip("torch")


def test_the_regulariser_raises_local_dimension_and_its_opposite_does_not():
    figures = evidence.experiment(SEEDS, steps=15, weight=1.0)
    assert figures["raised"].value > 0.03
    assert sum(figure.claimed for figure in figures.values()) == 2

    def opposite(h):
        value, gradient = ldreg_gradient(h)
        return value, -gradient

    wrong = evidence.experiment(SEEDS, steps=15, weight=1.0, gradient=opposite)
    assert wrong["raised"].value < 0
    assert not wrong["raised"].met


def test_without_weight_the_gradient_is_not_asked():
    images, _ = digits()

    def refuses(h):
        raise AssertionError

    codes = evidence.codes(images, np.arange(300), weight=0.0, seed=0, gradient=refuses, steps=2)
    assert codes.shape == (len(images), evidence.WIDTH)
