"""Functional maps: the solve against a direct one, the spectrum, the matching, odd graphs."""

import numpy as np
import pytest

from isthmus.bridges import FunctionalMap, Orthogonal
from isthmus.bridges.functional_map import _Graph, _matched, _mutual, _solve
from isthmus.core.errors import InputError


def test_solve_is_the_least_of_its_objective():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 5)), rng.normal(size=(30, 4))
    fast, slow = np.sort(rng.random(5)), np.sort(rng.random(4))
    alpha = 0.7 * np.trace(a.T @ a) / 5

    def objective(c):
        apart = (slow[:, None] - fast[None, :]) ** 2
        return np.sum((a @ c.T - b) ** 2) + alpha * np.sum(apart * c**2)

    found = _solve(a, b, fast, slow, 0.7)
    assert found.shape == (4, 5)
    for _ in range(100):
        assert objective(found + 1e-2 * rng.normal(size=found.shape)) > objective(found)


def test_a_ring_has_fourier_modes():
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    graph = _Graph(np.c_[np.cos(angle), np.sin(angle)], 6, 5)
    phi = graph.functions
    assert graph.frequencies[0] == pytest.approx(0, abs=1e-12)
    # One constant, then sine and cosine in pairs.
    assert np.ptp(phi[:, 0]) < 1e-9
    assert graph.frequencies[1] == pytest.approx(graph.frequencies[2])
    waves = np.c_[np.cos(angle), np.sin(angle)]
    rest = phi[:, 1:3] - waves @ np.linalg.lstsq(waves, phi[:, 1:3])[0]
    assert np.abs(rest).max() < 1e-3
    np.testing.assert_allclose((phi**2).mean(axis=0), 1)


def test_mutual_is_what_every_pair_of_rows_says():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(40, 4)), rng.normal(size=(30, 4))
    cosines = (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    expected = [
        (i, int(cosines[i].argmax()))
        for i in range(40) if cosines[:, cosines[i].argmax()].argmax() == i
    ]  # fmt: skip
    assert list(zip(*map(np.ndarray.tolist, _mutual(a, b)), strict=True)) == expected
    assert [len(side) for side in _mutual(a[:0], b)] == [0, 0]


@pytest.fixture(scope="module")
def swirl():
    """A curved sheet and its rotated copy in more dims."""
    rng = np.random.default_rng(1)
    u, v = rng.random((2, 400))
    x = np.c_[np.cos(4 * u), np.sin(4 * u), v] + 0.01 * rng.normal(size=(400, 3))
    return x, x @ np.linalg.qr(rng.normal(size=(5, 5)))[0][:3]


def test_zoomout_finds_partners_of_rows_without_one(swirl):
    """From 12 pairs the graphs of a space and of its copy match all other rows."""
    x, y = swirl
    order = np.r_[np.arange(12), 12 + np.random.default_rng(6).permutation(288)]
    source, echo = _Graph(x[:300], 15, 80), _Graph(y[:300][order], 15, 80)
    _, (here, there) = _matched(source, echo, np.arange(12), 1.0)
    assert len(here) > 250
    assert np.mean(order[there] == here) > 0.95
    # Told wrong pairs, they match next to none.
    wrong = _Graph(y[:300][np.r_[np.roll(np.arange(12), 5), order[12:]]], 15, 80)
    _, (near, other) = _matched(source, wrong, np.arange(12), 1.0)
    assert np.sum(order[other] == near) < 30


def test_rows_without_partner_help():
    """Pairs fewer than dims leave a rotation open; matched rows settle what they leave."""
    rng = np.random.default_rng(7)
    x = np.repeat(rng.normal(size=(40, 12)), 10, axis=0) + 0.3 * rng.normal(size=(400, 12))
    y = x @ np.linalg.qr(rng.normal(size=(12, 12)))[0] + 0.05 * rng.normal(size=(400, 12))
    known, order = np.arange(8), rng.permutation(300)
    where = np.argsort(order)[known]
    bridge = FunctionalMap().fit(x[:300], y[order], pairs=(known, where))
    assert bridge.matched_ > 50
    alone = Orthogonal().fit(x[known], y[known]).score(x[300:], y[300:])
    assert bridge.score(x[300:], y[300:]) > alone + 0.1


def test_wrong_pairs_give_a_wrong_map(swirl):
    x, y = swirl
    right, wrong = (
        FunctionalMap().fit(x[:300], y[:300], pairs=(np.arange(100), j)).score(x[300:], y[300:])
        for j in (np.arange(100), np.random.default_rng(2).permutation(100))
    )
    assert right > 0.7 > 0.2 > wrong


def test_disconnected_graphs_are_joined():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(120, 3)) + 100 * rng.integers(0, 4, 120)[:, None]
    graph = _Graph(x, 5, 10)
    assert graph.frequencies[0] == pytest.approx(0, abs=1e-9)
    assert graph.frequencies[1] > 1e-8
    bridge = FunctionalMap(neighbors=5).fit(x[:100], x[:100] @ np.eye(3)[::-1])
    assert np.isfinite(bridge.transform(x)).all()


def test_duplicates_constant_spaces_and_two_rows():
    rng = np.random.default_rng(4)
    y = rng.normal(size=(60, 3))
    x = np.repeat(rng.normal(size=(3, 4)), 20, axis=0)
    for rows in (x, np.ones((60, 4))):
        moved = FunctionalMap(neighbors=4).fit(rows, y).transform(rows)
        assert np.isfinite(moved).all()
    assert FunctionalMap().fit(x[[0, 20]], y[:2]).transform(x).shape == (60, 3)
    far = FunctionalMap().fit(y, y).transform(1e6 * y)
    assert np.isfinite(far).all()


def test_nodes_bound_the_graph(swirl):
    x, y = swirl
    bridge = FunctionalMap(nodes=50).fit(x, y, pairs=(np.arange(20), np.arange(20)))
    assert max(bridge.functional_map_.shape) <= 50 // 3
    assert bridge.matched_ <= 30
    # Pairs that are no nodes serve the rotation all the same.
    every = FunctionalMap(nodes=5).fit(x, y)
    ratio = np.sqrt(y.var(axis=0).sum() / x.var(axis=0).sum())
    np.testing.assert_allclose(every.coef_, ratio * Orthogonal().fit(x, y).coef_)
    np.testing.assert_allclose(every.transform(x).mean(axis=0), y.mean(axis=0), atol=1e-9)


def test_refusals(swirl):
    x, y = swirl
    for wrong in ({"basis": 0}, {"neighbors": 0}, {"alpha": -1.0}, {"nodes": 0}):
        with pytest.raises(InputError, match="at least 1"):
            FunctionalMap(**wrong).fit(x, y)
    with pytest.raises(InputError, match="known pairs"):
        FunctionalMap().fit(x, y, pairs=())
