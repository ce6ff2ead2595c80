"""From one known pair up: what few pairs do for the unpaired bridge where none is too little.

``docs/results/unpaired.md`` has the figures over twenty of these spaces.
"""

import numpy as np
import pytest

from isthmus.bridges import Unpaired
from isthmus.core.errors import NoReliableBridge
from isthmus.core.neighbors import partner_ranks

PAIRS = (0, 1, 2)


def spaces(seed):
    """A round cloud in eight dimensions and its turned, noisy copy: no axis and no row stands out.

    The target's first 300 rows are in an order of their own.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 8))
    y = x @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 0.3 * rng.normal(size=x.shape)
    return x, y, rng.permutation(300)


@pytest.fixture(scope="module")
def found():
    """(Top-1 of 100 held-out rows, confidence) by the number of known pairs."""
    x, y, order = spaces(8)
    by_pairs = []
    for k in PAIRS:
        bridge = Unpaired(rounds=6, least=0).fit(x[:300], y[order], pairs=(order[:k], np.arange(k)))
        top1 = np.mean(partner_ranks(bridge.transform(x[300:]), y[300:]) < 1.5)
        by_pairs.append((float(top1), bridge.confidence_))
    return by_pairs


def test_one_pair_helps_and_two_decide(found):
    (none, _), (one, _), (two, _) = found
    assert none < 0.5 < 0.9 < two
    assert one > none


def test_only_right_maps_are_given(found):
    for top1, confidence in found:
        assert (confidence >= 0.2) == (top1 > 0.9)


def test_by_default_none_is_refused_and_pairs_that_are_wrong_are_too():
    x, y, order = spaces(6)
    with pytest.raises(NoReliableBridge, match="starts 0.*cycle.*neighbours.*assignment"):
        Unpaired(rounds=6).fit(x[:300], y[order], pairs=())
    with pytest.raises(NoReliableBridge):  # every start sees them, so all might agree on them
        Unpaired(rounds=6).fit(x[:300], y[order], pairs=(order[:5], np.arange(5)[::-1]))
    bridge = Unpaired(rounds=6).fit(x[:300], y[order], pairs=(order[:5], range(5)))
    assert bridge.signals_["starts"] == bridge.confidence_ > 0.6
    assert bridge.score(x[300:], y[300:]) > 0.9
