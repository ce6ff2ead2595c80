import numpy as np
import pytest

from isthmus.evidence import t_regs as evidence
from isthmus.evidence.experiment import seeds_from
from isthmus.measures import effective_rank

SEEDS = seeds_from(99, 2)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(evidence, "POINTS", 48)


def test_points_start_nearly_collapsed_on_the_sphere():
    rows = evidence.collapsed(np.random.default_rng(0))
    assert effective_rank(rows).value < 2
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)


def test_the_tree_spreads_them():
    figures = evidence.experiment(SEEDS, steps=120)
    assert figures["after"].value > 14
    assert figures["gain"].value < 0
    assert sum(figure.claimed for figure in figures.values()) == 3


def test_the_sphere_term_alone_does_not():
    def sphere(x):
        size = np.linalg.norm(x, axis=1, keepdims=True)
        return 0.0, 2 * (size - 1) / size * x / len(x)

    figures = evidence.experiment(SEEDS, steps=20, gradient=sphere)
    assert not figures["after"].met
    assert not figures["gain"].met
