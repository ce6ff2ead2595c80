import numpy as np
import pytest

from isthmus.evidence import mieb as evidence
from isthmus.evidence import zoo
from isthmus.evidence.corpora import digits


def test_four_categories_of_every_encoder_on_held_out_images(monkeypatch):
    seen = []

    def cheap(images, labels, *, seed, names):
        seen.append(len(images))
        return zoo.encoders(images, labels, seed=seed, names=names[:4])

    tables, taus = evidence.measured((1,), *digits(), train=300, test=150, zoo=cheap)
    assert seen == [300]
    assert tables.shape == (1, 4, 4)
    assert ((tables > 0.3) & (tables <= 1)).all()
    assert -1 <= taus[0] <= 1
    assert [task.category for task in evidence.tasks(*digits())] == list(evidence.CATEGORIES)


def test_one_encoder_that_is_best_at_everything_fails_the_claim():
    one = np.tile([0.9, 0.5, 0.4], (3, 4, 1))
    figures = evidence.figures_of(one, np.array([0.9, 1.0, 0.95]), (1, 2, 3))
    assert figures["wins"].value == 4
    assert not figures["wins"].met
    assert not figures["tau"].met


def test_leaders_that_differ_meet_it():
    split = np.tile([0.9, 0.5, 0.4], (3, 4, 1))
    split[:, 1] = [0.1, 0.5, 0.4]
    figures = evidence.figures_of(split, np.array([0.1, 0.2, 0.15]), (1, 2, 3))
    assert figures["wins"].value == pytest.approx(3)
    assert figures["wins"].met
    assert figures["tau"].met
