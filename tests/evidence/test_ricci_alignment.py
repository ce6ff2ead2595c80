import numpy as np
import pytest

from isthmus.evidence import ricci_alignment
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 3)


@pytest.fixture(scope="module")
def figures():
    return ricci_alignment.experiment(SEEDS)


@pytest.mark.slow
def test_what_is_measured_on_other_seeds(figures):
    assert sum(figure.claimed for figure in figures.values()) == 3
    assert figures["same"].value < figures["other"].value
    assert figures["across"].value < figures["inside"].value
    assert figures["crossing"].value > 0


@pytest.mark.slow
def test_a_copy_without_the_structure_does_not_meet_the_claim():
    control = ricci_alignment.experiment(SEEDS[:2], copy=ricci_alignment.structureless)
    assert not control["ratio"].met
    assert control["of_copies"].value < 0.5


def test_structureless_data_keeps_mean_and_covariance():
    x, labels = ricci_alignment.clustered(np.random.default_rng(0))
    again = ricci_alignment.structureless(x, np.random.default_rng(1))
    assert len(np.unique(labels)) == 5
    assert np.cov(again.T) == pytest.approx(np.cov(x.T), abs=2.5)
