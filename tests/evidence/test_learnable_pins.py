import numpy as np
import pytest

from isthmus.evidence import learnable_pins as pins
from isthmus.evidence.experiment import seeds_from


def test_auc_leaves_out_the_item_itself():
    labels = np.array([0, 0, 1, 1])
    scores = (labels[:, None] == labels[None, :]).astype(float)
    assert pins.auc(scores - 5 * np.eye(4), labels) == 1
    assert pins.auc(-scores, labels) == 0
    assert pins.auc(np.zeros((4, 4)), labels) == pytest.approx(0.5)


def test_what_does_not_occur_together_teaches_nothing():
    figures = pins.experiment(seeds_from(4, 2), steps=15, together=False)
    assert not figures["curriculum"].met
    assert figures["curriculum"].value < 0.65
    assert sum(figure.claimed for figure in figures.values()) == 2
