from itertools import combinations

import array_api_strict
import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from isthmus.core.errors import InputError
from isthmus.measures import procrustes_angular
from isthmus.measures import stochastic_shape_distance as distance


def noisy(items=5, repeats=30, d=3, seed=0):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(items, d, d))
    return rng.normal(size=(items, 1, d)) + rng.normal(size=(items, repeats, d)) @ roots


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def cost(x, y, q, alpha):
    """The formula at one rotation, with matrix roots."""
    mu, nu = (side.mean(axis=1) - side.mean(axis=(0, 1)) for side in (x, y))
    total = 0.0
    for i in range(len(x)):
        a, b = np.cov(x[i].T), q @ np.cov(y[i].T) @ q.T
        root = sqrtm(a)
        bures = np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(root @ b @ root)).real
        total += alpha * np.sum((mu[i] - q @ nu[i]) ** 2) + (2 - alpha) * bures
    return (total / len(x)) ** 0.5


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_equals_the_formula_at_its_rotation_and_no_rotation_does_better(alpha):
    x, y = noisy(d=2), noisy(d=2, seed=1)
    score = distance(x, y, alpha=alpha)
    assert score.value == pytest.approx(cost(x, y, score.parts["rotation"], alpha), rel=1e-8)
    parts = alpha * score.parts["mean"] + (2 - alpha) * score.parts["noise"]
    assert parts == pytest.approx(score.value**2, rel=1e-10)
    # All rotations and reflections of the plane.
    grid = []
    for t in np.linspace(0, 2 * np.pi, 180, endpoint=False):
        turn = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        grid += [cost(x, y, turn @ np.diag([1, sign]), alpha) for sign in (1, -1)]
    assert score.value <= min(grid) + 1e-9
    assert min(grid) == pytest.approx(score.value, rel=5e-3)


def test_rotations_and_shifts_of_either_side_change_nothing_but_scales_do():
    x, y = noisy(), noisy(seed=1)
    value = float(distance(x, y))
    assert float(distance(x @ rotation(3) + 5, y)) == pytest.approx(value, abs=1e-8)
    assert float(distance(x, y @ rotation(3, 1) - 1e3)) == pytest.approx(value, abs=1e-8)
    assert float(distance(y, x)) == pytest.approx(value, abs=1e-8)
    assert float(distance(x, 2 * y)) > value + 0.1
    assert float(distance(1e9 * x, 1e9 * y)) == pytest.approx(1e9 * value, rel=1e-8)
    order = np.random.default_rng(0).permutation(5)
    assert float(distance(x[order], y[order][:, ::-1])) == pytest.approx(value, abs=1e-8)


def test_equal_up_to_rotation_is_zero():
    x = noisy()
    assert distance(x, x @ rotation(3) + 2).distance() < 1e-10
    assert distance(x, np.concatenate([x, np.zeros((5, 30, 2))], axis=2)).distance() < 1e-10


def test_known_distance_of_isotropic_noise():
    # Standard deviations 1 and 3 in d = 4 directions, equal means: sqrt(4) (3 - 1).
    unit = np.linalg.qr(noisy(2, 40, 4) - noisy(2, 40, 4).mean(axis=1, keepdims=True))[0]
    unit = unit * 39**0.5
    assert float(distance(unit, 3 * unit)) == pytest.approx(4.0, rel=1e-9)
    assert float(distance(unit, 3 * unit, alpha=2)) < 1e-9


def test_means_alone_are_the_procrustes_distance():
    x, y = noisy(12), noisy(12, seed=1)
    mu, nu = x.mean(axis=1), y.mean(axis=1)
    mu, nu = mu - mu.mean(axis=0), nu - nu.mean(axis=0)
    nuclear = np.linalg.svd(mu.T @ nu, compute_uv=False).sum()
    expected = (2 / 12 * (np.sum(mu**2) + np.sum(nu**2) - 2 * nuclear)) ** 0.5
    assert float(distance(x, y, alpha=2)) == pytest.approx(expected, rel=1e-9)
    # The angular form sees the same rotation.
    cosine = nuclear / np.linalg.norm(mu) / np.linalg.norm(nu)
    assert float(procrustes_angular(mu, nu)) == pytest.approx(cosine, abs=1e-9) or float(
        procrustes_angular(mu, nu)
    ) == pytest.approx(np.arccos(cosine), abs=1e-9)


def test_triangle_inequality_among_near_and_far():
    rng = np.random.default_rng(4)
    pool = [noisy(4, 12, 3, seed=s) for s in range(5)]
    pool += [p + 10 ** rng.uniform(-2, 0) * rng.normal(size=p.shape) for p in pool]
    lengths = np.zeros((10, 10))
    for i, j in combinations(range(10), 2):
        lengths[i, j] = lengths[j, i] = distance(pool[i], pool[j]).distance()
    detour = (lengths[:, :, None] + lengths[None, :, :]).min(axis=1)
    assert (lengths <= detour + 1e-9).all()


def test_one_start_is_not_enough_here(monkeypatch):
    """The search is needed: from the identity alone the alternation stops in worse minima."""
    from importlib import import_module

    module = import_module("isthmus.measures.stochastic_shape_distance")
    pairs = [(noisy(4, 12, 4, seed=s), noisy(4, 12, 4, seed=s + 50)) for s in range(8)]
    many = [float(distance(x, y, alpha=0.2)) for x, y in pairs]
    monkeypatch.setattr(module, "_STARTS", 0)
    few = [float(distance(x, y, alpha=0.2)) for x, y in pairs]
    assert all(a <= b + 1e-9 for a, b in zip(many, few, strict=True))
    assert sum(b - a > 1e-4 for a, b in zip(many, few, strict=True)) >= 2


def test_kinds_dtypes_and_layouts_agree():
    x, y = noisy(), noisy(seed=1)
    value = float(distance(x, y))
    assert float(distance(torch.asarray(x), torch.asarray(y))) == pytest.approx(value, abs=1e-8)
    strict = (array_api_strict.asarray(side) for side in (x, y))
    assert float(distance(*strict)) == pytest.approx(value, abs=1e-8)
    assert float(distance(x.tolist(), y.tolist())) == pytest.approx(value, abs=1e-12)
    assert float(distance(np.asfortranarray(x), y.astype(">f8"))) == pytest.approx(value, abs=1e-8)
    for narrow, slack in ((np.float32, 1e-5), (np.float16, 1e-2)):
        found = float(distance(x.astype(narrow), y.astype(narrow)))
        assert found == pytest.approx(value, rel=slack)
    far = [(side + 1000).astype(np.float32) for side in (x, y)]
    wide = float(distance(*(side.astype(np.float64) for side in far)))
    assert float(distance(*far)) == pytest.approx(wide, abs=1e-6)


def test_unusable_input_is_refused():
    x, y = noisy(), noisy(seed=1)
    stained = x.copy()
    stained[2, 3, 0] = np.nan
    for call, match in (
        (lambda: distance(stained, y), "NaN"),
        (lambda: distance(x, y[:4]), "items"),
        (lambda: distance(x[:1], y[:1]), "2 or more"),
        (lambda: distance(x[:, :1], y), "2 or more"),
        (lambda: distance(x[:, 0], y), "repeats"),
        (lambda: distance(x, y, alpha=2.1), "alpha"),
    ):
        with pytest.raises(InputError, match=match):
            call()
