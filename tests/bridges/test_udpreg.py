"""UDPReg: known turns, partial overlap, pairs that help, and clouds it must refuse."""

import numpy as np
import pytest

from isthmus.bridges import Orthogonal, Udpreg
from isthmus.bridges.udpreg import angle, gmm_register
from isthmus.core.errors import InputError, NoReliableBridge
from isthmus.evidence.udpreg import clouds


@pytest.fixture(scope="module")
def partial():
    x, y, turn = clouds(3, 11)
    return x[::2], y[::2], turn


def test_finds_turn_and_overlap_of_partial_clouds(partial):
    x, y, turn = partial
    bridge = Udpreg(starts=1).fit(x, y, pairs=())
    assert angle(bridge.coef_, turn) < 5
    assert 0.55 < bridge.overlap_ < 0.9
    assert bridge.confidence_ > 0.3
    np.testing.assert_allclose(bridge.coef_ @ bridge.coef_.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(bridge.inverse_transform(bridge.transform(x)), x, atol=1e-9)


def test_overlap_is_whole_where_clouds_are(partial):
    x, _, turn = partial
    assert gmm_register(x, x @ turn, starts=0).overlap > 0.95


@pytest.mark.parametrize("rows", [np.s_[:], np.s_[:120]])
def test_refuses_clouds_without_a_shape(rows):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(250, 3)), rng.normal(size=(250, 3))
    with pytest.raises(NoReliableBridge, match=r"fit 0\.\d\d, agreement"):
        Udpreg(starts=1).fit(x[rows], y[rows], pairs=())


def test_all_pairs_give_the_procrustes_solution(turned):
    x, y, q = turned
    bridge = Udpreg().fit(x, y)
    np.testing.assert_allclose(bridge.coef_, q, atol=1e-9)
    np.testing.assert_allclose(bridge.transform(x), Orthogonal().fit(x, y).transform(x), atol=1e-9)
    assert bridge.overlap_ == bridge.confidence_ == 1.0


def test_a_pair_steers_to_the_right_one_of_two_poses():
    """A cloud that is its own mirror image fits both ways; pairs tell which is right."""
    rng = np.random.default_rng(1)
    half = rng.normal(size=(4, 3)) * 3
    middles = np.concatenate([half, -half @ np.diag([1, 1, -1])])  # a half turn about z
    x, y = (middles[rng.integers(8, size=300)] + 0.2 * rng.normal(size=(300, 3)) for _ in "ab")
    half_turn = np.diag([-1.0, -1.0, 1.0])
    known = middles[:3], middles[:3] @ half_turn
    pose = gmm_register(x, y, starts=0, known=known, rng=0)
    alone = gmm_register(x, y, starts=0, rng=0)
    assert angle(pose.turn, half_turn) < 10
    assert angle(alone.turn, np.eye(3)) < 10


def test_angle():
    assert angle(np.eye(3), np.eye(3)) == pytest.approx(0, abs=1e-6)
    assert angle(np.eye(3), np.diag([1.0, 1.0, -1.0])) == pytest.approx(180)


def test_refusals(turned):
    x, y, _ = turned
    with pytest.raises(InputError, match="equal dims"):
        Udpreg().fit(x, y[:, :4], pairs=())
    with pytest.raises(InputError, match="at least 2 components"):
        Udpreg(components=1).fit(x, y)
    with pytest.raises(InputError, match="NaN"):
        Udpreg().fit(x, y * np.nan, pairs=())
    with pytest.raises(InputError):
        Udpreg(starts=0).fit(np.ones((20, 3)), np.ones((20, 3)), pairs=())
