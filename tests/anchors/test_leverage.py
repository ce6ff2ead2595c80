import numpy as np
import pytest

from isthmus.anchors import leverage
from isthmus.anchors.leverage import leverage_scores


def test_scores_equal_the_formula():
    x = np.random.default_rng(0).normal(size=(80, 6)) * np.geomspace(2, 0.1, 6)
    for count in (2, 4, 6, 20):
        tail = np.sort(np.linalg.eigvalsh(x.T @ x))[::-1][count:].sum() / count
        inverse = np.linalg.inv(x.T @ x + tail * np.eye(6))
        expected = np.array([row @ inverse @ row for row in x])
        np.testing.assert_allclose(leverage_scores(x, count), expected, rtol=1e-9)
    assert leverage_scores(x, 20).sum() == pytest.approx(6)


def test_a_deficient_rank_divides_no_noise():
    x = np.random.default_rng(1).normal(size=(50, 2)) @ np.ones((2, 5))
    assert leverage_scores(x, 10).sum() == pytest.approx(1)


def test_a_rare_direction_is_found_where_a_uniform_draw_misses_it():
    x = np.concatenate(
        [np.random.default_rng(2).normal(size=(500, 3)) @ np.eye(3, 4), [[0, 0, 0, 1.0]]]
    )
    assert np.mean([500 in leverage(x, 8, rng=seed) for seed in range(50)]) > 0.8
