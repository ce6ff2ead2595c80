"""vec2vec: unpaired copies of a skewed cloud, pairs that help, refusal, and the risk of leaks."""

import numpy as np
import pytest

from isthmus.bridges import Vec2vec
from isthmus.bridges.vec2vec import _folded, _geometry, _losses
from isthmus.core.errors import InputError, MissingExtra, NoReliableBridge

FAST = {"steps": 25, "hidden": 8, "batch": 64}


@pytest.fixture(scope="module")
def unpaired():
    """Two samples of one skewed cloud, the second turned and moved; the turn; a fitted bridge."""
    rng = np.random.default_rng(0)
    x, y = (rng.gamma(0.5, size=(n, 5)) * np.geomspace(3, 0.8, 5) for n in (600, 500))
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return x, y @ turn + 3, turn, Vec2vec(**FAST).fit(x, y @ turn + 3, pairs=())


def test_translates_without_pairs(unpaired):
    x, _, turn, bridge = unpaired
    truth = x @ turn + 3
    missed = np.linalg.norm(bridge.transform(x) - truth) / np.linalg.norm(truth - truth.mean(0))
    assert missed < 0.35
    assert 0.6 <= bridge.confidence_ <= 1
    back = np.linalg.norm(bridge.inverse_transform(truth) - x) / np.linalg.norm(x - x.mean(0))
    assert back < 0.35


def test_the_risk_of_a_leak_is_retrieval_of_ones_own_partner(unpaired):
    x, _, turn, bridge = unpaired
    risk = bridge.leak_risk(x[:100], x[:100] @ turn + 3)
    assert risk.value > 10 * risk.chance
    assert risk.chance == 0.01
    assert risk.ci[0] <= risk.value <= risk.ci[1]
    shuffled = bridge.leak_risk(x[:100], np.roll(x[:100], 1, axis=0) @ turn + 3)
    assert shuffled.value < 0.1
    assert risk.parts["mean_rank"] < shuffled.parts["mean_rank"]


def test_refuses_round_clouds_unless_told_otherwise():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 5)), rng.normal(size=(280, 5))
    with pytest.raises(NoReliableBridge, match=r"fit 0\.\d\d, cycle 0?1?\.\d\d, agreement"):
        Vec2vec(**FAST).fit(x, y, pairs=())
    assert Vec2vec(**FAST, least=0.0).fit(x, y, pairs=()).confidence_ < 0.5


def test_pairs_help_where_clouds_do_not():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 5))
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    missed = []
    for count in (3, 30):
        some = np.arange(count)
        bridge = Vec2vec(**FAST, least=0.0).fit(x, x[:250] @ turn, pairs=(some, some))
        missed.append(np.linalg.norm(bridge.transform(x) - x @ turn) / np.linalg.norm(x))
    assert missed[1] < 0.2 < missed[0]


def test_unequal_dims_both_ways():
    rng = np.random.default_rng(3)
    x = rng.gamma(0.5, size=(200, 4)) * [3, 2, 1, 0.5]
    y = np.c_[x @ np.linalg.qr(rng.normal(size=(4, 4)))[0], x[:, :2] * 0.1]
    for a, b in ((x, y), (y, x)):
        bridge = Vec2vec(**FAST).fit(a, b)
        assert np.linalg.norm(bridge.transform(a) - b) < 0.2 * np.linalg.norm(b - b.mean(axis=0))


def test_folding_is_the_composition():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(4, 6))
    inner, bias, out = rng.normal(size=(3, 7)), rng.normal(size=7), rng.normal(size=(7, 3))
    u = rng.normal(size=(10, 4))
    h = u @ a[:-1] + a[-1]
    g = h @ inner + bias
    h = h + g / (1 + np.exp(-g)) @ out
    from isthmus.bridges.adversarial import translated

    expected = h @ b[:-1] + b[-1]
    np.testing.assert_allclose(translated(_folded(a, b, inner, bias, out), u), expected, atol=1e-10)


def test_losses_are_the_published_ones():
    """At the identity nothing is lost; a map that doubles loses what the formula says."""
    torch = pytest.importorskip("torch")
    u = torch.tensor(np.random.default_rng(5).normal(size=(8, 3)))
    none = u[:0]
    eye = torch.cat([torch.eye(3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)])
    silent = [torch.zeros(s, dtype=torch.float64) for s in ((3, 4), (4,), (4, 3))]
    silu = torch.nn.functional.silu
    loss, games = _losses([eye, eye, eye, eye, *silent], u, u, none, none, silu)
    assert float(loss) == pytest.approx(0, abs=1e-12)
    assert [game[0] for game in games] == [0, 1, 2, 2]
    loss, _ = _losses([eye, eye, eye, 2 * eye, *silent], u, u, none, none, silu)
    square = float((u**2).mean())
    gram = float(((u @ u.T / 3) ** 2).mean())
    # v is reconstructed doubled, u -> v doubled, both cycles doubled: 1 + 10 + 10 of the square,
    # and inner products grow fourfold on u -> v and on both cycles: (1 + 10 + 10) 9 of the Gram's.
    assert float(loss) == pytest.approx(21 * square + 21 * 9 * gram)
    assert float(_geometry(u, 2 * u)) == pytest.approx(9 * gram)


def test_refusals(unpaired, monkeypatch):
    x, y, _, bridge = unpaired
    with pytest.raises(InputError, match="steps=0"):
        Vec2vec(steps=0).fit(x, y, pairs=())
    with pytest.raises(InputError, match="NaN"):
        Vec2vec().fit(x, y * np.nan, pairs=())
    with pytest.raises(InputError, match="5 columns"):
        bridge.inverse_transform(y[:, :2])
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"isthmus\[torch\]"):
        Vec2vec().fit(x, y, pairs=())
    assert np.isfinite(bridge.transform(x)).all()  # applying needs no torch
