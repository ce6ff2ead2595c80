import json

import numpy as np
import pytest

import isthmus
from isthmus.spaces import defects as module


def test_everything_wrong_at_once(monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 7)
    rng = np.random.default_rng(0)
    v = rng.standard_normal((100, 5)) * [1, 2, 3, 4, 0] + [100, 0, 0, 0, 3]
    v[[10, 90]] = np.nan
    v[11, 2] = np.inf
    v[50:53] = 0
    ids = [f"d{k}" for k in range(100)]
    ids[99] = "d3"
    found = isthmus.open(v, ids=ids).defects(limit=2)
    good = v[np.isfinite(v).all(axis=1)]
    norms = np.linalg.norm(good, axis=1)
    assert (found.rows, found.non_finite, found.non_finite_ids) == (100, 3, ("d10", "d11"))
    assert (found.zero_vectors, found.zero_ids) == (3, ("d50", "d51"))
    assert (found.duplicate_ids, found.duplicates) == (1, ("d3",))
    assert found.constant_dims == 0
    assert found.norm_min == 0
    assert found.norm_median == pytest.approx(np.median(norms))
    assert found.norm_max == pytest.approx(norms.max())
    assert found.mean_over_sd == pytest.approx((abs(good.mean(0)) / good.std(0)).max())
    json.dumps(found.as_dict())


def test_clean_and_degenerate_spaces():
    clean = isthmus.open(np.random.default_rng(0).standard_normal((30, 4))).defects()
    assert (clean.non_finite, clean.zero_vectors, clean.duplicate_ids) == (0, 0, 0)
    same = isthmus.open(np.full((5, 3), 2.0)).defects()
    assert same.constant_dims == 3
    assert same.mean_over_sd is None
    broken = isthmus.open(np.full((5, 3), np.nan)).defects()
    assert broken.non_finite == 5
    assert broken.norm_min is None
    assert broken.constant_dims == 0


def test_far_means_and_huge_norms():
    rng = np.random.default_rng(0)
    far = rng.standard_normal((1000, 2)) + 1e6
    found = isthmus.open(far).defects()
    assert found.mean_over_sd == pytest.approx((far.mean(0) / far.std(0)).max(), rel=1e-6)
    huge = isthmus.open((rng.standard_normal((10, 3)) * 1e20).astype(np.float32)).defects()
    assert huge.non_finite == 0
    assert 1e19 < huge.norm_max < 1e21
    beyond = isthmus.open(np.full((4, 3), 1e200) * np.arange(1, 5)[:, None]).defects()
    assert beyond.non_finite == 0


def test_the_median_of_a_sample(monkeypatch):
    monkeypatch.setattr(module, "_NORMS", 10)
    monkeypatch.setattr(module, "_ROWS", 7)
    v = np.arange(1, 101.0)[:, None]
    assert isthmus.open(v).defects().norm_median == np.median(np.arange(1, 101)[::10])


def test_norms_beyond_what_squares_can_hold():
    for scale in (1e200, 1e-200):
        found = isthmus.open(np.array([[3.0, 4.0], [6.0, 8.0], [0.0, 0.0]]) * scale).defects()
        assert (found.non_finite, found.zero_vectors, found.norm_min) == (0, 1, 0)
        assert found.norm_max == pytest.approx(10 * scale, rel=1e-12)
