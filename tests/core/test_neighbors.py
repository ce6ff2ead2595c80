"""Neighbours against brute force in float64, for every metric and kind of array."""

import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError
from isthmus.core.neighbors import METRICS, neighbors, partner_ranks, unit


def oracle(queries, base, k, metric, exclude_self=False):
    q, b = queries.astype(np.float64), base.astype(np.float64)
    if metric == "euclidean":
        cost = np.linalg.norm(q[:, None] - b[None], axis=2)
    elif metric == "cosine":
        norm = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
        cost = 1 - np.divide(q @ b.T, norm, out=np.zeros_like(norm), where=norm > 0)
    else:
        cost = -(q @ b.T)
    if exclude_self:
        np.fill_diagonal(cost, np.inf)
    order = np.argsort(cost, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(cost, order, axis=1)
    return order, -found if metric == "inner" else found


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_equals_brute_force(metric, dtype, kind):
    rng = np.random.default_rng(0)
    base, queries = rng.normal(size=(300, 7)).astype(dtype), rng.normal(size=(40, 7)).astype(dtype)
    convert = torch.asarray if kind == "torch" else np.asarray
    indices, distances = neighbors(convert(queries), convert(base), 9, metric=metric)
    assert isinstance(indices, torch.Tensor if kind == "torch" else np.ndarray)
    expected = oracle(queries, base, 9, metric)
    np.testing.assert_array_equal(np.asarray(indices), expected[0])
    np.testing.assert_allclose(
        np.asarray(distances), expected[1], atol=1e-6 if dtype == "f4" else 1e-12
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_is_not_its_own_neighbour(metric):
    base = np.random.default_rng(1).normal(size=(80, 5))
    indices, _ = neighbors(base, base, 4, metric=metric, exclude_self=True)
    assert not (indices == np.arange(80)[:, None]).any()
    np.testing.assert_array_equal(indices, oracle(base, base, 4, metric, True)[0])


@pytest.mark.parametrize("shift", [1e3, 1e6])
def test_a_far_mean_and_tiny_gaps_do_not_confuse(shift):
    """|x|² - 2xy + |y|² in float32 would see nothing here."""
    base = np.random.default_rng(2).normal(size=(100, 4)) * 1e-3 + shift
    indices, distances = neighbors(base, base, 3, exclude_self=True)
    expected = oracle(base, base, 3, "euclidean", True)
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_allclose(distances, expected[1], rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-20, 1e20, 1e150])
def test_any_scale(scale):
    base = np.random.default_rng(3).normal(size=(60, 4))
    for metric in ("euclidean", "cosine"):
        plain, _ = neighbors(base, base, 5, metric=metric, exclude_self=True)
        scaled, _ = neighbors(base * scale, base * scale, 5, metric=metric, exclude_self=True)
        np.testing.assert_array_equal(plain, scaled)


def test_ties_go_to_the_lower_row():
    base = np.array([[0.0], [1.0], [-1.0], [1.0]])
    indices, distances = neighbors(base[:1], base, 4)
    assert indices.tolist() == [[0, 1, 2, 3]]
    assert distances.tolist() == [[0.0, 1.0, 1.0, 1.0]]


def test_identical_rows_have_distance_zero():
    base = np.repeat(np.random.default_rng(4).normal(size=(10, 3)), 2, axis=0).astype(np.float32)
    _, distances = neighbors(base, base, 1, exclude_self=True)
    assert not distances.any()


def test_zero_vectors_have_cosine_zero():
    base = np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    _, distances = neighbors(base[:1], base, 3, metric="cosine")
    assert distances.tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"k": 0}, "k=0"),
        ({"k": 6}, "k=6"),
        ({"k": 5, "exclude_self": True}, "k=5"),
        ({"metric": "manhattan"}, "one of euclidean, cosine, inner"),
        ({"base": np.ones((5, 3))}, "equal dims"),
        ({"queries": np.full((5, 2), np.nan)}, "NaN"),
    ],
)
def test_refusals(change, text):
    given = {"queries": np.eye(5, 2), "base": np.eye(5, 2), "k": 1} | change
    with pytest.raises(InputError, match=text):
        neighbors(given.pop("queries"), given.pop("base"), given.pop("k"), **given)


def test_unit_rows():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [1e200, 0.0]])
    assert unit(x).tolist() == [[0.6, 0.8], [0.0, 0.0], [1.0, 0.0]]


def test_ranks_equal_a_sort():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)), rng.normal(size=(80, 4))
    own = rng.permutation(80)[:50]
    cosine = (a / np.linalg.norm(a, axis=1)[:, None]) @ (b / np.linalg.norm(b, axis=1)[:, None]).T
    expected = [1 + np.sum(cosine[i] > cosine[i, own[i]]) for i in range(50)]
    np.testing.assert_allclose(partner_ranks(a, b, own=own), expected)


def test_a_map_to_one_point_ranks_at_chance_not_first():
    same = np.ones((41, 3))
    assert partner_ranks(same, same)[0] == 21
