import numpy as np
import pytest

from isthmus.bridges import Affine
from isthmus.evidence import data_dependent_couplings as paper


class Truth:
    """Draws from the world itself; paths as long as it is told."""

    def __init__(self, seed, length):
        self.world, self.length = paper.TwoPartners(seed), length

    def sample(self, x, draws, rng):
        return np.stack([self.world.partners(x) for _ in range(draws)])

    def lengths(self, x, rng):
        return np.full(len(x), self.length)


class Ridge(Truth):
    """One answer, given many times."""

    def __init__(self, x, y):
        self.map, self.length = Affine().fit(x, y), 1.0

    def sample(self, x, draws, rng):
        return np.broadcast_to(self.map.transform(x), (draws, len(x), paper.DIM))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(paper, "ROWS", 800)
    monkeypatch.setattr(paper, "QUERIES", 40)


def test_the_truth_meets_the_claim():
    figures = paper.experiment(
        (1, 2), fit=lambda x, y, start, seed: Truth(seed, 1.0 if start == "linear" else 2.0)
    )
    assert all(figure.met for figure in figures.values() if figure.claimed)
    assert figures["coupled"].value == pytest.approx(figures["floor"].value, abs=0.05)


def test_one_answer_and_equal_paths_do_not():
    figures = paper.experiment((1, 2), fit=lambda x, y, start, seed: Ridge(x, y))
    assert not figures["ratio"].met
    assert not figures["shorter"].met
    assert figures["ratio"].value == pytest.approx(1)


def test_partners_have_two_modes():
    world = paper.TwoPartners(0)
    x = np.tile(world.vectors(1), (500, 1))
    y = world.partners(x) - x @ world.map
    along = y @ world.steps[0 if x[0, 0] > 0 else 1]
    assert np.abs(np.abs(along) - 3).max() < 1
    assert 0.4 < np.mean(along > 0) < 0.6


def test_energy_distance_of_two_points_is_twice_their_distance():
    a, b = np.zeros((4, 3)), np.full((5, 3), 1.0)
    assert paper.energy_distance(a, b) == pytest.approx(2 * np.sqrt(3))
    rng = np.random.default_rng(0)
    same = [paper.energy_distance(*rng.normal(size=(2, 50, 3))) for _ in range(100)]
    assert np.mean(same) == pytest.approx(0, abs=0.02)
