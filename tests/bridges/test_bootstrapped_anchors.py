import numpy as np
import pytest

from isthmus.bridges import BootstrappedAnchors
from isthmus.bridges.bootstrapped_anchors import _transport
from isthmus.bridges.relative import relative
from isthmus.core.errors import InputError
from isthmus.core.neighbors import partner_ranks


@pytest.fixture(scope="module")
def spaces():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 12)) * np.geomspace(3, 0.5, 12) + rng.normal(size=12)
    y = (x + 0.15 * rng.normal(size=x.shape)) @ np.linalg.qr(rng.normal(size=(12, 12)))[0] + 4
    mixed = rng.permutation(300)
    return x, y[mixed], np.argsort(mixed)


def mrr(a, b):
    return float(np.mean(1 / partner_ranks(a, b)))


def test_five_pairs_grow_into_anchors_that_are_parallel(spaces):
    x, y, place = spaces
    bridge = BootstrappedAnchors(anchors=80).fit(x, y, pairs=(np.arange(5), place[:5]))
    a, b = bridge.anchor_pairs()
    assert a.shape == b.shape == (80, 12)
    np.testing.assert_allclose(np.linalg.norm(b, axis=1), 1)
    # The parallel anchors look alike from inside their own spaces.
    assert np.corrcoef((a @ a.T).ravel(), (b @ b.T).ravel())[0, 1] > 0.97
    few = [side - side.mean(axis=0) for side in (x, y[place])]
    few = mrr(*(relative(side, side[:5]) for side in few))
    grown = mrr(bridge.encode_source(x), bridge.encode_target(y[place]))
    assert grown > few
    assert grown > 0.9
    assert bridge.score(x, y[place]) > 0.9


def test_known_anchors_stay(spaces):
    x, y, place = spaces
    bridge = BootstrappedAnchors(anchors=40).fit(x, y, pairs=(np.arange(10), place[:10]))
    target = y - y.mean(axis=0)
    expected = target[place[:10]] / np.linalg.norm(target[place[:10]], axis=1)[:, None]
    np.testing.assert_allclose(bridge.target_anchors_[:10], expected)
    assert bridge.known_ == 10
    many = BootstrappedAnchors(anchors=30).fit(x, y[place])
    assert many.known_ == len(many.source_anchors_) == 30


def test_the_transport_has_its_marginals_and_equals_pot():
    ot = pytest.importorskip("ot")
    similarity = np.random.default_rng(1).uniform(-1, 1, size=(20, 30))
    plan = _transport(similarity, 0.5)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 30, atol=1e-12)
    expected = ot.sinkhorn(np.full(20, 1 / 20), np.full(30, 1 / 30), 1 - similarity, 0.5)
    np.testing.assert_allclose(plan, expected, atol=1e-6)
    assert np.isfinite(_transport(np.sign(similarity), 0.005)).all()


def test_wrong_pairs_do_not_grow_right(spaces):
    x, y, place = spaces
    wrong = np.random.default_rng(2).permutation(place)[:10]
    bridge = BootstrappedAnchors(anchors=80).fit(x, y, pairs=(np.arange(10), wrong))
    assert mrr(bridge.encode_source(x), bridge.encode_target(y[place])) < 0.5


def test_unequal_dims(spaces):
    x, y, place = spaces
    bridge = BootstrappedAnchors(anchors=60).fit(x, y[:, :9], pairs=(np.arange(20), place[:20]))
    assert bridge.transform(x[:5]).shape == (5, 9)


@pytest.mark.parametrize("options", [{"anchors": 0}, {"rounds": -1}, {"epsilon": 0.0}])
def test_refusals(spaces, options):
    x, y, place = spaces
    with pytest.raises(InputError, match="anchors >= 1"):
        BootstrappedAnchors(**options).fit(x, y, pairs=(np.arange(5), place[:5]))
