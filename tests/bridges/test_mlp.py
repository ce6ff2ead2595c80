"""Small networks: the forward pass against torch's own, packing, and a fit with a known answer."""

import numpy as np
import pytest
import torch

from isthmus.bridges.mlp import (
    falling,
    forward,
    initial,
    measured,
    pack,
    regress,
    silu,
    small_steps,
    torch_for,
    unpack,
)
from isthmus.core.errors import MissingExtra


def test_forward_equals_torch_modules():
    rng = np.random.default_rng(0)
    weights = [w + 0.1 for w in initial((3, 8, 5, 2), rng)]
    layers = []
    for w, b in zip(weights[::2], weights[1::2], strict=True):
        layer = torch.nn.Linear(*w.shape, dtype=torch.float64)
        layer.weight.data, layer.bias.data = torch.tensor(w.T), torch.tensor(b)
        layers += [layer, torch.nn.SiLU()]
    x = rng.normal(size=(10, 3)) * 3
    expected = torch.nn.Sequential(*layers[:-1])(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(forward(weights, x), expected, atol=1e-12)


def test_silu_overflows_nowhere():
    z = np.array([-1e30, -200.0, 0.0, 200.0, 1e30], np.float32)
    np.testing.assert_allclose(silu(z), np.maximum(z, 0), atol=1e-6)
    assert silu(z).dtype == np.float32


def test_packed_weights_come_back_and_wrong_sizes_are_refused():
    weights = initial((3, 4, 2), np.random.default_rng(0))
    flat = pack(weights)
    for one, two in zip(unpack(flat, (3, 4, 2), flat), weights, strict=True):
        assert np.array_equal(one, two)
    for sizes in ((3, 4, 3), (3, 3, 2), (3, 4)):
        with pytest.raises(ValueError, match=r"weights|reshape"):
            unpack(flat, sizes, flat)


def test_silent_networks_say_nothing_at_first():
    rng = np.random.default_rng(0)
    assert not forward(initial((3, 4, 2), rng, silent=True), rng.normal(size=(5, 3))).any()


def test_regression_learns_a_line_and_is_reproducible():
    def batch(rng):
        x = rng.normal(size=(64, 1))
        return x, 2 * x + 1

    def fitted(steps):
        weights = initial((1, 16, 1), np.random.default_rng(0), silent=True)
        return regress("test", weights, batch, steps=steps, rate=2e-2, rng=np.random.default_rng(1))

    x = np.linspace(-1, 1, 9)[:, None]
    assert np.abs(forward(fitted(300), x) - (2 * x + 1)).max() < 0.15
    assert np.abs(forward(fitted(3), x) - (2 * x + 1)).max() > 0.3
    assert np.array_equal(pack(fitted(20)), pack(fitted(20)))


def test_training_leaves_no_trace_in_global_randomness():
    before = torch.random.get_rng_state()
    test_regression_learns_a_line_and_is_reproducible()
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_rate_falls_from_one_towards_zero():
    assert falling(0, 10) == 1.0
    assert falling(5, 10) == pytest.approx(0.5)
    assert falling(10, 10) == pytest.approx(0.0)


def test_without_torch_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"isthmus\[torch\]"):
        torch_for("Fit")


def test_only_steps_that_are_too_small_to_share_are_taken_on_one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for shape, within in (((100, 100), 1), ((2000, 100), 3)):
            with small_steps(torch, [torch.zeros(shape)], rows=100):
                assert torch.get_num_threads() == within
            assert torch.get_num_threads() == 3
        with pytest.raises(KeyError), small_steps(torch, [torch.zeros(1)], rows=1):
            raise KeyError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_of_equal_rows_rounding_is_no_size():
    side = np.full((300, 2), 0.1)  # their mean is not 0.1
    assert measured(side)[1] == 1.0
    mean, size = measured(side + np.eye(300, 2))
    assert mean == pytest.approx(0.1 + 1 / 300)
    assert size == pytest.approx(np.sqrt(1 / 300 - 1 / 300**2))
