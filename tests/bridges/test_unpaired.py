"""Unpaired: right on copies, silent on what is unrelated, and its parts against oracles."""

import numpy as np
import pytest
from scipy.optimize import quadratic_assignment as scipy_assignment

from isthmus.bridges import Unpaired
from isthmus.bridges.agreement import beyond_chance
from isthmus.bridges.assignment import _gains, _permuted, quadratic_assignment
from isthmus.bridges.clusters import k_means
from isthmus.bridges.self_training import Side, about_mean
from isthmus.bridges.unpaired_starts import STARTS
from isthmus.core.errors import InputError, NoReliableBridge
from isthmus.evidence.corpora import digits


def spaces(n=700, d=10, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=(n, d)) * np.linspace(1, 2, d)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return x, x @ turn + noise * rng.normal(size=x.shape), rng


def test_every_gain_of_a_swap_is_what_the_swap_gains():
    rng = np.random.default_rng(0)
    a, b = (s + s.T for s in rng.normal(size=(2, 6, 6)))
    p = rng.permutation(6)
    gains = _gains(a[None], _permuted(b[None], p[None]))[0]
    for r in range(6):
        for s in range(6):
            swapped = p.copy()
            swapped[[r, s]] = p[[s, r]]
            gain = np.sum(a * b[np.ix_(swapped, swapped)]) - np.sum(a * b[np.ix_(p, p)])
            assert gains[r, s] == pytest.approx(gain, abs=1e-9)


def test_assignment_is_as_good_as_scipys():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 6))
    a = x @ x.T
    order = rng.permutation(12)
    b = a[np.ix_(order, order)]
    starts = np.stack([rng.permutation(12) for _ in range(20)])
    found, scores = quadratic_assignment(a, b, starts)
    theirs = max(
        scipy_assignment(
            a, b, method="2opt", options={"maximize": True, "rng": np.random.default_rng(k)}
        ).fun
        for k in range(20)
    )
    assert scores.max() == pytest.approx(np.sum(a * a))
    assert scores.max() >= theirs - 1e-9
    assert np.array_equal(order[found[scores.argmax()]], np.arange(12))


def test_k_means_is_a_fixed_point_as_good_as_scikit_learns():
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(2)
    x = (rng.normal(size=(8, 5))[rng.integers(8, size=400)] * 4 + rng.normal(size=(400, 5))).astype(
        np.float32
    )
    centres = k_means(x, 8, rng=rng)
    gaps = ((x[:, None] - centres) ** 2).sum(axis=2)
    labels = gaps.argmin(axis=1)
    means = np.stack([x[labels == k].mean(axis=0) for k in range(8)])
    np.testing.assert_allclose(means, centres, atol=1e-4)
    best = KMeans(8, n_init=5, random_state=0).fit(x).inertia_
    assert gaps.min(axis=1).sum() < 1.3 * best


@pytest.mark.parametrize("name", ["sorted_similarities", "assigned_clusters", "signed_axes"])
def test_a_start_sees_no_rotation_and_is_better_than_chance(name):
    x, y, rng = spaces(400, 6)
    sides = Side.of(about_mean(x)[1]), Side.of(about_mean(y)[1])
    i, j = STARTS[name](*sides, rng)
    assert np.mean(i == j) > 0.02  # chance: 0.0025


def test_copies_are_found_without_a_pair():
    x, y, rng = spaces(noise=0.05)
    order = rng.permutation(500)
    bridge = Unpaired().fit(x[:500], y[order], pairs=())
    assert bridge.confidence_ > 0.9
    assert bridge.score(x[500:], y[500:]) > 0.95


def test_nearly_all_rows_are_looked_at_before_few_are_refused(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.exponential(size=(600, 8)) * np.linspace(1, 2, 8)
    y = rng.permutation(x @ np.linalg.qr(rng.normal(size=(8, 8)))[0])
    real, seen = Unpaired._found, []

    def found(self, a, b, *rest):
        seen.append((len(a.rows), len(b.rows)))
        matches, confidence = real(self, a, b, *rest)
        return matches, confidence if len(seen) > 1 else 0.0

    monkeypatch.setattr(Unpaired, "_found", found)
    assert Unpaired(rows=240).fit(x, y, pairs=()).confidence_ > 0.5
    assert seen == [(240, 240), (600, 600)]
    seen.clear()
    with pytest.raises(NoReliableBridge):  # 250 would hold too few of the pairs of 600
        Unpaired(rows=100).fit(x, y, pairs=())
    assert seen == [(100, 100)]


def test_unrelated_real_data_are_refused():
    images, _ = digits()
    rng = np.random.default_rng(4)
    noise = rng.permuted(images[:300] @ np.linalg.qr(rng.normal(size=(64, 64)))[0], axis=0)
    with pytest.raises(NoReliableBridge, match="agree on .*expected at least 20"):
        Unpaired(rounds=4).fit(images[:300], noise, pairs=())


def test_known_pairs_rescue_what_alone_is_ambiguous():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 8))  # round: no axis differs from another
    y = x @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 0.3 * rng.normal(size=(400, 8))
    order = rng.permutation(300)
    with pytest.raises(NoReliableBridge):
        Unpaired(rounds=6).fit(x[:300], y[order], pairs=())
    known = (order[:12], np.arange(12))
    assert Unpaired(rounds=6).fit(x[:300], y[order], pairs=known).score(x[300:], y[300:]) > 0.8


def test_agreement_discounts_hubs():
    rng = np.random.default_rng(6)
    hub = np.where(rng.random(4000) < 0.9, 0, rng.integers(1000, size=4000))
    assert np.mean(hub == rng.permutation(hub)) > 0.7
    assert beyond_chance(hub, rng.permutation(hub)) < 0.1
    assert beyond_chance(hub, hub) == pytest.approx(1.0)


def test_bad_input():
    x, y, _ = spaces(60)
    with pytest.raises(InputError, match="share from 0 to 1"):
        Unpaired(least=2).fit(x, y, pairs=())
    with pytest.raises(NoReliableBridge):  # too few rows to tell
        Unpaired().fit(x, y, pairs=())
    with pytest.raises(NoReliableBridge):
        Unpaired(rounds=2).fit(np.ones((150, 3)), np.ones((150, 3)), pairs=())
