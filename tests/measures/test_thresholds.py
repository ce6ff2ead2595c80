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
    near = np.random.default_rng(1).integers(0, 90, size=(50, many))
    slack = 1e-12 * norms.max()
    limits = found.exact(rows.repeat(many), near.ravel()).reshape(50, many) - slack
    limits.sort(axis=1)
    d = offsets(points, norms, rows)
    expected = (d[:, :, None] >= limits[:, None]).sum(axis=2)
    np.testing.assert_array_equal(found.reached(rows, found.rough(rows), limits), expected)


def test_float32_alone_would_be_wrong(monkeypatch):
    """The bound on rounding is what makes the comparison right."""
    points, norms = centred_points(clouds()["fine"])
    monkeypatch.setattr(thresholds, "_DOUBT", 1.0)  # one by one, not by a product
    found, rows = Thresholds(points, norms), np.arange(90)
    d = found.exact(rows.repeat(90), np.tile(rows, 90)).reshape(90, 90)
    np.fill_diagonal(d, np.inf)
    limits = np.sort(d, axis=1)[:, 4:5]
    expected = (d >= limits).astype(int)
    assert np.array_equal(found.reached(rows, found.rough(rows), limits), expected)
    found._blur[:] = 0
    assert (found.reached(rows, found.rough(rows), limits) != expected).any()


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
