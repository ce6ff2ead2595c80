"""From one known pair up: what few pairs do for the unpaired bridge where none is too little.

Top-1 by pairs, mean of seeds 0 to 9 of the spaces below: .15 with none, .16 with one, .18 with two,
.97 with five and with ten. It does not rise everywhere: seed 8 has .37 by luck with none, .33 with
one and .08 with two. All of these are refused; what is given is right.
"""

import numpy as np
import pytest

from isthmus.bridges import Unpaired
from isthmus.core.errors import NoReliableBridge
from isthmus.core.neighbors import partner_ranks

PAIRS = (0, 1, 2, 5, 10)


def spaces(seed):
    """A round cloud in eight dimensions and its turned, noisy copy: no axis and no row stands out.

    The target's first 300 rows are in an order of their own.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 8))
    y = x @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 0.3 * rng.normal(size=x.shape)
    return x, y, rng.permutation(300)


@pytest.fixture(scope="module", params=[6, 8])
def found(request):
    """Seed, and (top-1 of 100 held-out rows, confidence) by the number of known pairs."""
    x, y, order = spaces(request.param)
    by_pairs = {}
    for k in PAIRS:
        bridge = Unpaired(rounds=6, least=0).fit(x[:300], y[order], pairs=(order[:k], np.arange(k)))
        top1 = np.mean(partner_ranks(bridge.transform(x[300:]), y[300:]) < 1.5)
        by_pairs[k] = float(top1), bridge.confidence_
    return request.param, by_pairs


def test_five_pairs_decide_and_one_or_two_hardly_matter(found):
    seed, by_pairs = found
    top1 = [by_pairs[k][0] for k in PAIRS]
    assert max(top1[:3]) < 0.5 < 0.9 < min(top1[3:])
    if seed == 6:
        assert top1[0] == min(top1)  # seed 8 is the one where it is not


def test_only_right_maps_are_given(found):
    for top1, confidence in found[1].values():
        assert (confidence >= 0.2) == (top1 > 0.9)


def test_by_default_none_is_refused_and_five_pairs_are_enough():
    x, y, order = spaces(6)
    with pytest.raises(NoReliableBridge):
        Unpaired(rounds=6).fit(x[:300], y[order], pairs=())
    bridge = Unpaired(rounds=6).fit(x[:300], y[order], pairs=(order[:5], range(5)))
    assert bridge.score(x[300:], y[300:]) > 0.9
