import sys
from itertools import permutations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from isthmus.core.errors import InputError, MissingExtra
from isthmus.measures import gromov_wasserstein


def scaled(x):
    apart = cdist(x, x)
    return apart / np.sqrt(np.mean(apart**2))


def best(x, y):
    """The least mismatch over all permutations: between equal masses no coupling is needed."""
    a, b = scaled(x), scaled(y)
    orders = (list(p) for p in permutations(range(len(x))))
    return min(np.sqrt(np.mean((a - b[np.ix_(p, p)]) ** 2)) for p in orders)


def test_brackets_the_best_of_all_permutations():
    gaps = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 3))
        score, exact = gromov_wasserstein(x, y), best(x, y)
        # A coupling may split mass, and so do better than any permutation, but not than the bound.
        assert score.parts["bound"] - 1e-12 <= score.value <= score.parts["uniform"] + 1e-12
        assert score.parts["bound"] <= exact + 1e-12
        gaps.append(score.value / exact - 1)
    # What the descent costs where nothing is alike: half as much again, in the middle.
    assert np.median(gaps) < 0.5


def test_finds_an_isometry_among_shuffled_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)) * [4, 2, 1]
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert float(gromov_wasserstein(x, 7 * x[rng.permutation(60)] @ turn + 3)) < 1e-6


def test_other_shapes_are_farther_than_noisy_copies():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3)) * [4, 2, 1]
    copy = float(gromov_wasserstein(x, x + 0.1 * rng.normal(size=x.shape)))
    centres = np.repeat(np.eye(3) * 10, [16, 17, 17], axis=0)
    other = gromov_wasserstein(x, centres + rng.normal(size=x.shape))
    assert copy < 0.1 < other.value


def test_many_rows_are_thinned_with_a_warning():
    x = np.random.default_rng(0).normal(size=(520, 2)) * [3, 1]
    score = gromov_wasserstein(x, x[:40])
    assert any("500 of 520" in one for one in score.warnings)


def test_bad_input_and_missing_extra(monkeypatch):
    with pytest.raises(InputError, match="gromov_wasserstein"):
        gromov_wasserstein(np.ones((5, 2)), np.eye(5))
    monkeypatch.setitem(sys.modules, "ot.gromov", None)
    with pytest.raises(MissingExtra, match="transport"):
        gromov_wasserstein(np.eye(5), np.eye(5))
