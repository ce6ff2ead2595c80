import numpy as np

import isthmus
from isthmus.core.neighbors import partner_ranks
from isthmus.upgrade.pair_curve import pair_curve

RNG = np.random.default_rng(0)
X = RNG.normal(size=(700, 60))
TURN = np.linalg.qr(RNG.normal(size=(60, 60)))[0]


def test_the_curve_is_measured_on_pairs_that_no_size_was_fitted_on():
    y = X @ TURN + 0.5 * RNG.normal(size=X.shape)
    curve = pair_curve(isthmus.pair(X, y), bridge="orthogonal")
    assert curve.sizes == (50, 100, 200, 500, 560)
    order = np.random.default_rng(0).permutation(700)
    held, free = order[:140], order[140:]
    bridge = isthmus.bridges.Orthogonal().fit(X[free[:100]], y[free[:100]])
    expected = (1 / partner_ranks(bridge.transform(X[held]), y[held])).mean()
    assert curve.mrr[1] == expected
    assert curve.held_out == 140
    assert curve.mrr[0] < curve.mrr[-1]
    assert curve.as_dict()["sizes"] == [50, 100, 200, 500, 560]


def test_enough_is_the_fewest_near_the_best():
    easy = pair_curve(isthmus.pair(X, X @ TURN), bridge="orthogonal")
    assert easy.enough in (50, 100)
    hard = pair_curve(isthmus.pair(X, X @ TURN + 3 * RNG.normal(size=X.shape)), bridge="affine")
    assert hard.enough is None or hard.enough >= 200
