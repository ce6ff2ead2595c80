import numpy as np
import pytest
from scipy.optimize import quadratic_assignment as scipy_assignment

from isthmus.bridges.assignment import _gains, _permuted, quadratic_assignment


def test_every_gain_of_a_swap_is_what_the_swap_gains():
    rng = np.random.default_rng(0)
    a, b = (s + s.T for s in rng.normal(size=(2, 6, 6)))
    p = rng.permutation(6)
    gains = _gains(a[None], _permuted(b[None], p[None]))[0]
    for r in range(6):
        for s in range(6):
            swapped = p.copy()
            swapped[[r, s]] = p[[s, r]]
            gain = np.sum(a * b[np.ix_(swapped, swapped)]) - np.sum(a * b[np.ix_(p, p)])
            assert gains[r, s] == pytest.approx(gain, abs=1e-9)


def test_assignment_is_as_good_as_scipys():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 6))
    a = x @ x.T
    order = rng.permutation(12)
    b = a[np.ix_(order, order)]
    starts = np.stack([rng.permutation(12) for _ in range(20)])
    found, scores = quadratic_assignment(a, b, starts)
    theirs = max(
        scipy_assignment(
            a, b, method="2opt", options={"maximize": True, "rng": np.random.default_rng(k)}
        ).fun
        for k in range(20)
    )
    assert scores.max() == pytest.approx(np.sum(a * a))
    assert scores.max() >= theirs - 1e-9
    assert np.array_equal(order[found[scores.argmax()]], np.arange(12))
