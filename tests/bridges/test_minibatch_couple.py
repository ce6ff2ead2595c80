"""Minibatch couplings: the assignment against SciPy and brute force, and right marginals."""

from itertools import permutations

import numpy as np
import pytest
import torch

from isthmus.bridges import minibatch_couple
from isthmus.core.errors import InputError


@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 3)), rng.normal(size=(60, 3)) + 1


def cost(x, y, pairs):
    return np.sum((x[pairs[0]] - y[pairs[1]]) ** 2, axis=1).mean()


def test_exact_is_the_best_of_all_permutations():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    best = min(cost(x, y, (np.arange(6), list(p))) for p in permutations(range(6)))
    assert cost(x, y, minibatch_couple(x, y)) == pytest.approx(best)


def test_costs_are_ordered_and_exact_keeps_every_row(batches):
    x, y = batches
    found = {s: minibatch_couple(x, y, s) for s in ("exact", "entropic", "independent")}
    costs = [cost(x, y, pairs) for pairs in found.values()]
    assert costs[0] < costs[1] < 0.8 * costs[2]
    for solver in ("exact", "independent"):
        for rows in found[solver]:
            assert sorted(rows) == list(range(60))


@pytest.mark.parametrize("solver", ["entropic", "independent"])
def test_unequal_batches_keep_their_marginals(batches, solver):
    x, y = batches
    counts = np.zeros(20)
    for seed in range(40):
        i, j = minibatch_couple(x, y[:20], solver, rng=seed)
        assert i.tolist() == list(range(60))
        counts += np.bincount(j, minlength=20)
    # 2,400 draws over 20 rows: 120 each on average, 11 of deviation.
    assert np.abs(counts / 120 - 1).max() < 0.5


def test_reproducible_and_of_any_kind(batches):
    x, y = batches
    for solver in ("exact", "entropic", "independent"):
        one, two = (minibatch_couple(x, y, solver, rng=3) for _ in range(2))
        assert np.array_equal(one, two)
    tensors = minibatch_couple(torch.asarray(x), torch.asarray(y))
    assert np.array_equal(tensors, minibatch_couple(x, y))


def test_refusals(batches):
    x, y = batches
    with pytest.raises(InputError, match="equal dims"):
        minibatch_couple(x, y[:, :2])
    with pytest.raises(InputError, match="one of exact, entropic, independent"):
        minibatch_couple(x, y, "magic")
    with pytest.raises(InputError, match="entropic"):
        minibatch_couple(x, y[:5])
    with pytest.raises(InputError, match="NaN"):
        minibatch_couple(x * np.nan, y)
    same = np.ones((4, 2))
    assert sorted(minibatch_couple(same, same, "entropic")[0]) == [0, 1, 2, 3]
