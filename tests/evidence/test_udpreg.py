import numpy as np
import pytest

from isthmus.evidence import udpreg as paper

SEEDS = (1, 2, 3, 4, 5, 6)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(paper, "ROWS", 200)


def test_the_true_turn_meets_the_claim_and_none_does_not():
    def true(x, y, seed):
        return paper.clouds(3, seed)[2], 0.7

    figures = paper.experiment(SEEDS, register=true, dims=(3,))
    assert figures["error_3"].met
    assert figures["error_3"].value < 1e-6
    figures = paper.experiment(SEEDS, register=lambda x, y, s: (np.eye(3), 1.0), dims=(3,))
    assert figures["error_3"].value == pytest.approx(paper.TURN)
    assert not figures["error_3"].met
    assert not figures["ratio_3"].met


def test_clouds_overlap_as_said():
    x, y, turn = paper.clouds(3, 0)
    assert len(x) == len(y) == 200
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert paper.angle(np.eye(3), turn) == pytest.approx(30)


def test_closest_points_undo_a_small_turn_of_a_whole_cloud():
    x, _, _ = paper.clouds(3, 1)
    c, s = np.cos(0.05), np.sin(0.05)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
    assert paper.angle(paper.by_closest_points(x, x @ turn + 1), turn) < 0.5


def test_the_interval_of_a_median_is_that_of_order_statistics():
    figure = paper.median("x", list(range(1, 21)), range(20), at_most=15.0)
    assert (figure.value, figure.ci) == (10.5, (6.0, 15.0))
    assert figure.met
    assert not paper.median("x", list(range(1, 21)), range(20), at_most=14.0).met
