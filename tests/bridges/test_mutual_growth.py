import numpy as np
import pytest

from isthmus.bridges import DensifiedPairs, MutualGrowth, Orthogonal
from isthmus.bridges.densified_pairs import expand_pairs
from isthmus.core.errors import InputError


@pytest.fixture(scope="module")
def spaces():
    """400 rows, their noisy rotation in another order, and the place of each row's partner."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 12)) * np.geomspace(3, 0.5, 12) + rng.normal(size=12)
    y = (x + 0.15 * rng.normal(size=x.shape)) @ np.linalg.qr(rng.normal(size=(12, 12)))[0] + 4
    mixed = rng.permutation(400)
    return x, y[mixed], np.argsort(mixed)


GROWING = [MutualGrowth(), MutualGrowth(final="ridge"), DensifiedPairs()]


@pytest.mark.parametrize("bridge", GROWING, ids=str)
def test_six_pairs_grow_to_what_all_pairs_give(spaces, bridge):
    x, y, place = spaces
    bridge.fit(x, y, pairs=(np.arange(6), place[:6]))
    few = Orthogonal().fit(x[:6], y[place[:6]]).score(x[200:], y[place[200:]])
    assert bridge.score(x[200:], y[place[200:]]) > max(0.95, few + 0.2)
    np.testing.assert_array_equal(bridge.pairs_[:6].T, [np.arange(6), place[:6]])
    assert np.mean(place[bridge.pairs_[:, 0]] == bridge.pairs_[:, 1]) > 0.95


@pytest.mark.parametrize("by", ["codes", "orthogonal", "ridge"])
def test_every_comparison_grows_from_thirty(spaces, by):
    x, y, place = spaces
    bridge = MutualGrowth(by=by).fit(x, y, pairs=(np.arange(30), place[:30]))
    assert bridge.score(x, y[place]) > 0.95
    assert bridge.rounds_ >= 1


def test_with_all_pairs_it_is_procrustes(spaces):
    x, y, place = spaces
    for bridge in (MutualGrowth(), DensifiedPairs()):
        np.testing.assert_allclose(
            bridge.fit(x, y[place]).transform(x),
            Orthogonal().fit(x, y[place]).transform(x), atol=1e-9,
        )  # fmt: skip


def test_unequal_dims_and_unequal_rows(spaces):
    x, y, place = spaces
    bridge = MutualGrowth().fit(x[:300], y[:, :9], pairs=(np.arange(20), place[:20]))
    assert bridge.coef_.shape == (12, 9)
    assert bridge.pairs_[:, 0].max() < 300


def test_wrong_pairs_do_not_grow_right(spaces):
    x, y, place = spaces
    wrong = np.random.default_rng(1).permutation(place)[:10]
    bridge = MutualGrowth().fit(x, y, pairs=(np.arange(10), wrong))
    assert np.mean(place[bridge.pairs_[:, 0]] == bridge.pairs_[:, 1]) < 0.5


def test_confidence_says_who_is_right(spaces):
    x, y, place = spaces
    noisy = y + 0.6 * np.random.default_rng(2).normal(size=y.shape)
    i, j, sure = expand_pairs(x, noisy, (np.arange(20), place[:20]), confidence=0.0)
    right = place[i] == j
    assert 0 < sure.min() <= sure.max() == 1
    assert sure[20:][right[20:]].mean() > 1.2 * sure[20:][~right[20:]].mean()
    picky = expand_pairs(x, noisy, (np.arange(20), place[:20]), confidence=0.3)
    assert len(picky[0]) < len(i)
    assert np.mean(place[picky[0]] == picky[1]) > np.mean(right)


def test_refusals(spaces):
    x, y, place = spaces
    known = (np.arange(5), place[:5])
    for bridge in (
        MutualGrowth(by="magic"), MutualGrowth(final="magic"), DensifiedPairs(confidence=1.0),
        DensifiedPairs(generations=0),
    ):  # fmt: skip
        with pytest.raises(InputError, match="magic|confidence"):
            bridge.fit(x, y, pairs=known)
    with pytest.raises(InputError, match="no known pair"):
        expand_pairs(x, y, ())
    with pytest.raises(InputError, match="contradictory"):
        expand_pairs(x, y, ([0, 0], [1, 2]))


def test_zero_rows_and_copies_are_survived(spaces):
    x, y, place = spaces
    x = x.copy()
    x[50:60] = x.mean(axis=0)
    x[60:80] = x[80]
    bridge = MutualGrowth().fit(x, y, pairs=(np.arange(10), place[:10]))
    assert np.isfinite(bridge.transform(x)).all()
    assert bridge.score(x[100:], y[place[100:]]) > 0.9
