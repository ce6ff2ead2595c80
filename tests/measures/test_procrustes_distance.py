import math

import numpy as np
import pytest
from scipy.spatial import procrustes as scipy_procrustes

from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.measures import procrustes_angular, procrustes_distance
from isthmus.measures.procrustes_distance import from_moments


def oracle(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    square = np.sum(x**2) + np.sum(y**2) - 2 * np.linalg.norm(x.T @ y, "nuc")
    return math.sqrt(max(square, 0.0) / len(x))


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


@pytest.mark.parametrize("dims", [(6, 6), (6, 9), (9, 6)])
def test_equals_the_definition(dims):
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(50, 6))
    x, y = (latent @ rng.normal(size=(6, d)) + rng.normal(size=(50, d)) for d in dims)
    score = procrustes_distance(x, y - 4)
    assert score.value == pytest.approx(oracle(x, y), abs=1e-12)
    assert score.distance() == score.value
    padded = [np.hstack([a, np.zeros((50, 9 - a.shape[1]))]) for a in (x, y)]
    assert procrustes_distance(*padded).value == pytest.approx(score.value, abs=1e-12)


def test_moments_lose_half_of_the_digits_near_identity_and_rows_do_not():
    x = np.random.default_rng(0).normal(size=(60, 6))
    assert procrustes_distance(x, x @ rotation(6)).value < 1e-14
    assert from_moments(Moments.of(x, x @ rotation(6))).value < 1e-7


def test_no_rotation_is_better():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 4))
    x, y = x - x.mean(0), y - y.mean(0)
    least = procrustes_distance(x, y).value
    others = [np.linalg.norm(x @ rotation(4, s) - y) / math.sqrt(40) for s in range(200)]
    assert least < min(others)


def test_known_cases():
    x = np.random.default_rng(0).normal(size=(30, 3))
    x -= x.mean(0)
    size = np.linalg.norm(x) / math.sqrt(30)
    assert procrustes_distance(x, 3 * x @ rotation(3)).value == pytest.approx(2 * size, rel=1e-12)
    assert procrustes_distance(x, x).ci == pytest.approx((0, 0), abs=1e-14)
    # Two lines: the nuclear norm of one number.
    a, b = x[:, :1], x[:, 1:2]
    expected = math.sqrt((np.sum(a**2) + np.sum(b**2) - 2 * abs(np.sum(a * b))) / 30)
    assert procrustes_distance(a, b).value == pytest.approx(expected, rel=1e-12)


def test_agrees_with_scipy_and_with_the_angle():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 4)) + 3
    x, y = x - x.mean(0), y - y.mean(0)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    # SciPy scales the second side freely, which leaves the squared sine of the angle.
    disparity = scipy_procrustes(x, y)[2]
    assert math.sin(procrustes_angular(x, y).value) ** 2 == pytest.approx(disparity, abs=1e-12)
    chord = 2 * math.sin(procrustes_angular(x, y).value / 2)
    assert procrustes_distance(x, y).value * math.sqrt(40) == pytest.approx(chord, abs=1e-12)


def test_small_distances_keep_their_digits_where_the_difference_loses_them():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 100, 8))
    near = [procrustes_distance(x @ rotation(8), x + e * noise).value for e in (1e-9, 1e-10)]
    assert near[0] / near[1] == pytest.approx(10, rel=1e-3)
    assert oracle(x @ rotation(8), x + 1e-10 * noise) != pytest.approx(near[1], rel=0.1)


def left_out(x, y):
    n = len(x)
    return [oracle(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(n)]


def test_interval_is_that_of_leaving_rows_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = x @ rotation(3) + 0.7 * rng.normal(size=x.shape)
    score = procrustes_distance(x, y)
    values = np.array(left_out(x, y))
    error = math.sqrt(299 / 300 * np.sum((values - values.mean()) ** 2))
    assert score.value - score.ci[0] == pytest.approx(1.96 * error, rel=0.03)
    # Leaving rows out says what the bias of the nuclear norm is, too (Quenouille).
    whole, *parts = [
        np.linalg.norm(np.cov(a.T, b.T)[:3, 3:], "nuc")
        for a, b in [(x, y), *((np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(300))]
    ]
    bias = 299 * (np.mean(parts) - whole) / score.value
    assert score.parts["bias"] == pytest.approx(bias, rel=0.1)
    assert score.ci[1] - score.value == pytest.approx(1.96 * error + score.parts["bias"], rel=0.03)


@pytest.mark.parametrize(("n", "d"), [(80, 4), (200, 20)])
def test_interval_covers_where_one_without_the_bias_does_not(n, d):
    covered = naive = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x, noise = rng.normal(size=(2, n, d))
        score = procrustes_distance(x, x @ rotation(d) + noise)
        truth = math.sqrt(d)  # tr 1 + tr 2 - 2 tr 1 = d
        covered += score.ci[0] <= truth <= score.ci[1]
        naive += score.ci[0] <= truth <= score.ci[1] - score.parts["bias"]
    assert covered >= 89
    assert naive < covered


def test_chance_is_what_unrelated_rows_read():
    for n, d in ((100, 40), (1000, 5)):
        spaces = [np.random.default_rng(s).normal(size=(2, n, d)) for s in range(5)]
        scores = [procrustes_distance(x, 3 * y) for x, y in spaces]
        values = [s.value for s in scores]
        assert np.mean(values) == pytest.approx(scores[0].chance, rel=0.03)


def test_few_rows_are_warned_about():
    x, y = np.random.default_rng(0).normal(size=(2, 30, 60))
    assert "too low" in procrustes_distance(x, y).warnings[0]
    x, y = np.random.default_rng(0).normal(size=(2, 500, 3))
    assert procrustes_distance(x, y).warnings == ()


def test_triangle_inequality_with_unequal_dims():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b, c = (rng.normal(size=(12, d)) for d in (3, 5, 4))
        b[:, :3] += 2 * a
        c[:, :4] += 2 * b[:, :4]
        d = procrustes_distance
        assert d(a, c).value <= d(a, b).value + d(b, c).value + 1e-12


def test_scale_of_both_sides_is_the_unit_of_the_answer():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 4))
    for factor in (1e-20, 1e20):
        got = procrustes_distance(factor * x, factor * y)
        assert got.value == pytest.approx(factor * oracle(x, y), rel=1e-9)
        assert got.ci[0] < got.value < got.ci[1]


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(5, 2))
    with pytest.raises(InputError, match="all equal"):
        procrustes_distance(np.ones((5, 2)), x)
    with pytest.raises(InputError, match="procrustes_distance"):
        procrustes_distance(x, x[:4])
