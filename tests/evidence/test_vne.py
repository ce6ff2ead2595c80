import numpy as np
import pytest

from isthmus.evidence import vne as evidence
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import seeds_from
from isthmus.measures.vne import vne_gradient

SEEDS = seeds_from(99, 2)
pytest.importorskip("torch")


def test_the_entropy_moves_the_rank_both_ways_and_no_gradient_does_not():
    figures = evidence.experiment(SEEDS, steps=40)
    assert figures["raised"].value > 0.3
    assert figures["lowered"].value > 0.3
    assert sum(figure.claimed for figure in figures.values()) == 3
    idle = evidence.experiment(SEEDS, steps=40, gradient=lambda z: (0.0, 0 * z))
    assert idle["raised"].value == pytest.approx(0, abs=1e-6)
    assert not idle["raised"].met
    assert not idle["lowered"].met


def test_a_gradient_of_the_wrong_sign_fails():
    wrong = evidence.experiment(SEEDS, steps=40, gradient=lambda z: (0.0, -vne_gradient(z)[1]))
    assert not wrong["raised"].met
    assert not wrong["lowered"].met


def test_probe_learns_from_training_rows_alone():
    images, labels = digits()
    rows = np.random.default_rng(0).permutation(len(images))
    assert evidence.probe(images, labels, rows[:600], rows[600:]) > 0.9
    mixed = labels.copy()
    mixed[rows[:600]] = np.random.default_rng(1).permutation(labels[rows[:600]])
    assert evidence.probe(images, mixed, rows[:600], rows[600:]) < 0.3
