import numpy as np
import pytest

from isthmus.evidence import contrastive_gap as gap
from isthmus.evidence.experiment import seeds_from


def test_recall_counts_both_directions():
    u = np.eye(4)
    assert gap.recall((u, u)) == 1
    assert gap.recall((u, u[[1, 0, 2, 3]])) == 0.5


def test_training_rows_are_not_measured():
    x = np.random.default_rng(0).normal(size=(60, 5))
    u, v = gap.held_out_codes(x, x, 1, train=40, steps=5)
    assert u.shape == v.shape == (20, 32)


def test_terms_of_no_weight_close_nothing():
    figures = gap.experiment(seeds_from(1, 2), steps=10, weight=0.0)
    assert figures["ratio"].value == pytest.approx(1)
    assert not figures["ratio"].met
    assert figures["recall_gain"].value == 0
    assert sum(figure.claimed for figure in figures.values()) == 3
