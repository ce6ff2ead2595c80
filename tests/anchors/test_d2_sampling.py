import sys

import numpy as np
import pytest

from isthmus.anchors import d2_sampling


def test_follows_its_law():
    # Three places on a line: after the first, squared distances decide.
    x = np.array([[1.0, 0.0], [np.cos(0.5), np.sin(0.5)], [np.cos(1.5), np.sin(1.5)]])
    gaps = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    counts = np.zeros((3, 3))
    for seed in range(3000):
        a, b = d2_sampling(x, 2, rng=seed)
        counts[a, b] += 1
    expected = gaps / gaps.sum(axis=1, keepdims=True) / 3
    assert np.abs(counts / 3000 - expected).max() < 0.03


def test_it_is_the_same_with_and_without_blocks(rows, monkeypatch):
    file = sys.modules[d2_sampling.__module__]
    spread = []
    for block in (1, 64):
        monkeypatch.setattr(file, "_BLOCK", block)
        sets = [d2_sampling(rows, 30, rng=seed) for seed in range(40)]
        spread.append(np.mean([(rows @ rows[s].T).max(axis=1).mean() for s in sets]))
    assert spread[0] == pytest.approx(spread[1], abs=0.005)
