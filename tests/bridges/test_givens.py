"""Givens: rounds, journeys between vectors, planted drifts, soft norms."""

from itertools import pairwise

import numpy as np
import pytest

from isthmus.bridges import Givens, Orthogonal
from isthmus.bridges.givens import between, rounds, to_axis
from isthmus.bridges.givens import turned as turn
from isthmus.core.errors import InputError


def matrix(dim, plan, angles):
    """The product of plane rotations, one matrix each."""
    whole = np.eye(dim)
    for (left, right), some in zip(plan, angles, strict=True):
        for i, j, angle in zip(left, right, some, strict=True):
            g = np.eye(dim)
            g[[i, j], [i, j]] = np.cos(angle)
            g[i, j], g[j, i] = np.sin(angle), -np.sin(angle)
            whole = whole @ g
    return whole


@pytest.mark.parametrize("dim", [1, 2, 5, 8, 13])
def test_rounds_are_a_tournament(dim):
    plan = rounds(dim)
    assert len(plan) == int(np.ceil(np.log2(dim)))
    assert sum(len(i) for i, _ in plan) == dim - 1
    for i, j in plan:
        assert len(set(i) | set(j)) == 2 * len(i)


def test_turning_is_the_product():
    rng = np.random.default_rng(0)
    angles = [rng.normal(size=len(i)) for i, _ in rounds(7)]
    x = rng.normal(size=(4, 7))
    expected = x @ matrix(7, rounds(7), angles)
    np.testing.assert_allclose(turn(x, rounds(7), angles), expected, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 3, 8, 21])
def test_journeys_arrive(dim):
    for seed in range(20):
        a, b = np.random.default_rng(seed).normal(size=(2, dim))
        b *= np.linalg.norm(a) / np.linalg.norm(b)
        plan, angles = between(a, b)
        assert len(plan) == dim - 1
        np.testing.assert_allclose(turn(a, plan, angles), b, atol=1e-12)
        np.testing.assert_allclose(between(a, a)[1], 0, atol=1e-6)
        found = turn(a, rounds(dim), to_axis(a))
        np.testing.assert_allclose(found, np.linalg.norm(a) * np.eye(dim)[0], atol=1e-12)
    with pytest.raises(InputError, match="equal length"):
        between(a, 2 * b)


def test_recovers_a_planted_drift_from_few_pairs():
    rng = np.random.default_rng(1)
    angles = [0.7 * rng.normal(size=len(i)) for i, _ in rounds(48)]
    x = rng.normal(size=(220, 48)) + 1
    y = turn(x, rounds(48), angles) + 3 + 0.1 * rng.normal(size=x.shape)
    few = Givens(passes=1, stiffness=np.inf).fit(x[:20], y[:20])
    assert few.angles_.shape == (1, 47)
    np.testing.assert_allclose(few.coef_ @ few.coef_.T, np.eye(48), atol=1e-12)
    gaps = [np.mean((b.transform(x[20:]) - y[20:]) ** 2)
            for b in (few, Orthogonal().fit(x[:20], y[:20]))]  # fmt: skip
    assert gaps[0] < 0.5 * gaps[1]


def test_no_angle_can_be_improved():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 100, 6))
    bridge = Givens(passes=1, stiffness=np.inf).fit(x, y)
    cross = (x - x.mean(axis=0)).T @ (y - y.mean(axis=0))
    cross = cross * bridge.norms_
    starts = np.cumsum([0] + [len(i) for i, _ in rounds(6)])
    angles = [bridge.angles_[0, a:b] for a, b in pairwise(starts)]
    best = np.sum(matrix(6, rounds(6), angles) * cross)
    for r in range(len(angles)):
        for step in (-0.05, 0.05):
            other = [a.copy() for a in angles]
            other[r][0] += step
            assert np.sum(matrix(6, rounds(6), other) * cross) < best


def test_norms_are_soft():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 4))
    y = x * [1.0, 2.0, 0.5, -1.0]
    free, soft, rigid = (Givens(passes=1, stiffness=t).fit(x, y) for t in (0, 1, np.inf))
    np.testing.assert_allclose(np.abs(free.norms_), [1, 2, 0.5, 1], atol=5e-3)
    np.testing.assert_allclose(np.abs(soft.norms_), [1, 1.5, 0.75, 1], atol=0.05)
    np.testing.assert_allclose(np.abs(rigid.norms_), 1)
    # Rotations cannot mirror the last coordinate; a norm of -1 does.
    assert soft.norms_[3] < 0


@pytest.mark.parametrize("dims", [(3, 6), (6, 3), (1, 1)])
def test_unequal_dims(dims):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(20, dims[0])), rng.normal(size=(20, dims[1]))
    assert Givens().fit(x, y).transform(x).shape == y.shape


def test_a_space_that_does_not_vary():
    y = np.random.default_rng(5).normal(size=(5, 3))
    for stiffness in (0, 1):
        bridge = Givens(stiffness=stiffness).fit(np.ones((5, 3)), y)
        np.testing.assert_allclose(bridge.transform(np.ones((1, 3)))[0], y.mean(axis=0))


def test_refusals(turned):
    x, y, _ = turned
    for wrong in ({"passes": 0}, {"stiffness": -1}):
        with pytest.raises(InputError, match="at least one pass"):
            Givens(**wrong).fit(x, y)
    with pytest.raises(InputError, match="stiffness=nan; expected a number"):
        Givens(stiffness=np.nan).fit(x, y)
