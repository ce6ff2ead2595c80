import numpy as np
import pytest

from isthmus.evidence import ale_label_embedding as ale
from isthmus.evidence.experiment import seeds_from


def test_segments_are_those_of_a_display():
    assert (ale.SEGMENTS > 0).sum(axis=1).tolist() == [6, 2, 5, 5, 4, 5, 6, 3, 7, 6]
    assert len(np.unique(ale.SEGMENTS, axis=0)) == 10


def test_direct_prediction_reads_attributes_off_perfect_evidence():
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=400)
    x = ale.SEGMENTS[y] + 0.1 * rng.normal(size=(400, 7))
    for method in (ale.direct_attributes, ale.label_embedding):
        assert ale.unseen(method, x, y, np.array([2, 5, 8]), ale.SEGMENTS) > 0.95


def test_attributes_of_other_classes_tell_nothing():
    seeds = seeds_from(5, 2)
    mixed = np.random.default_rng(1).permutation(ale.SEGMENTS)
    figures = ale.experiment(seeds, splits=2, attributes=mixed, direct=ale.label_embedding)
    assert figures["gain"].value == 0
    assert not figures["gain"].met
    assert figures["unseen"].value < 0.45
    assert sum(figure.claimed for figure in figures.values()) == 3


@pytest.mark.parametrize("method", [ale.direct_attributes, ale.label_embedding])
def test_only_candidates_are_answered(method):
    x, y = ale.digits()
    found = method(x[:300], y[:300], ale.SEGMENTS, x[300:350], np.array([4, 7]))
    assert set(found.tolist()) <= {4, 7}
