"""Where two spaces part: planted items and planted directions are found."""

import numpy as np
import pytest

from isthmus.measures.compare import compare
from isthmus.measures.disagreement import disagreement


def rotation(d):
    return np.linalg.qr(np.random.default_rng(7).normal(size=(d, d)))[0]


def naive_kept(x, y, k):
    sets = []
    for side in (x, y):
        unit = side / np.linalg.norm(side, axis=1, keepdims=True)
        cosine = unit @ unit.T
        np.fill_diagonal(cosine, -2)
        sets.append(np.argsort(-cosine, axis=1, kind="stable")[:, :k])
    return np.array([len(set(a) & set(b)) / k for a, b in zip(*sets, strict=True)])


def test_kept_is_its_definition_and_moved_items_are_named():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 10))
    y = x @ rotation(10) + 0.1 * rng.normal(size=(300, 10))
    moved = rng.choice(300, 8, replace=False)
    y[moved] = rng.normal(size=(8, 10))
    ids = np.array([f"id{i}" for i in range(300)])
    found = disagreement(x, y, ids)
    assert found.kept == pytest.approx(naive_kept(x, y, 10))
    assert set(ids[moved]) <= set(found.items[:12])
    said = " ".join(compare(x, y).verdict)
    assert "disagree most around these 20 items" in said


def test_planted_directions_are_counted():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 40))
    y = x @ rotation(40)
    y[:, :3] += 0.6 * rng.normal(size=(2000, 3))
    found = disagreement(x, y, np.arange(2000))
    assert found.directions == 3
    xc, yc = x - x.mean(0), y - y.mean(0)
    u, s, vt = np.linalg.svd(xc.T @ yc)
    rest = yc - s.sum() / (xc**2).sum() * xc @ u @ vt
    assert found.left == pytest.approx((rest**2).sum() / (yc**2).sum(), rel=1e-9)
    assert "3 of 40 dimensions carry the difference" in " ".join(compare(x, y).verdict)
    spread = y + 0.3 * rng.normal(size=y.shape)
    assert "carry the difference" not in " ".join(compare(x, spread).verdict)


def test_equal_spaces_part_nowhere():
    x = np.random.default_rng(2).normal(size=(100, 6))
    found = disagreement(x, 2 * x @ rotation(6) + 1, np.arange(100))
    assert found.directions == 0
    assert disagreement(x, x, np.arange(100)).items == ()
    assert disagreement(x, x[:, :3], np.arange(100)).directions is None
