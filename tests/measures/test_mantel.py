import itertools

import numpy as np
import pytest

from isthmus.measures.mantel import Sums, graph_sums, permutation_moments


def sums(a):
    return Sums(
        n=len(a),
        total=a.sum(),
        squares=(a**2).sum(),
        mutual=(a * a.T).sum(),
        rows=(a.sum(1) ** 2).sum(),
        columns=(a.sum(0) ** 2).sum(),
        through=(a.sum(1) * a.sum(0)).sum(),
    )


def zero_diagonal(n, seed):
    a = np.random.default_rng(seed).normal(size=(n, n))
    np.fill_diagonal(a, 0)
    return a


@pytest.mark.parametrize("n", [4, 5, 6])
def test_equals_the_moments_over_all_permutations(n):
    a, b = zero_diagonal(n, 0), zero_diagonal(n, 1)
    values = [(a * b[np.ix_(p, p)]).sum() for p in map(list, itertools.permutations(range(n)))]
    mean, spread = permutation_moments(sums(a), sums(b))
    assert mean == pytest.approx(np.mean(values), abs=1e-12)
    assert spread == pytest.approx(np.std(values), rel=1e-10)


def test_a_wrong_column_sum_is_noticed():
    a, b = zero_diagonal(5, 0), zero_diagonal(5, 1)
    right, wrong = sums(a), sums(a.T)
    spread = [permutation_moments(s, sums(b))[1] for s in (right, wrong)]
    assert spread[0] != pytest.approx(spread[1], rel=1e-3)


def test_graph_sums_are_those_of_the_adjacency():
    rng = np.random.default_rng(0)
    near = np.array([rng.permutation(np.delete(np.arange(30), i))[:4] for i in range(30)])
    a = np.zeros((30, 30))
    a[np.arange(30)[:, None], near] = 1
    assert graph_sums(near) == sums(a)
