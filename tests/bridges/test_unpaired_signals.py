"""Signals of an end against oracles, and the wrong map that all of them believe."""

import numpy as np
import pytest

from isthmus.bridges.matching import best_matches, mutual_matches
from isthmus.bridges.self_training import Matches, Side, about_mean, self_train, shared
from isthmus.bridges.unpaired_signals import assignment, cycle, neighbours, signals

NONE = np.empty(0, np.int64)


def sides(x, y):
    return Side.of(about_mean(x)[1]), Side.of(about_mean(y)[1])


def matches(i, j):
    return Matches(i, j, np.ones(len(i), np.float32), 1.0)


def cloud(n, d, *, symmetric, seed=0):
    """Skewed along every axis, but symmetric along the first where that is asked."""
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=(n, d)) * np.linspace(1.5, 1, d) ** 2
    if symmetric:
        x[:, 0] = rng.normal(size=n) * 1.5
    return x, x + 0.1 * x.std(axis=0) * rng.normal(size=x.shape)


def test_neighbours_and_assignment_are_what_matrices_of_pairs_say():
    rng = np.random.default_rng(0)
    x, y = sides(rng.normal(size=(60, 5)), rng.normal(size=(70, 4)))
    i, j = rng.permutation(60)[:40], rng.permutation(70)[:40]
    a, b = x.rows[i] @ x.rows[i].T, y.rows[j] @ y.rows[j].T
    apart = ~np.eye(40, dtype=bool)
    expected = np.corrcoef(a[apart], b[apart])[0, 1]
    assert assignment(x, y, matches(i, j)) == pytest.approx(expected, abs=1e-5)
    for gram in (a, b):
        np.fill_diagonal(gram, -np.inf)
    near = [[set(row[:10]) for row in np.argsort(-gram, axis=1)] for gram in (a, b)]
    share = np.mean([len(p & q) / 10 for p, q in zip(*near, strict=True)])
    assert neighbours(x, y, matches(i, j)) == pytest.approx((share - 10 / 39) / (1 - 10 / 39))


def test_all_tell_a_right_end_from_an_unrelated_one():
    x, y = sides(*cloud(500, 24, symmetric=False))
    other = sides(*cloud(500, 24, symmetric=False, seed=9))[1]
    rng = np.random.default_rng(1)
    start = rng.permutation(500)[:200], rng.permutation(500)[:200]
    wrong = self_train(x, other, *start, seeds=(NONE, NONE), rounds=20)
    every = np.arange(500)
    good = signals(x, y, matches(every, every), rng)
    bad = signals(x, other, wrong, rng)
    assert len(wrong.i) > 150
    assert all(good[name] > 0.3 + bad[name] for name in good)


def test_a_mirrored_map_of_a_symmetric_axis_passes_for_right():
    """Why none of them makes a bridge."""
    x, y = sides(*cloud(800, 6, symmetric=True))
    mirrored = x.rows * np.array([-1, 1, 1, 1, 1, 1], np.float32)
    start = mutual_matches(mirrored, y.rows)[:2]
    end = self_train(x, y, *start, seeds=(NONE, NONE), rounds=40)
    chosen = best_matches(*shared(x, y, end.i, end.j))[0]
    assert np.mean(chosen == np.arange(800)) < 0.25
    assert assignment(x, y, end) > 0.91
    assert cycle(x, y, end, np.random.default_rng(0)) > 0.5


def test_too_few_matches_say_nothing():
    x, y = sides(*cloud(50, 3, symmetric=False))
    assert set(signals(x, y, matches(NONE, NONE), np.random.default_rng(0)).values()) == {0.0}
