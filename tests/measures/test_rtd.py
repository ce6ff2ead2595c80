import sys
from itertools import combinations

import gudhi
import numpy as np
import pytest

from isthmus.core.errors import InputError, MissingExtra
from isthmus.measures import rtd


def distances(x):
    apart = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=-1))
    return apart / np.quantile(apart[np.triu_indices(len(x), 1)], 0.9)


def bars(w, v):
    """Relative H1 by definition: the complex of min(w, v) with a cone over the one of w."""
    n, low = len(w), np.minimum(w, v)
    tree = gudhi.SimplexTree()
    for i in range(n):
        tree.insert([i], 0.0)
    tree.insert([n], 0.0)
    for i in range(n):
        tree.insert([i, n], 0.0)
    for i, j in combinations(range(n), 2):
        tree.insert([i, j], low[i, j])
    for i, j in combinations(range(n), 2):
        tree.insert([i, j, n], w[i, j])
    for i, j, k in combinations(range(n), 3):
        tree.insert([i, j, k], max(low[i, j], low[i, k], low[j, k]))
    tree.compute_persistence(homology_coeff_field=2, persistence_dim_max=True)
    found = tree.persistence_intervals_in_dimension(1)
    return float(np.sum(found[:, 1] - found[:, 0]))


def test_equals_relative_homology_by_definition():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(18, 3)), rng.normal(size=(18, 2))
        w, v = distances(x), distances(y)
        score = rtd(x, y)
        assert score.parts["x_to_y"][0] == pytest.approx(bars(w, v), abs=1e-9)
        assert score.parts["y_to_x"][0] == pytest.approx(bars(v, w), abs=1e-9)
        assert score.value == pytest.approx((bars(w, v) + bars(v, w)) / 2, abs=1e-9)
        assert score.ci is None


def test_grows_with_the_number_of_clusters_that_fall_apart():
    rng = np.random.default_rng(0)
    x = 0.1 * rng.normal(size=(60, 2))
    found = []
    for clusters in (1, 2, 5):
        angle = 2 * np.pi * (np.arange(60) % clusters) / clusters
        found.append(float(rtd(x, x + np.column_stack([np.cos(angle), np.sin(angle)]))))
    assert found == sorted(found)
    assert found[0] < 1e-9 < found[1]


def test_related_clouds_lie_below_chance_and_batches_give_an_interval():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3))
    score = rtd(x, x + 0.1 * rng.normal(size=x.shape), batch=30)
    assert score.value < score.ci[1] < score.chance
    assert len(score.parts["x_to_y"]) == 5
    alone = rtd(x, rng.normal(size=x.shape), batch=30)
    assert alone.value == pytest.approx(alone.chance, rel=0.2)


def test_bad_input_and_missing_extra(monkeypatch):
    x = np.random.default_rng(0).normal(size=(20, 2))
    for wrong in ({"batch": 3}, {"batch": 501}, {"batches": 0}):
        with pytest.raises(InputError, match="rtd"):
            rtd(x, x, **wrong)
    with pytest.raises(InputError, match="nine of ten"):
        rtd(np.eye(64)[:, :1], np.eye(64)[:, :1])
    monkeypatch.setitem(sys.modules, "gudhi.sklearn", None)
    with pytest.raises(MissingExtra, match="topology"):
        rtd(x, x)
