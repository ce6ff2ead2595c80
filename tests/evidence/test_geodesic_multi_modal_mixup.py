import numpy as np

from isthmus.evidence import geodesic_multi_modal_mixup as mixup
from isthmus.evidence.experiment import seeds_from


def small(seed):
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(1797, 4))
    return hidden @ rng.normal(size=(4, 6)), hidden @ rng.normal(size=(4, 5))


def test_encoders_see_the_same_digits():
    a, b = mixup.two_encoders(0)
    assert len(a) == len(b) == 1797
    assert a.shape[1] != b.shape[1]


def test_spread_of_one_cloud_with_itself():
    u = np.random.default_rng(0).normal(size=(50, 6))
    uniformity, alignment, recall, separability, distance = mixup.spread((u, u))
    assert alignment == distance == 0
    assert recall == 1
    assert uniformity < -1
    assert separability < 0.6


def test_mixtures_of_no_weight_change_nothing():
    figures = mixup.experiment(seeds_from(2, 2), spaces=small, steps=3, mix=0.0)
    assert figures["uniformity_change"].value == figures["recall_gain"].value == 0
    assert not figures["recall_gain"].met
    assert not figures["uniformity_change"].met
    assert sum(figure.claimed for figure in figures.values()) == 2
