import importlib
import sys

import numpy as np
import pytest
from ot.lp import emd2
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance

from isthmus.core.errors import InputError, MissingExtra
from isthmus.measures import ricci_compare

module = importlib.import_module("isthmus.measures.ricci_compare")


def curvature(pairs, n):
    edges = np.array(pairs)
    return module._curvature(edges, np.ones(len(edges)), n, emd2)[0]


def test_known_curvatures():
    # Lazy walks at one half: complete graph K_n has κ = n / (2 (n - 1)); a long cycle has 0.
    complete = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    assert curvature(complete, 5) == pytest.approx(np.full(10, 5 / 8))
    ring = [(i, (i + 1) % 8) for i in range(8)]
    assert curvature(ring, 8) == pytest.approx(np.zeros(8), abs=1e-12)
    # A bridge between two triangles: each end keeps 1/2 and sends 1/6 to three neighbours.
    bridge = [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5), (0, 3)]
    assert curvature(bridge, 6)[-1] == pytest.approx(1 - (1 / 3 + 3 / 3))


def test_equals_the_linear_programme():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 3))
    score = ricci_compare(x, y, k=3)
    for side in "xy":
        edges, n = score.parts[f"edges_{side}"], 20
        graph = np.full((n, n), np.inf)
        graph[edges[:, 0], edges[:, 1]] = graph[edges[:, 1], edges[:, 0]] = 1
        far = np.where(np.eye(n, dtype=bool), 0, graph)
        for m in range(n):
            far = np.minimum(far, far[:, [m]] + far[[m]])
        mass = 0.5 * np.eye(n) + 0.5 * (graph == 1) / (graph == 1).sum(axis=1, keepdims=True)
        sums = np.vstack([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))])
        for (u, v), kappa in list(zip(edges, score.parts[f"curvature_{side}"], strict=True))[::7]:
            cost = np.where(np.isfinite(far), far, 99).ravel()
            found = linprog(cost, A_eq=sums, b_eq=np.concatenate([mass[u], mass[v]]))
            assert kappa == pytest.approx(1 - found.fun, abs=1e-8)
    lists = score.parts["curvature_x"], score.parts["curvature_y"]
    assert score.value == pytest.approx(wasserstein_distance(*lists))
    assert score.distance() == score.value


def test_the_gap_shows_where_the_spaces_disagree():
    rng = np.random.default_rng(0)
    x = np.repeat(8 * np.eye(4), 15, axis=0) + rng.normal(size=(60, 4))
    y = x.copy()
    y[:15] = 3 * rng.normal(size=(15, 4)) + [8, 0, 0, 0]
    y[:15, 1] += np.linspace(0, 40, 15)  # one cluster drawn out into a string
    gap = ricci_compare(x, y, k=5).parts["gap"]
    assert gap[:15].mean() > 3 * gap[15:].mean()


def test_flow_finds_clusters_that_a_bridge_joins():
    labels = np.repeat([0, 1, 2], 12)
    pairs = [(i, j) for i in range(36) for j in range(i + 1, 36) if labels[i] == labels[j]]
    edges = np.array([*pairs, (0, 12), (13, 24)])
    weights = np.ones(len(edges))
    for _ in range(5):
        bent, lengths = module._curvature(edges, weights, 36, emd2)
        weights = np.maximum((1 - bent) * lengths, 1e-9)
    found = module._communities(edges, weights, 36)
    assert len(np.unique(found)) == 3
    assert all(len(np.unique(found[labels == one])) == 1 for one in range(3))


def test_bad_input_and_missing_extra(monkeypatch):
    x = np.random.default_rng(0).normal(size=(20, 2))
    for options in ({"k": 0}, {"k": 16}, {"k": 19}, {"flow": -1}):
        with pytest.raises(InputError, match="ricci_compare"):
            ricci_compare(x, x, **options)
    for pair, name in ((np.ones_like(x), x), "x"), ((x, 0 * x + 0.1), "y"):
        with pytest.raises(InputError, match=f"ricci_compare: got {name} whose 20 rows are all eq"):
            ricci_compare(*pair)
    monkeypatch.setitem(sys.modules, "ot.lp", None)
    with pytest.raises(MissingExtra, match="transport"):
        ricci_compare(x, x)
