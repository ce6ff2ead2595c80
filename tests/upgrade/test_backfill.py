import numpy as np
import pytest

from isthmus.upgrade.backfill import FractionCurve, orders, part

RNG = np.random.default_rng(0)
OLD = RNG.normal(size=(200, 6))


def test_every_order_is_a_permutation_with_the_right_ones_first():
    traffic = RNG.integers(0, 5, size=200)
    confidence = RNG.random(200)
    labels = RNG.integers(0, 3, size=200)
    found = orders(OLD, confidence=confidence, traffic=traffic, labels=labels)
    assert list(found) == ["traffic", "confidence", "class mean", "random"]
    for order in found.values():
        assert sorted(order.tolist()) == list(range(200))
    assert (np.diff(traffic[found["traffic"]]) <= 0).all()
    assert (np.diff(confidence[found["confidence"]]) >= 0).all()
    unit = OLD / np.linalg.norm(OLD, axis=1, keepdims=True)
    means = np.stack([unit[labels == c].mean(axis=0) for c in range(3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    near = (unit * means[labels]).sum(axis=1)
    assert (np.diff(near[found["class mean"]]) >= -1e-6).all()
    # Nearest to the mean first would be the order reversed.
    assert (
        near[found["class mean"][:20]].mean() < near.mean() < near[found["class mean"][-20:]].mean()
    )


def test_without_traffic_or_classes():
    assert list(orders(OLD)) == ["class mean", "random"]
    assert (orders(OLD, rng=3)["random"] == orders(OLD, rng=3)["random"]).all()


def test_ties_are_not_settled_by_the_order_of_the_file():
    first = orders(OLD, traffic=np.zeros(200))["traffic"][:50]
    assert not (first == np.arange(50)).all()


def test_a_part_is_what_the_order_puts_first():
    order = RNG.permutation(10)
    for share in (0.0, 0.3, 1.0):
        assert set(np.flatnonzero(part(order, share))) == set(order[: round(share * 10)])


def test_area_is_the_mean_over_a_steady_backfill():
    curve = FractionCurve(
        order="random", bridge="b", fractions=(0.0, 0.5, 1.0), ndcg=(0.2, 0.2, 0.6)
    )
    assert curve.area == pytest.approx(0.5 * 0.2 + 0.5 * 0.4)
    assert curve.as_dict()["area"] == curve.area
