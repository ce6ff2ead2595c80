import importlib

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.distance import cdist

from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors
from isthmus.measures import imd

module = importlib.import_module("isthmus.measures.imd")


def heat(x, times, k):
    apart = cdist(x, x) + np.diag(np.full(len(x), np.inf))
    graph = np.zeros_like(apart)
    for i, row in enumerate(apart):
        graph[i, np.argsort(row)[:k]] = 1
    graph = np.maximum(graph, graph.T)
    degree = graph.sum(axis=1)
    laplacian = np.eye(len(x)) - graph / np.sqrt(np.outer(degree, degree))
    return np.array([np.trace(expm(-t * laplacian)) for t in times]) / len(x)


def test_equals_the_formula():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(31, 5))
    times = module._TIMES[::5]
    gap = np.abs(heat(x, times, 4) - heat(y, times, 4)) * np.exp(-2 * (times + 1 / times))
    assert float(imd(x, y, k=4)) == pytest.approx(gap.max(), rel=1e-3)


def test_quadrature_agrees_with_the_spectrum_within_its_error(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, 2)), rng.normal(size=(500, 8))
    exact = imd(x, y)
    assert exact.parts["error"] == 0
    monkeypatch.setattr(module, "_EXACT", 100)
    found = [imd(x, y, rng=seed) for seed in range(20)]
    errors = [(one.value - exact.value) / one.parts["error"] for one in found]
    assert 0.4 < np.sqrt(np.mean(np.square(errors))) < 2.0
    assert found[0].value == imd(x[::-1], y).value or found[0].value == pytest.approx(
        imd(x[::-1], y).value, abs=1e-12
    )
    assert found[0].value != found[1].value


@pytest.mark.parametrize("longer", [4, 12])
def test_neighbours_within_a_half_are_those_that_a_search_of_the_half_finds(longer):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3))
    x[60:] = x[60]  # copies, more than a list holds
    half = rng.permutation(90)[:45]
    rows = x[half]
    apart = cdist(rows, rows) + np.diag(np.full(45, np.inf))
    near = neighbors(x, x, longer, exclude_self=True)[0]
    found = module._near_within(x, near, half, 4)
    assert np.all(found != np.arange(45)[:, None])
    assert all(len(set(row)) == 4 for row in found)
    got = np.take_along_axis(apart, found, axis=1)
    np.testing.assert_allclose(got, np.sort(apart, axis=1)[:, :4], atol=1e-12)


def test_same_shape_is_noise_and_another_dimension_is_not():
    rng = np.random.default_rng(0)
    same = imd(rng.normal(size=(300, 2)), rng.normal(size=(300, 2)))
    other = imd(rng.normal(size=(300, 2)), rng.normal(size=(300, 10)))
    assert other.value > 5 * max(other.parts["noise_x"], other.parts["noise_y"])
    assert not other.warnings
    assert same.value < other.value / 5


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(InputError, match="imd"):
        imd(x, x, k=10)
    with pytest.raises(InputError, match="imd"):
        imd(x, x, k=0)
