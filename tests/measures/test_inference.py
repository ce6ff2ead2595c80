"""Corrected p-values bound what they say they bound; orders respect groups."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures.inference import false_discovery, holm, row_orders


def naive_holm(p):
    m, out, running = len(p), {}, 0.0
    for step, i in enumerate(sorted(range(m), key=lambda i: p[i])):
        running = max(running, min(1.0, (m - step) * p[i]))
        out[i] = running
    return [out[i] for i in range(m)]


def test_holm_equals_its_definition_and_keeps_the_shape():
    p = np.random.default_rng(0).random((4, 5)) ** 3
    assert holm(p).shape == (4, 5)
    assert holm(p).ravel() == pytest.approx(naive_holm(p.ravel().tolist()))


def test_holm_bounds_any_false_finding():
    rng = np.random.default_rng(1)
    assert np.mean([(holm(rng.random(40)) < 0.05).any() for _ in range(2000)]) < 0.065
    assert np.mean([(rng.random(40) < 0.05).any() for _ in range(200)]) > 0.8


def test_false_discovery_bounds_the_false_share():
    rng = np.random.default_rng(2)
    shares = []
    for _ in range(400):
        p = rng.random(100)
        p[:30] /= 1e5
        found = false_discovery(p) < 0.05
        shares.append(found[30:].sum() / max(found.sum(), 1))
    assert np.mean(shares) < 0.05
    m = 100
    by_hand = np.sort(p) * m * np.sum(1 / np.arange(1, m + 1)) / np.arange(1, m + 1)
    expected = np.minimum(np.minimum.accumulate(by_hand[::-1])[::-1], 1)
    assert np.sort(false_discovery(p)) == pytest.approx(expected)
    square = false_discovery(p.reshape(10, 10))
    assert (square == false_discovery(p).reshape(10, 10)).all()


def test_orders_are_permutations_and_reproducible():
    orders = list(row_orders(10, 5, rng=3))
    assert all(sorted(order.tolist()) == list(range(10)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 5
    assert [o.tolist() for o in row_orders(10, 5, rng=3)] == [o.tolist() for o in orders]


def test_groups_move_whole_and_among_equals():
    groups = np.array([f"g{i // 3}" for i in range(36)] + ["big"] * 5)
    for order in row_orders(41, 20, groups=groups, rng=0):
        assert sorted(order.tolist()) == list(range(41))
        assert (order[36:] == np.arange(36, 41)).all()  # no other group of five
        starts = order[:36].reshape(12, 3)
        assert (np.diff(starts, axis=1) == 1).all()
        assert (starts[:, 0] % 3 == 0).all()
    scattered = np.tile(np.arange(12), 3)
    for order in row_orders(36, 5, groups=scattered, rng=0):
        moved = scattered[order].reshape(3, 12)
        assert (moved == moved[0]).all()


@pytest.mark.parametrize("groups", [np.arange(5), np.repeat(np.arange(3), 4), np.arange(12)[:9]])
def test_groups_that_cannot_be_exchanged(groups):
    with pytest.raises(InputError, match="groups"):
        list(row_orders(12, 1, groups=groups))
