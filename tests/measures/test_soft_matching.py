import math
import sys

import numpy as np
import pytest
from scipy.optimize import linprog

from isthmus.core.errors import InputError, MissingExtra
from isthmus.measures import permutation_procrustes, soft_matching


def oracle(x, y):
    """The linear program as it is written, by another solver."""
    x, y = x - x.mean(0), y - y.mean(0)
    cost = np.array([[np.sum((a - b) ** 2) for b in y.T] for a in x.T]) / len(x)
    dx, dy = cost.shape
    rows, columns = np.kron(np.eye(dx), np.ones(dy)), np.kron(np.ones(dx), np.eye(dy))
    masses = np.concatenate([np.full(dx, 1 / dx), np.full(dy, 1 / dy)])
    found = linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=masses)
    return math.sqrt(found.fun)


@pytest.mark.parametrize("dims", [(5, 5), (7, 3), (4, 6)])
def test_equals_the_linear_program(dims):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(20, d)) + 3 for d in dims)
    score = soft_matching(x, y)
    assert score.value == pytest.approx(oracle(x, y), rel=1e-9)
    assert soft_matching(y, x).value == pytest.approx(score.value, rel=1e-12)
    assert score.distance() == score.value


def test_equal_widths_give_the_permutation_distance():
    for seed in range(20):
        x, y = np.random.default_rng(seed).normal(size=(2, 30, 6))
        expected = permutation_procrustes(x, y).value / math.sqrt(6)
        assert soft_matching(x, y).value == pytest.approx(expected, rel=1e-12)


def test_triangles_hold_between_widths_where_padding_breaks_them():
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(60):
        a, c = rng.normal(size=(2, 8, 1))
        a, c = a - a.mean(0), c - c.mean(0)
        spaces = a, np.hstack([a + 0.1 * rng.normal(size=a.shape), 0.1 * c]), c
        for measure in (soft_matching, permutation_procrustes):
            ab, bc, ac = (measure(spaces[i], spaces[j]).value for i, j in ((0, 1), (1, 2), (0, 2)))
            if measure is soft_matching:
                assert ac <= ab + bc + 1e-12
            else:
                broken += ac > ab + bc + 1e-12
    assert broken


def test_duplicated_columns_change_nothing_and_digits_are_kept():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 50, 4))
    assert soft_matching(x, np.hstack([x, x, x]) + 7).value < 1e-12
    near = [soft_matching(x, x[:, ::-1] + e * noise).value for e in (1e-9, 1e-10)]
    assert near[0] / near[1] == pytest.approx(10, rel=1e-3)


def test_interval_is_that_of_leaving_rows_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    y = np.hstack([x[:, ::-1], x[:, :2]]) + 0.5 * rng.normal(size=(80, 6))
    score = soft_matching(x, y)
    values = np.array([oracle(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(80)])
    error = math.sqrt(79 / 80 * np.sum((values - values.mean()) ** 2))
    assert score.ci[1] - score.value == pytest.approx(1.96 * error, rel=0.05)


def test_chance_is_that_of_shuffled_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6))
    y = x[:, :4] + 0.3 * rng.normal(size=(60, 4))
    score = soft_matching(x, y)
    found = [soft_matching(x, y[rng.permutation(60)], rng=s) for s in range(60)]
    assert np.mean([s.value**2 for s in found]) == pytest.approx(score.chance**2, rel=0.04)
    assert np.mean([s.z for s in found]) == pytest.approx(0, abs=0.5)
    assert np.mean([s.p < 0.05 for s in found]) <= 0.12
    assert score.p == 1 / 101


def test_unrelated_spaces_that_would_seem_related_are_warned_about():
    assert (
        "unrelated" in soft_matching(*np.random.default_rng(0).normal(size=(2, 20, 40))).warnings[0]
    )
    assert soft_matching(*np.random.default_rng(0).normal(size=(2, 1000, 5))).warnings == ()


def test_scale_is_the_unit_of_the_answer():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 4))
    for factor in (1e-20, 1e20):
        got = soft_matching(factor * x, factor * y).value
        assert got == pytest.approx(factor * oracle(x, y), rel=1e-9)


def test_bad_input_and_missing_extra(monkeypatch):
    x = np.random.default_rng(0).normal(size=(5, 2))
    with pytest.raises(InputError, match="all equal"):
        soft_matching(np.ones((5, 2)), x)
    with pytest.raises(InputError, match="soft_matching"):
        soft_matching(x, x[:4])
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(MissingExtra, match="transport"):
        soft_matching(x, x)
