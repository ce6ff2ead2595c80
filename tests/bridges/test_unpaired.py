"""Unpaired: right on copies, silent on what is unrelated, and its parts against oracles."""

import numpy as np
import pytest

from isthmus.bridges import Unpaired
from isthmus.core.errors import InputError, NoReliableBridge
from isthmus.evidence.corpora import digits


def spaces(n=700, d=10, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=(n, d)) * np.linspace(1, 2, d)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return x, x @ turn + noise * rng.normal(size=x.shape), rng


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


def test_bad_input():
    x, y, _ = spaces(60)
    with pytest.raises(InputError, match="share from 0 to 1"):
        Unpaired(least=2).fit(x, y, pairs=())
    with pytest.raises(NoReliableBridge):  # too few rows to tell
        Unpaired().fit(x, y, pairs=())
    with pytest.raises(NoReliableBridge):
        Unpaired(rounds=2).fit(np.ones((150, 3)), np.ones((150, 3)), pairs=())


def test_enough_known_pairs_tell_by_themselves(monkeypatch):
    rng = np.random.default_rng(6)
    x = rng.normal(size=(500, 80))
    y = x @ np.linalg.qr(rng.normal(size=(80, 80)))[0] + 0.2 * rng.normal(size=x.shape)
    order = rng.permutation(400)
    pairs = (order[:70], np.arange(70))
    real = Unpaired._end

    def guessed(*_):
        raise AssertionError("no other guess is needed")

    monkeypatch.setattr(Unpaired, "_end", guessed)
    bridge = Unpaired().fit(x[:400], y[order], pairs=pairs)
    assert bridge.confidence_ * 14 == pytest.approx(round(bridge.confidence_ * 14))  # of a fifth
    assert bridge.confidence_ > 0.7
    assert bridge.score(x[400:], y[400:]) > 0.9
    # Pairs of what is unrelated find none of those held out, nor other guesses one to agree with.
    monkeypatch.setattr(Unpaired, "_end", real)
    with pytest.raises(NoReliableBridge):
        Unpaired(rounds=6).fit(x[:400], rng.normal(size=(400, 80)), pairs=pairs)
