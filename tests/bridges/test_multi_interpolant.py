"""Multimarginal interpolant: every direction of one fit, the exact end of Gaussian clouds."""

import numpy as np
import pytest
import torch

from isthmus.bridges import MultiInterpolant
from isthmus.bridges.multi_interpolant import simplex
from isthmus.core.errors import FormatError, InputError
from isthmus.evidence.multisample_flow_matching import sliced_wasserstein


@pytest.fixture(scope="module")
def three():
    rng = np.random.default_rng(0)
    clouds = [
        rng.normal(size=(400, 2)) * scale + shift
        for scale, shift in ((0.5, [0, 0]), (1.0, [5, 0]), (0.7, [0, 5]))
    ]
    return clouds, MultiInterpolant(steps=500, hidden=48, batch=128).fit(clouds)


def test_every_direction_reaches_its_cloud(three):
    clouds, bridge = three
    for i in range(3):
        for j in range(3):
            moved = bridge.transport(clouds[i], source=i, target=j)
            if i == j:
                np.testing.assert_allclose(moved, clouds[i], atol=1e-9)
                continue
            before = sliced_wasserstein(clouds[i], clouds[j])
            assert sliced_wasserstein(moved, clouds[j]) < 0.2 * before


def test_an_untrained_network_reaches_none(three):
    clouds, _ = three
    bridge = MultiInterpolant(steps=1, hidden=48).fit(clouds)
    moved = bridge.transport(clouds[0], source=0, target=1)
    assert sliced_wasserstein(moved, clouds[1]) > 0.5 * sliced_wasserstein(clouds[0], clouds[1])


def test_correspondences_start_with_the_rows_themselves(three):
    clouds, bridge = three
    found = bridge.correspond(clouds[1][:5], source=1)
    assert [one.shape for one in found] == [(5, 2)] * 3
    assert np.array_equal(found[1], clouds[1][:5])
    again = bridge.transport(clouds[1][:5], source=1, target=2)
    assert np.array_equal(found[2], again)


def test_state_is_all_that_applying_needs(three):
    clouds, bridge = three
    other = MultiInterpolant(**bridge.get_params())
    for name in MultiInterpolant.STATE:
        setattr(other, name, getattr(bridge, name))
    one, two = (b.transport(clouds[0], source=0, target=2) for b in (bridge, other))
    assert np.array_equal(one, two)


def test_kinds_precision_and_batches(three):
    clouds, bridge = three
    x = clouds[0]
    moved = bridge.transport(x, source=0, target=1)
    tensor = bridge.transport(torch.asarray(x), source=0, target=1)
    np.testing.assert_allclose(tensor.numpy(), moved, atol=1e-9)
    assert bridge.transport(x.astype(np.float32), source=0, target=1).dtype == np.float32
    part = bridge.transport(x[:7], source=0, target=1)
    np.testing.assert_allclose(part, moved[:7], atol=1e-12)


def test_points_of_the_simplex():
    rng = np.random.default_rng(0)
    points = simplex(2000, 3, 0.5, rng)
    np.testing.assert_allclose(points.sum(axis=1), 1)
    assert (points >= 0).all()
    assert 0.4 < np.mean((points > 0).sum(axis=1) == 2) < 0.6
    np.testing.assert_allclose(points.mean(axis=0), 1 / 3, atol=0.03)


def test_reproducible():
    rng = np.random.default_rng(1)
    clouds = [rng.normal(size=(30, 2)) for _ in range(2)]
    one, two = (MultiInterpolant(steps=4).fit(clouds) for _ in range(2))
    assert np.array_equal(one.weights_, two.weights_)


def test_refusals(three):
    clouds, bridge = three
    with pytest.raises(InputError, match="equal dim"):
        MultiInterpolant().fit([clouds[0], clouds[1][:, :1]])
    with pytest.raises(InputError, match="at least two"):
        MultiInterpolant().fit(clouds[:1])
    with pytest.raises(InputError, match="NaN"):
        MultiInterpolant().fit([clouds[0], clouds[1] * np.nan])
    for bad in ({"source": 0, "target": 3}, {"source": -1, "target": 0}):
        with pytest.raises(InputError, match=r"spaces 0\.\.2"):
            bridge.transport(clouds[0], **bad)


def test_what_is_saved_comes_back_to_the_last_bit(three, tmp_path):
    clouds, bridge = three
    again = MultiInterpolant.load(bridge.save(tmp_path / "three"))
    assert again.get_params() == bridge.get_params()
    for source, target in ((0, 2), (2, 1)):
        moved = (b.transport(clouds[source], source=source, target=target) for b in (bridge, again))
        np.testing.assert_array_equal(*moved)


def test_files_whose_parts_do_not_fit_together_are_refused(three, tmp_path):
    path = three[1].save(tmp_path / "three")
    good = path.read_bytes()
    path.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
    with pytest.raises(FormatError, match="checksum"):
        MultiInterpolant.load(path)
    for name, value in (("spaces_", 2), ("spaces_", 4), ("centre_", np.zeros(3)),
                        ("weights_", np.zeros(9)), ("sizes_", np.array([5, 48, 6]))):  # fmt: skip
        path.write_bytes(good)
        other = MultiInterpolant.load(path)
        setattr(other, name, value)
        other.save(path)
        with pytest.raises(FormatError, match=r"^load multi_interpolant: .*Fit it anew"):
            MultiInterpolant.load(path)
