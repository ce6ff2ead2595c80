"""Flow bridge: a shift that it must undo, both ways, saved and on every array kind."""

import numpy as np
import pytest
import torch

from isthmus.bridges import FlowBridge
from isthmus.core.errors import InputError
from isthmus.evidence.multisample_flow_matching import sliced_wasserstein


@pytest.fixture(scope="module")
def shifted():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(400, 2)), rng.normal(size=(350, 2)) * 0.5 + [4.0, -2.0]
    return x, y, FlowBridge(steps=200, hidden=32, batch=64).fit(x, y)


def test_carries_the_cloud_over_and_back(shifted):
    x, y, bridge = shifted
    moved = bridge.transform(x)
    before, after = sliced_wasserstein(x[:350], y), sliced_wasserstein(moved[:350], y)
    assert after < 0.15 * before
    back = bridge.inverse_transform(moved)
    assert np.abs(back - x).mean() < 0.3
    untrained = FlowBridge(steps=1, hidden=32, batch=64).fit(x, y)
    assert sliced_wasserstein(untrained.transform(x)[:350], y) > 0.7 * before


def test_optimal_pairs_keep_rows_nearer_to_where_they_were(shifted):
    x, y, bridge = shifted
    # The optimal map between two round normals is a shift and a shrinkage.
    best = (x - x.mean(axis=0)) / x.std() * y.std(axis=0).mean() + y.mean(axis=0)
    assert np.abs(bridge.transform(x) - best).mean() < 0.25


def test_saved_loaded_and_on_other_kinds(shifted, tmp_path):
    x, _, fitted = shifted
    again = FlowBridge.load(fitted.save(tmp_path / "flow.isthmus"))
    for way in ("transform", "inverse_transform"):
        assert np.array_equal(getattr(again, way)(x), getattr(fitted, way)(x))
    tensor = fitted.transform(torch.asarray(x))
    np.testing.assert_allclose(tensor.numpy(), fitted.transform(x), atol=1e-9)
    assert fitted.transform(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(fitted.transform(x[:5]), fitted.transform(x)[:5], atol=1e-12)


def test_reproducible():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 2)), rng.normal(size=(50, 2))
    one, two = (FlowBridge(steps=5, batch=16).fit(x, y) for _ in range(2))
    assert np.array_equal(one.weights_, two.weights_)


def test_refusals(shifted):
    x, y, bridge = shifted
    with pytest.raises(InputError, match="equal dim"):
        FlowBridge().fit(x, y[:, :1])
    with pytest.raises(InputError, match="coupled_interpolant"):
        FlowBridge().fit(x, y, pairs=([0], [1]))
    with pytest.raises(InputError, match="NaN"):
        FlowBridge().fit(x, y * np.nan)
    with pytest.raises(InputError, match="2 columns"):
        bridge.inverse_transform(x[:, :1])
    constant = np.ones((10, 2))
    assert np.isfinite(FlowBridge(steps=2).fit(constant, constant).transform(constant)).all()
