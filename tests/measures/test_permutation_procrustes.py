import math
from itertools import permutations

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import permutation_procrustes, procrustes_distance


def oracle(x, y):
    """The least distance over every permutation, the narrower side padded with zeros."""
    wide = max(x.shape[1], y.shape[1])
    x, y = (np.hstack([a - a.mean(0), np.zeros((len(a), wide - a.shape[1]))]) for a in (x, y))
    orders = (list(p) for p in permutations(range(wide)))
    return min(np.linalg.norm(x - y[:, p]) for p in orders) / math.sqrt(len(x))


@pytest.mark.parametrize("dims", [(5, 5), (5, 3), (3, 5)])
def test_equals_the_best_of_all_permutations(dims):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(20, d)) + 3 for d in dims)
    score = permutation_procrustes(x, y)
    assert score.value == pytest.approx(oracle(x, y), abs=1e-12)
    assert permutation_procrustes(y, x).value == pytest.approx(score.value, abs=1e-12)


def test_finds_the_permutation_and_keeps_its_digits():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 100, 30))
    order = rng.permutation(30)
    scores = [permutation_procrustes(x[:, order], x + e * noise + 5) for e in (0.5, 1e-9, 1e-10)]
    assert all((s.parts["partner"] == order).all() for s in scores)
    assert scores[1].value / scores[2].value == pytest.approx(10, rel=1e-3)


def test_a_rotation_leaves_more_than_a_permutation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 6))
    turned = x @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert procrustes_distance(x, turned).value < 1e-12
    assert permutation_procrustes(x, turned).value > 0.5


def test_between_widths_triangles_break_so_there_is_no_distance():
    x = np.array([[1.0], [-1.0]])
    wide = np.hstack([x, np.zeros((2, 1))])
    opposite = permutation_procrustes(x, -x).value
    detour = permutation_procrustes(x, wide).value + permutation_procrustes(wide, -x).value
    assert opposite > detour + 0.5
    with pytest.raises(InputError, match="not a metric"):
        permutation_procrustes(x, wide).distance()
    assert "no metric" in permutation_procrustes(x, wide).warnings[0]
    assert permutation_procrustes(x, -x).distance() == opposite
    assert permutation_procrustes(wide, x).parts["partner"].tolist() == [0, -1]


def test_interval_is_that_of_leaving_rows_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 5))
    y = x[:, [3, 1, 0, 4, 2]] + 0.5 * rng.normal(size=x.shape)
    score = permutation_procrustes(x, y)
    values = np.array([oracle(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(150)])
    error = math.sqrt(149 / 150 * np.sum((values - values.mean()) ** 2))
    assert score.ci[1] - score.value == pytest.approx(1.96 * error, rel=0.03)


@pytest.mark.parametrize("power", [0, 2])
def test_unrelated_spaces_are_at_chance(power):
    fall = np.arange(1.0, 9) ** -power  # with power 2 z has a long tail, p must not mind
    scores = [
        permutation_procrustes(*np.random.default_rng(s).normal(size=(2, 60, 8)) * fall, rng=s)
        for s in range(200)
    ]
    assert np.mean([s.value for s in scores]) == pytest.approx(
        np.mean([s.chance for s in scores]), rel=0.01
    )
    assert 0.01 <= np.mean([s.p < 0.05 for s in scores]) <= 0.09
    wide = permutation_procrustes(*np.random.default_rng(0).normal(size=(2, 30, 100)))
    assert "unrelated spaces" in wide.warnings[0]


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(5, 2))
    with pytest.raises(InputError, match="all equal"):
        permutation_procrustes(np.ones((5, 2)), x)
    with pytest.raises(InputError, match="permutation_procrustes"):
        permutation_procrustes(x, x[:4])
