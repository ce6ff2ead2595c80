"""Which distances reach which thresholds, against a comparison of everything in float64."""

import numpy as np
import pytest

from isthmus.measures import thresholds
from isthmus.measures.ranks import centred_points, offsets
from isthmus.measures.thresholds import Thresholds


def clouds():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 20))
    far = x.copy()
    far[:3] *= 1e4
    return {
        "gauss": x,
        "grid": rng.integers(0, 2, size=(90, 20)).astype(float),
        "far rows": far,
        "fine": x[:9].repeat(10, axis=0) + 1e-7 * x,
        "one point": np.ones((90, 20)),
    }


@pytest.mark.parametrize("name", clouds())
@pytest.mark.parametrize("many", [1, 7, 30])
@pytest.mark.parametrize("columns", [256, 6])
def test_thresholds_reached_are_those_of_float64(name, many, columns, monkeypatch):
    monkeypatch.setattr(thresholds, "_COLUMNS", columns)
    points, norms = centred_points(clouds()[name])
    found, rows = Thresholds(points, norms), np.arange(10, 60)
    near = (rows[:, None] + np.random.default_rng(1).integers(1, 90, size=(50, many))) % 90
    limits = found.exact(rows, near) - 1e-12 * norms.max()
    order = limits.argsort(axis=1)
    near, limits = (np.take_along_axis(one, order, axis=1) for one in (near, limits))
    d = offsets(points, norms, rows)
    expected = (d[:, :, None] >= limits[:, None]).sum(axis=2)
    np.testing.assert_array_equal(found.reached(rows, found.rough(rows), near, limits), expected)


def test_float32_alone_would_be_wrong(monkeypatch):
    """The bound on rounding is what makes the comparison right."""
    points, norms = centred_points(clouds()["fine"])
    monkeypatch.setattr(thresholds, "_DOUBT", 1.0)  # one by one, not by a product
    found, rows = Thresholds(points, norms), np.arange(90)
    d = found.exact(rows, np.tile(rows, (90, 1)))
    np.fill_diagonal(d, np.inf)
    near = np.argsort(d, axis=1)[:, 4:5]
    limits = np.take_along_axis(d, near, axis=1)
    expected = (d >= limits).astype(int)
    assert np.array_equal(found.reached(rows, found.rough(rows), near, limits), expected)
    found._blur[:] = 0
    assert (found.reached(rows, found.rough(rows), near, limits) != expected).any()


@pytest.mark.parametrize("name", clouds())
@pytest.mark.parametrize("columns", [256, 6])
def test_the_bound_on_rounding_holds(name, columns, monkeypatch):
    monkeypatch.setattr(thresholds, "_COLUMNS", columns)
    points, norms = centred_points(clouds()[name])
    found, rows = Thresholds(points, norms), np.arange(90)
    rough, exact = found.rough(rows).astype(float), offsets(points, norms, rows)
    for one in (rough, exact):
        np.fill_diagonal(one, 0)
    off = np.abs(rough - exact)
    assert (off <= found._blur[:, None]).all()


def test_ties_stay_ties_where_a_product_settles_all(monkeypatch):
    """A row's distance reaches the threshold that it sets itself, however products round."""
    monkeypatch.setattr(thresholds, "_DOUBT", -1.0)  # always by a product
    points, norms = centred_points(np.random.default_rng(2).normal(size=(90, 700)))
    found, rows = Thresholds(points, norms), np.arange(90)
    near = (rows[:, None] + 1) % 90
    limits = found.exact(rows, near)
    reached = found.reached(rows, found.rough(rows), near, limits)
    assert (np.take_along_axis(reached, near, axis=1) == 1).all()
    assert (offsets(points, norms, rows) != found.exact(rows, np.tile(rows, (90, 1)))).any()
