import math

import numpy as np
import pytest

from isthmus.spaces.coordinates import CORRELATED, mean_square_correlation


def seeded(x):
    return mean_square_correlation(x, np.random.default_rng(5))


def correlation(a, b):
    a, b = ([v - math.fsum(c) / len(c) for v in c] for c in (a.tolist(), b.tolist()))
    return math.fsum(map(float.__mul__, a, b)) / math.sqrt(
        math.fsum(v * v for v in a) * math.fsum(v * v for v in b)
    )


def test_equals_the_formula_over_pairs_of_coordinates():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2001, 4)) @ rng.standard_normal((4, 4)) + 3
    order = np.random.default_rng(5).permutation(2001)
    halves = x[order[:1000]], x[order[1000:]]
    products = [
        math.prod(correlation(half[:, i], half[:, j]) for half in halves)
        for i in range(4)
        for j in range(i)
    ]
    assert seeded(x) == pytest.approx(np.mean(products), rel=1e-12)


@pytest.mark.parametrize("factor", [2.0, -0.001])
def test_multiples_of_one_coordinate_give_one(factor):
    x = np.random.default_rng(0).standard_normal(4000)
    assert seeded(np.stack([x, factor * x], axis=1)) == pytest.approx(1)


def test_noise_cancels_instead_of_adding_up():
    """Plain squares of the same correlations would average 1 / n; these scatter about 0."""
    values = [
        mean_square_correlation(rng.standard_normal((800, 12)), rng)
        for rng in map(np.random.default_rng, range(60))
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(60)
    assert np.mean(values) < 1 / 800 / 4
    assert min(values) < 0 < max(values)


@pytest.mark.parametrize("d", [2, 3, 12])
def test_rows_are_enough_from_three_deviations_on(d):
    pairs = d * (d - 1) // 2
    half = math.ceil(3 / CORRELATED / math.sqrt(pairs))
    x = np.random.default_rng(0).standard_normal((2 * half, d))
    assert math.isfinite(seeded(x))
    assert seeded(x[:-1]) == math.inf


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (2, 3), (5000, 1), (5000, 0)])
def test_too_little_to_tell_is_infinite(shape):
    assert seeded(np.random.default_rng(0).standard_normal(shape)) == math.inf


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e-30, 1e30])
def test_equal_rows_correlate_nothing(value):
    """The mean of 0.1 is not quite 0.1, and what is left of the rows would correlate perfectly."""
    assert seeded(np.full((5000, 4), value)) == math.inf


def test_coordinates_that_never_change_do_not_count():
    x = np.random.default_rng(0).standard_normal((4000, 3))
    x[:, 1] += x[:, 0]
    padded = np.column_stack([x, np.full(4000, 0.1), np.zeros(4000), 1e-9 * x[:, 2]])
    assert seeded(padded) == pytest.approx(seeded(x), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_scale_does_not_matter(scale):
    x = np.random.default_rng(0).standard_normal((4000, 3)) @ (np.eye(3) + 0.5)
    assert seeded(scale * x) == pytest.approx(seeded(x), rel=1e-9)
