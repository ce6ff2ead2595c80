"""Gromov-Wasserstein: recovers rotations without a pair, the fused term, refusals."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from isthmus.bridges import GromovWasserstein
from isthmus.core.errors import InputError, NoReliableBridge


def spaces(n=200, d=5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=(n, d)) * np.linspace(1, 2, d) + 3
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return x, 2 * x @ turn - 1, turn, rng


def test_recovers_rotation_scale_and_shift_without_a_pair():
    x, y, turn, rng = spaces(50)
    bridge = GromovWasserstein(steps=10, least=0).fit(x, rng.permutation(y), pairs=())
    np.testing.assert_allclose(bridge.coef_, 2 * turn, atol=0.4)
    assert bridge.score(x, y) > 0.95


def test_all_pairs_give_procrustes_on_unit_rows():
    x, y, _, _ = spaces(60)
    y = y + np.random.default_rng(1).normal(size=y.shape)
    bridge = GromovWasserstein().fit(x, y)
    rows = [s - s.mean(axis=0) for s in (x, y)]
    a, b = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in rows)
    scale = np.linalg.norm(rows[1]) / np.linalg.norm(rows[0])
    np.testing.assert_allclose(bridge.coef_, scale * orthogonal_procrustes(a, b)[0], atol=1e-10)
    assert bridge.confidence_ == 1.0


def test_known_pairs_help_where_distances_alone_are_symmetric():
    # A cloud that is its own mirror image cannot be told from it without pairs.
    rng = np.random.default_rng(2)
    half = rng.normal(size=(100, 4)) * [3, 2, 1, 0.5]
    x = np.concatenate([half, half * [-1, 1, 1, 1]])
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    y = x @ turn
    known = (range(8), range(8))
    bridge = GromovWasserstein(points=60, steps=10).fit(x, y, pairs=known)
    assert bridge.score(x, y) > 0.9


@pytest.mark.parametrize("wrong", [{"epsilon": 0}, {"fused": 2}, {"points": 1}, {"steps": 0}])
def test_options(wrong):
    x, y, _, _ = spaces(40)
    with pytest.raises(InputError):
        GromovWasserstein(**wrong).fit(x, y, pairs=())


def test_noise_is_refused():
    x, _, _, rng = spaces()
    noise = rng.normal(size=(180, 5))
    with pytest.raises(NoReliableBridge, match="agree on"):
        GromovWasserstein(points=40, steps=3).fit(x, noise, pairs=())


def test_constant_sides_do_not_break_it():
    _, y, _, _ = spaces(60)
    with pytest.raises(NoReliableBridge):
        GromovWasserstein(points=10, steps=2, least=1).fit(np.ones((50, 5)), y, pairs=())
    assert np.isfinite(GromovWasserstein().fit(np.ones((60, 5)), y).coef_).all()
