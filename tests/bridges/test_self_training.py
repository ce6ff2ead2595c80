"""Matches of a right map bear each other out; those of a wrong one do not."""

import numpy as np

from isthmus.bridges.self_training import Matches, Side, about_mean, refound, self_train, shared

NONE = np.empty(0, np.int64)


def sides(n=800, d=24, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=(n, d)) * np.linspace(2, 0.5, d)
    y = x @ np.linalg.qr(rng.normal(size=(d, d)))[0] + noise * rng.normal(size=(n, d))
    return Side.of(about_mean(x)[1]), Side.of(about_mean(y)[1])


def matches(i, j):
    return Matches(i, j, np.ones(len(i), np.float32), 1.0)


def test_true_pairs_are_found_again():
    x, y = sides()
    every = np.arange(800)
    assert refound(x, y, matches(every, every), np.random.default_rng(0)) > 0.95
    # Half of the rows matched, all of them rightly: the share of rows is half of all.
    half = refound(x, y, matches(every[:400], every[:400]), np.random.default_rng(0))
    assert 0.4 < half < 0.51


def test_a_wrong_end_is_not_borne_out_though_half_of_its_rows_are_matched():
    x, _ = sides()
    _, y = sides(seed=9)  # unrelated
    rng = np.random.default_rng(1)
    start = rng.permutation(800)[:200], rng.permutation(800)[:200]
    end = self_train(x, y, *start, seeds=(NONE, NONE), rounds=30)
    assert len(end.i) > 0.35 * 800
    assert refound(x, y, end, rng) < 0.4
    # What a check would see that asked the matches which made the map.
    a, b = shared(x, y, end.i, end.j)
    flattering = float(np.mean((a[end.i] * b[end.j]).sum(axis=1) > 0))
    assert flattering > 0.9


def test_too_few_matches_say_nothing():
    x, y = sides(n=50)
    assert refound(x, y, matches(np.arange(3), np.arange(3)), np.random.default_rng(0)) == 0
