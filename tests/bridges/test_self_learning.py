"""Self-learning: few pairs and many loose rows beat the same pairs alone; the matching's oracle."""

import numpy as np
import pytest

from isthmus.bridges import Orthogonal, SelfLearning
from isthmus.core.errors import InputError


def spaces(n=900, d=12, noise=0.15, seed=0):
    """Two spaces that share a skewed latent, rows of the second in an order of their own."""
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=(n, d)) * np.linspace(1, 2, d)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    y = x @ turn + noise * rng.normal(size=x.shape)
    order = rng.permutation(n)
    return x, y, order, np.argsort(order)


def test_few_pairs_with_loose_rows_beat_the_same_pairs_alone():
    x, y, order, place = spaces()
    known = np.arange(6)
    bridge = SelfLearning().fit(x[:700], y[order[order < 700]], pairs=(known, _among(order, known)))
    alone = Orthogonal().fit(x[:6], y[:6])
    assert bridge.score(x[700:], y[700:]) > 0.9 > alone.score(x[700:], y[700:]) + 0.2
    assert bridge.matched_ > 500
    assert len(place) == 900


def test_without_loose_rows_it_cannot():
    # What makes the claim above false must be the loose rows, not the decoder.
    x, y, _, _ = spaces()
    alone = SelfLearning().fit(x[:6], y[:6])
    assert alone.matched_ == 0
    assert alone.score(x[700:], y[700:]) < 0.8


def test_shuffled_known_pairs_do_not_help():
    x, y, order, _ = spaces()
    known = np.arange(6)
    wrong = _among(order, known)[[1, 2, 3, 4, 5, 0]]
    bridge = SelfLearning(rounds=3).fit(x[:700], y[order[order < 700]], pairs=(known, wrong))
    assert bridge.score(x[700:], y[700:]) < 0.5


def test_the_kernel_learns_what_no_linear_map_can():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(700, 4))
    y = np.c_[x, x[:, :1] * x[:, 1:2], x[:, 2:3] ** 2] @ rng.normal(size=(6, 6))
    bridge, linear = SelfLearning().fit(x[:500], y[:500]), Orthogonal().fit(x[:500], y[:500])
    assert bridge.score(x[500:], y[500:]) > linear.score(x[500:], y[500:]) + 0.1


def test_equal_seeds_give_equal_bridges():
    x, y, order, _ = spaces(n=300)
    pairs = (np.arange(9), np.argsort(order)[:9])
    one, two = (SelfLearning(rng=3).fit(x, y[order], pairs=pairs) for _ in range(2))
    assert np.array_equal(one.weights_, two.weights_)


def test_bad_rows():
    x, y, _, _ = spaces(n=120)
    with pytest.raises(InputError, match="at least 1"):
        SelfLearning().fit(x, y, pairs=())
    x = np.c_[x, np.full(120, 3.0)]
    x[5] = x.mean(axis=0)
    assert np.isfinite(SelfLearning().fit(x, y, pairs=(range(10), range(10))).transform(x)).all()
    flat = SelfLearning(rounds=2).fit(np.ones((80, 3)), y[:80], pairs=([0], [0]))
    assert np.isfinite(flat.transform(np.ones((2, 3)))).all()


def _among(order, known):
    kept = order[order < 700]
    place = np.empty(700, np.int64)
    place[kept] = np.arange(700)
    return place[known]
