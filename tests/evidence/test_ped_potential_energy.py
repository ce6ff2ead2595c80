import numpy as np
import pytest

from isthmus.evidence import ped_potential_energy as evidence
from isthmus.evidence.experiment import seeds_from
from isthmus.evidence.pretrained import Network, Target, wide_digits
from isthmus.measures import ped_transform

SEEDS = seeds_from(123, 2)


def small(seed):
    """Three untrained networks and three digits."""
    images, labels = wide_digits()
    few = np.random.default_rng(seed).permutation(np.flatnonzero(labels < 3))
    target = Target((images[few[:36]], labels[few[:36]]), (images[few[36:]], labels[few[36:]]))
    return [Network(seed % 1000 + i) for i in range(3)], {"t": target}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(evidence, "accuracies", lambda n, t, *, seed: [0.2, 0.1, 0.3])


def test_figures_of_a_small_run():
    figures = evidence.experiment(SEEDS, make=small)
    assert [name for name, figure in figures.items() if figure.claimed] == ["gain"]
    assert -1 <= figures["before"].value <= 1
    assert {"t_before", "t_after"} <= set(figures)


def test_a_transform_that_moves_nothing_gains_nothing():
    figures = evidence.experiment(SEEDS, make=small, transform=lambda x, labels, reach: x)
    assert figures["gain"].value == figures["gain_small"].value == 0.0
    assert not figures["gain"].met


def test_driven_is_the_descent():
    x = np.random.default_rng(0).normal(size=(40, 3))
    labels = np.arange(40) % 4
    expected = ped_transform(x, labels, reach=0.3).parts["moved"]
    np.testing.assert_array_equal(evidence.driven(x, labels, 0.3), expected)
