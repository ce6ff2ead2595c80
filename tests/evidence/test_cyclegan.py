import numpy as np
import pytest

from isthmus.evidence import cyclegan as paper


class Turn:
    confidence_ = 1.0

    def __init__(self, turn, back=None):
        self.turn, self.back = turn, turn.T if back is None else back

    def transform(self, x):
        return x @ self.turn

    def inverse_transform(self, y):
        return y @ self.back


def true_with_cycle(x, y, cycle, seed):
    return Turn(paper.Mixtures(seed).turn if cycle else np.eye(8))


def test_the_true_turn_meets_the_claim():
    figures = paper.experiment((1, 2, 3, 4), fit=true_with_cycle)
    assert figures["cycle"].met
    assert figures["landed"].value == pytest.approx(figures["truth"].value)
    assert figures["landed_without"].value == pytest.approx(figures["identity"].value)
    assert figures["gain"].value > 0


def test_a_wrong_map_and_one_that_does_not_return_fail_it():
    figures = paper.experiment((1, 2), fit=lambda x, y, c, s: Turn(-np.eye(8)))
    assert not figures["landed"].met
    figures = paper.experiment((1, 2), fit=lambda x, y, c, s: Turn(np.eye(8), 2 * np.eye(8)))
    assert not figures["cycle"].met
    assert figures["gain"].value == 0


def test_mixtures_are_unequal_and_turned_by_forty_degrees():
    from isthmus.bridges.udpreg import angle

    world = paper.Mixtures(0)
    assert angle(np.eye(8), world.turn) == pytest.approx(paper.ANGLE)
    _, label = world.sample(5000)
    np.testing.assert_allclose(np.bincount(label) / 5000, paper.WEIGHTS, atol=0.03)
    x, label = world.sample(500)
    assert world.landed(x @ world.turn, label) > world.landed(-x, label)
