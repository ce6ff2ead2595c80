"""Principal coordinates: what leaves them alone, and degenerate spaces."""

import numpy as np
import pytest

from isthmus.bridges.coordinates import Coordinates


@pytest.fixture
def skewed():
    return np.random.default_rng(0).gamma(0.7, size=(400, 5)) * np.geomspace(3, 0.3, 5)


def test_coordinates_are_those_of_the_svd(skewed):
    centred = skewed - skewed.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    found = Coordinates.of(skewed).of_rows(skewed)
    expected = u * s / np.sqrt(np.mean(s**2) / len(skewed))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-8)
    assert (np.sum(found**3, axis=0) > 0).all()
    assert np.mean(found**2) == pytest.approx(1.0)


def test_turn_shift_and_scale_change_nothing(skewed):
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    moved = 7 * skewed @ turn - 3
    np.testing.assert_allclose(
        Coordinates.of(moved).of_rows(moved), Coordinates.of(skewed).of_rows(skewed), atol=1e-9
    )
    stretched = skewed * [1, 5, 1, 1, 1]
    gap = Coordinates.of(stretched).of_rows(stretched) - Coordinates.of(skewed).of_rows(skewed)
    assert np.abs(gap).max() > 0.1


def test_rows_come_back(skewed):
    frame = Coordinates.of(skewed)
    np.testing.assert_allclose(frame.rows_of(frame.of_rows(skewed)), skewed, atol=1e-9)
    short = Coordinates.of(skewed, 2)
    assert short.of_rows(skewed).shape == (400, 2)


@pytest.mark.parametrize(
    ("rows", "kept"),
    [(np.ones((6, 3)), 1), (np.random.default_rng(2).normal(size=(3, 9)), 2), (np.eye(1, 4), 1)],
)
def test_degenerate_spaces_keep_what_varies_and_one_at_least(rows, kept):
    frame = Coordinates.of(rows)
    assert frame.of_rows(rows).shape == (len(rows), kept)
    assert np.isfinite(frame.of_rows(rows)).all()
    np.testing.assert_allclose(frame.rows_of(frame.of_rows(rows)), rows, atol=1e-9)
