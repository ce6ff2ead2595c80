"""Integration of velocities against a flow whose end is known."""

import numpy as np
import pytest
import torch

from isthmus.bridges.flow import transport, with_time


@pytest.mark.parametrize(("order", "steps", "error"), [(1, 400, 4e-3), (2, 400, 4e-6)])
def test_exponential_growth_to_the_order_of_the_method(order, steps, error):
    x = np.array([[1.0], [-2.0]])
    path = []
    found = transport(lambda z, t: z, x, steps, order=order, path=path)
    off = np.abs(found / x - np.e).max()
    assert off < error
    assert off > error / 100  # a better method than stated would be another one
    assert len(path) == steps
    assert np.array_equal(path[-1], found)


def test_time_runs_from_zero_to_one():
    found = transport(lambda z, t: 0 * z + 3 * t**2, np.zeros((1, 1)), 100)
    assert found[0, 0] == pytest.approx(1.0, abs=1e-4)
    early = transport(lambda z, t: 0 * z + (t < 0.25), np.zeros((1, 1)), 4, order=1)
    assert early[0, 0] == pytest.approx(0.25)


def test_columns_are_added_in_order_and_kind():
    x = np.ones((2, 1), np.float32)
    found = with_time(x, 0.5, 2 * x)
    assert found.dtype == np.float32
    assert found.tolist() == [[1.0, 0.5, 2.0]] * 2
    assert isinstance(with_time(torch.ones(2, 1), 0.5), torch.Tensor)
