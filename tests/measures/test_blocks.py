"""Blocks: p by orders of whole groups, and no p that takes rows for exchangeable."""

import itertools

import numpy as np
import pytest

from isthmus.core.registry import method
from isthmus.measures import blocks
from isthmus.measures.blocks import by_groups, thinned
from isthmus.measures.inference import row_orders

GROUPS = np.repeat(np.arange(30), 4)


def chunks(seed, noise=0.05):
    """Rows in nearly equal fours, as chunks of a document are."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(30, 5))[GROUPS] + noise * rng.normal(size=(120, 5))


def test_p_counts_the_orders_that_reach_as_far():
    one = method("measures", "alignment")
    x, y = chunks(0), chunks(0) + 3 * chunks(1)
    score = by_groups(one, one.call(x, y), x, y, GROUPS, 5)
    orders = row_orders(120, 249, groups=GROUPS, rng=np.random.default_rng(5))
    values = [float(one.call(x, y[order])) for order in orders]  # here near is related
    assert score.p == (1 + np.sum(np.array(values) <= float(one.call(x, y)) + 1e-12)) / 250
    assert score.z is None
    assert score.value == float(one.call(x, y))
    assert 0.004 <= score.p < 1


@pytest.mark.parametrize("name", ["alignment", "cka"])
def test_rows_that_come_in_groups_are_not_a_finding(name, monkeypatch):
    monkeypatch.setattr(blocks, "_ORDERS", 39)
    one = method("measures", name)
    hits = {"rows": 0, "groups": 0}
    for seed in range(40):
        x, y = chunks(seed), chunks(1000 + seed)
        plain = one.call(x, y)
        hits["rows"] += plain.p < 0.05
        hits["groups"] += by_groups(one, plain, x, y, GROUPS, seed).p <= 0.05
    assert hits["groups"] <= 6  # 2 expected of 40
    assert hits["rows"] > 2 * max(hits["groups"], 2)


@pytest.mark.parametrize("name", ["debiased_cka", "cknna", "rsa", "information_imbalance"])
def test_what_is_related_is_found_whatever_the_sign(name, monkeypatch):
    monkeypatch.setattr(blocks, "_ORDERS", 39)
    one = method("measures", name)
    x = chunks(3)
    y = x + chunks(4) / 2
    score = by_groups(one, one.call(x, y), x, y, GROUPS, 0)
    assert score.p == pytest.approx(0.001 if name == "debiased_cka" else 1 / 40)
    assert score.z is None


@pytest.mark.parametrize("name", ["energy_distance", "anisotropy"])
def test_a_test_without_pairs_is_dropped_and_said(name):
    one = method("measures", name)
    sides = (chunks(0), chunks(1))[: one.card.spaces]
    plain = one.call(*sides)
    assert plain.p is not None
    score = by_groups(one, plain, chunks(0), chunks(1), GROUPS, 0)
    assert (score.z, score.p) == (None, None)
    assert "no z or p by groups" in score.warnings[-1]
    assert score.value == plain.value


def test_time_is_bounded_and_what_was_cut_is_said(monkeypatch):
    one = method("measures", "alignment")
    x, y = chunks(0), chunks(1)
    for step, drawn in ((1.0, 20), (30.0, 1)):
        clock = itertools.count(0, step)
        monkeypatch.setattr(blocks, "monotonic", lambda clock=clock: next(clock))
        score = by_groups(one, one.call(x, y), x, y, GROUPS, 0)
        if drawn < 19:
            assert score.p is None
            assert "too slow" in score.warnings[-1]
        else:
            assert score.p * 22 == pytest.approx(round(score.p * 22))
            assert "p of 21 orders" in score.warnings[-1]


def test_thinning_keeps_every_group():
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(20), 100))
    rows = thinned(groups, 200, 0)
    assert (np.diff(rows) > 0).all()
    assert np.bincount(groups[rows]).tolist() == [10] * 20
    many = thinned(np.repeat(np.arange(500), 2), 200, 0)
    assert len(np.unique(many // 2)) == len(many) == 200
    assert thinned(groups, 2000, 0).tolist() == list(range(2000))
    ragged = thinned(np.r_[np.zeros(900), np.arange(1, 101)], 202, 0)
    assert np.bincount((ragged >= 900).astype(int)).tolist() == [2, 100]
