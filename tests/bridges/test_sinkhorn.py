"""Sinkhorn against POT and against the assignment that it tends to; mass that may be left over."""

import numpy as np
import ot
import pytest
from scipy.optimize import linear_sum_assignment

from isthmus.bridges.sinkhorn import sinkhorn
from isthmus.core.errors import InputError


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    a, b = rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(9))
    return rng.random((7, 9)), a, b


def test_equals_pot(problem):
    cost, a, b = problem
    expected = ot.sinkhorn(a, b, cost, 0.05, stopThr=1e-12, numItermax=10_000)
    found = sinkhorn(cost, a, b, epsilon=0.05, most=10_000, tolerance=1e-12)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_little_entropy_is_the_assignment():
    cost = np.random.default_rng(1).random((6, 6))
    plan = sinkhorn(cost, epsilon=5e-3, most=1000)
    assert plan.argmax(axis=1).tolist() == linear_sum_assignment(cost)[1].tolist()
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 6, atol=1e-3)


def test_what_finds_no_partner_stays_over(problem):
    cost = np.abs(np.array([[0.0], [1.0], [50.0]]) - np.array([[0.0], [1.0], [-50.0]]).T)
    plan = sinkhorn(cost, epsilon=0.02, spare=0.5)
    np.testing.assert_allclose(np.diag(plan), [1 / 3, 1 / 3, 0], atol=1e-3)
    assert plan.sum() == pytest.approx(2 / 3, abs=1e-3)
    cost, a, b = problem
    plan = sinkhorn(cost, a, b, epsilon=0.05, spare=0.2)
    assert (plan.sum(axis=1) <= a + 1e-6).all()
    assert (plan.sum(axis=0) <= b + 1e-6).all()


def test_points_without_weight_take_none(problem):
    cost, _, b = problem
    a = np.array([0.5, 0.5, 0, 0, 0, 0, 0])
    plan = sinkhorn(cost, a, b, epsilon=0.05)
    assert np.isfinite(plan).all()
    assert not plan[2:].any()


def test_refusals(problem):
    cost, a, b = problem
    for bad in ({"epsilon": 0.0}, {"epsilon": -1.0}):
        with pytest.raises(InputError, match="epsilon > 0"):
            sinkhorn(cost, a, b, **bad)
    with pytest.raises(InputError, match="one weight a row"):
        sinkhorn(cost, b, a, epsilon=0.1)
