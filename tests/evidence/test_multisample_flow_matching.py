import numpy as np
import pytest
from scipy.stats import wasserstein_distance_nd

from isthmus.evidence import multisample_flow_matching as paper


class Moved:
    """A flow that goes a share of the way to the nearest row of the target."""

    def __init__(self, x, y, share):
        self.y, self.share = y, share

    def transform(self, x):
        return x + self.share * (self.y[: len(x)] - x)


def flows(exact, independent):
    shares = {"exact": exact, "independent": independent}
    return lambda x, y, solver, seed: Moved(x, y, shares[solver])


def test_a_better_flow_meets_the_claim_and_a_worse_one_does_not():
    figures = paper.experiment((1, 2), flow=flows(1.0, 0.9))
    assert all(figure.met for figure in figures.values() if figure.claimed)
    assert figures["off_exact"].value < 3 * figures["floor"].value
    figures = paper.experiment((1, 2), flow=flows(0.9, 1.0))
    assert not figures["ratio"].met
    assert not paper.experiment((1, 2), flow=flows(0.9, 0.9))["ratio"].value > 1


def test_independent_pairs_save_nothing(monkeypatch):
    couple = paper.minibatch_couple
    monkeypatch.setattr(
        paper, "minibatch_couple", lambda x, y, solver, rng: couple(x, y, "independent", rng=rng)
    )
    assert not paper.experiment((1, 2), flow=flows(1.0, 0.9))["saved"].met


def test_clouds_are_what_they_say():
    rng = np.random.default_rng(0)
    radius = np.linalg.norm(paper.eight_gaussians(4000, rng), axis=1)
    assert radius.mean() == pytest.approx(5, abs=0.1)
    assert np.ptp(paper.moons(2000, rng)[:, 0]) == pytest.approx(9, abs=1)


def test_sliced_wasserstein_of_a_shift_is_known():
    x = np.random.default_rng(0).normal(size=(300, 2))
    # Along a random direction of the plane a shift of 3 shows 3 |cos|, of mean square 9 / 2.
    found = paper.sliced_wasserstein(x, x + np.array([3.0, 0.0]), directions=5000)
    assert found == pytest.approx(np.sqrt(4.5), rel=0.03)
    assert wasserstein_distance_nd(x[:50], x[:50] + np.array([3.0, 0.0])) == pytest.approx(3.0)
