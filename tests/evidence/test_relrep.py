import numpy as np
import pytest

from isthmus.bridges.similarities import relative
from isthmus.evidence import relrep
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 4)


@pytest.fixture(scope="module")
def figures():
    return relrep.experiment(SEEDS)


@pytest.mark.slow
def test_the_claim_holds_on_other_seeds(figures):
    for figure in figures.values():
        assert figure.met, str(figure)
    assert sum(figure.claimed for figure in figures.values()) == 3


def test_unrelated_encoders_are_not_stitched():
    def unrelated(images, train, seed):
        a, b = relrep.two_autoencoders(images, train, seed)
        return a, b[np.random.default_rng(seed).permutation(len(b))]

    figures = relrep.experiment(SEEDS[:2], codes=unrelated)
    assert not figures["kept"].met
    assert figures["stitched"].value < 0.2


def test_one_encoder_twice_is_stitched_without_anchors_too():
    def same(images, train, seed):
        a, _ = relrep.two_autoencoders(images, train, seed)
        return a, a

    figures = relrep.experiment(SEEDS[:2], codes=same)
    assert figures["kept"].value == 1
    assert not figures["kept_raw"].met


def test_rotation_is_cancelled_by_cosine_but_not_by_distances(monkeypatch):
    x = np.random.default_rng(0).normal(size=(50, 8))
    rotated, shifted = relrep.rotation_change(x, np.arange(10), seed=0)
    assert rotated < 1e-12
    assert shifted > 0.1
    monkeypatch.setattr(
        relrep, "relative", lambda rows, anchors: relative(rows, anchors, similarity="euclidean")
    )
    assert relrep.rotation_change(x, np.arange(10), seed=0)[0] > 0.1
