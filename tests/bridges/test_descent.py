"""Training on pairs: the split, early stopping, and what it leaves alone."""

import numpy as np
import pytest

from isthmus.bridges.descent import descend, split
from isthmus.core.errors import InputError


def linear(x, w):
    return x @ w["w"]


def test_split_is_four_to_one_and_complete():
    train, judge = split(100, 0)
    assert len(judge) == 20
    assert sorted([*train, *judge]) == list(range(100))
    for part in split(2, 0):
        assert len(part) == 2


def run(steps=400, rate=0.05, judge=None, truth=None):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3))
    y = x @ np.array([[1.0], [2.0], [3.0]]) if truth is None else truth(x)
    start = {"w": np.zeros((3, 1))}
    train, own = split(100, 1)
    found = descend(
        linear, start, x, y, train=train, judge=own if judge is None else judge(own), steps=steps,
        rate=rate, rng=rng, operation="test",
    )  # fmt: skip
    assert not start["w"].any()
    return found["w"]


def test_reaches_least_squares():
    np.testing.assert_allclose(run(), [[1], [2], [3]], atol=0.05)


def test_keeps_the_start_when_the_judges_only_get_worse():
    # On the rows that judge, the relation is the other way round.
    def truth(x):
        y = x.sum(axis=1, keepdims=True)
        y[split(100, 1)[1]] *= -1
        return y

    np.testing.assert_array_equal(run(truth=truth), 0)


def test_is_repeatable_and_leaves_global_state_alone():
    import torch

    state = torch.random.get_rng_state()
    np.testing.assert_array_equal(run(steps=20), run(steps=20))
    assert torch.equal(state, torch.random.get_rng_state())


def test_refusals():
    with pytest.raises(InputError, match="steps >= 1"):
        run(steps=0)
    with pytest.raises(InputError, match="rate > 0"):
        run(rate=0.0)
