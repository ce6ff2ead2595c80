import numpy as np
import pytest

from isthmus.core.score import Score
from isthmus.evidence import neural_collapse_transfer as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 2)
QUICK = {"steps": (1, 8, 32, 64), "draws": 10, "gaps": (1.0, 6.0)}


def test_figures_of_a_small_run():
    figures = evidence.experiment(SEEDS, **QUICK)
    assert figures["slack"].met
    assert -1 <= figures["unseen"].value <= 1
    assert sum(figure.claimed for figure in figures.values()) == 2


def test_few_shot_error_of_known_classes():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    x = rng.normal(size=(200, 3))
    assert evidence.few_shot_error(x, labels, rng, draws=20) == pytest.approx(0.5, abs=0.06)
    apart = x + 50 * labels[:, None]
    assert evidence.few_shot_error(apart, labels, rng, draws=5) == 0.0


def test_balls_have_radius_one():
    def measure(x, labels, *, shots):
        radius = np.linalg.norm(x[labels == 0], axis=1)
        assert radius.max() <= 1
        assert np.mean(radius < 0.5) == pytest.approx(0.5**8, abs=0.005)
        return Score(value=0.0, method="x", n=len(x), parts={"bound": 0.0})

    assert evidence.balls(0, 6.0, measure, rows=2000) == (0.0, 0.0)


def test_a_bound_too_low_is_found_out():
    def hopeful(x, labels, *, shots=None):
        return Score(value=0.1, method="x", n=len(x), parts={"bound": 0.01})

    table = evidence.balls(SEEDS[0], 1.0, hopeful, rows=500)
    assert table[0] - table[1] < 0
