"""Residual MLP: its forward pass against torch, its start, and what it learns beyond a rotation."""

import numpy as np
import pytest
import torch

from isthmus.bridges import Orthogonal, ResidualMlp
from isthmus.core.errors import InputError


@pytest.fixture(scope="module")
def bent():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4)) + 1
    q = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    return x, np.tanh(1.5 * x) @ q + 2


def error(bridge, x, y):
    return float(np.mean((bridge.transform(x) - y) ** 2))


def test_learns_what_a_rotation_misses(bent):
    x, y = bent
    bridge = ResidualMlp(hidden=32, steps=300, rate=1e-2).fit(x[:300], y[:300])
    rotation = Orthogonal().fit(x[:300], y[:300])
    assert error(bridge, x[300:], y[300:]) < 0.3 * error(rotation, x[300:], y[300:])


def test_forward_pass_is_torchs(bent):
    x, y = bent
    b = ResidualMlp(hidden=8, steps=50, rate=1e-2).fit(x, y)
    t = torch.asarray
    z = (t(x) - t(b.mean_x_)) @ t(b.skip_)
    hidden = torch.nn.functional.gelu(
        z @ t(b.hidden_weights_) + t(b.hidden_bias_), approximate="tanh"
    )
    expected = t(b.scale_) * (z + hidden @ t(b.out_weights_) + t(b.out_bias_)) + t(b.mean_y_)
    np.testing.assert_allclose(b.transform(x), expected.numpy(), atol=1e-12)
    assert np.abs(b.out_weights_).max() > 0


def test_a_rotation_stays_a_rotation(turned):
    x, y, q = turned
    bridge = ResidualMlp(hidden=8, steps=50).fit(x, y)
    np.testing.assert_allclose(bridge.transform(x), y, atol=1e-6)
    np.testing.assert_allclose(bridge.skip_, q, atol=1e-9)


def test_identity_skip_is_the_papers(bent):
    x, y = bent
    drifted = x + 0.1 * np.sin(x)
    bridge = ResidualMlp(hidden=16, steps=300, skip="identity", scaling=False).fit(x, drifted)
    np.testing.assert_array_equal(bridge.skip_, np.eye(4))
    np.testing.assert_array_equal(bridge.scale_, np.ones(4))
    assert error(bridge, x, drifted) < 0.5 * np.mean((drifted - x) ** 2)
    with pytest.raises(InputError, match="equal dims"):
        ResidualMlp(skip="identity").fit(x, y[:, :3])


@pytest.mark.parametrize("dims", [(3, 5), (5, 3)])
def test_unequal_dims_few_pairs_constant_columns(dims):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, dims[0])), rng.normal(size=(6, dims[1]))
    x[:, 0], y[:, 1] = 7, -2
    for rows in (2, 6):
        moved = ResidualMlp(hidden=4, steps=5).fit(x[:rows], y[:rows]).transform(x)
        assert moved.shape == y.shape
        np.testing.assert_allclose(moved[:, 1], -2, atol=3)
    # Nothing varies on either side: the mean is all there is.
    still = ResidualMlp(hidden=4, steps=5).fit(np.ones((5, dims[0])), np.ones((5, dims[1])))
    np.testing.assert_allclose(still.transform(np.ones((1, dims[0]))), np.ones((1, dims[1])))


def test_refusals(bent):
    x, y = bent
    for wrong in ({"hidden": 0}, {"skip": "none"}, {"steps": 0}, {"rate": -1.0}):
        with pytest.raises(InputError, match="expected"):
            ResidualMlp(**wrong).fit(x, y)
