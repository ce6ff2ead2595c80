"""Similarities by one product against loops: edges of strips and blocks, lost digits, bad rows."""

import numpy as np
import pytest

from isthmus.bridges import similarity_products
from isthmus.bridges.similarity_products import BY_PRODUCT, by_product
from isthmus.core.errors import InputError


def naive(x, anchors, similarity, width):
    x, anchors = (side.astype(np.longdouble) for side in (x, anchors))
    codes = np.empty((len(x), len(anchors)), np.longdouble)
    for i, row in enumerate(x):
        for j, anchor in enumerate(anchors):
            squared = sum((p - q) ** 2 for p, q in zip(row, anchor, strict=True))
            sizes = np.sqrt(np.sum(row**2)) * np.sqrt(np.sum(anchor**2))
            cosine = np.sum(row * anchor) / sizes if sizes else 0.0
            codes[i, j] = {
                "cosine": cosine,
                "angular": 1 - 2 * np.arccos(np.clip(cosine, -1, 1)) / np.longdouble(np.pi),
                "euclidean": -np.sqrt(squared),
                "kernel": np.exp(-squared / (2 * width**2)),
            }[similarity]
    return codes.astype(np.float64)


def spaces(n, d, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 0.5, rng.normal(size=(m, d)) - 0.5


@pytest.mark.parametrize("similarity", BY_PRODUCT)
@pytest.mark.parametrize(("n", "d", "m"), [(1, 3, 4), (20, 1, 5), (20, 4, 1), (129, 2, 3)])
def test_codes_equal_the_loops(similarity, n, d, m):
    x, anchors = spaces(n, d, m)
    expected = naive(x, anchors, similarity, 1.7)
    kept = x.copy(), anchors.copy()
    found = by_product(x, anchors, similarity, 1.7, "test")
    # A right angle or the ends of a line are where the square roots of both sides lose digits.
    np.testing.assert_allclose(found, expected, atol=2e-8 if d < 3 else 1e-12)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(anchors, kept[1])
    narrow = by_product(
        *(side.astype(np.float32) for side in (x, anchors)), similarity, 1.7, "test"
    )
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, expected, atol=2e-3 if d < 3 else 1e-5)
    loose = by_product(
        np.asfortranarray(x), anchors[:, ::-1].copy()[:, ::-1], similarity, 1.7, "test"
    )
    np.testing.assert_allclose(loose, found, atol=1e-7)


@pytest.mark.parametrize("similarity", BY_PRODUCT)
def test_no_row_depends_on_the_strip_or_block_it_lies_in(similarity, monkeypatch):
    monkeypatch.setattr(similarity_products, "_BLOCK", 8)
    monkeypatch.setattr(similarity_products, "_STRIP", 3)
    for n in (0, 1, 3, 7, 8, 9, 17):
        x, anchors = spaces(n, 3, 4, seed=1)
        x[6:7] = 0
        found = by_product(x, anchors, similarity, 0.9, "test")
        assert found.shape == (n, 4)
        np.testing.assert_allclose(found, naive(x, anchors, similarity, 0.9), atol=1e-12)


@pytest.mark.parametrize("similarity", ["euclidean", "kernel"])
def test_distances_keep_their_digits_far_from_zero(similarity):
    x, anchors = spaces(30, 3, 5, seed=2)
    x, anchors = (side.astype(np.float32) + np.float32(5000) for side in (x, anchors))
    found = by_product(x, anchors, similarity, 1.0, "test")
    np.testing.assert_allclose(found, naive(x, anchors, similarity, 1.0), atol=1e-5)


def test_no_distance_is_below_zero_and_a_copy_of_an_anchor_is_at_it():
    for kind in (np.float32, np.float64):
        anchors = (1e3 * np.random.default_rng(3).normal(size=(60, 5))).astype(kind)
        far = by_product(anchors, anchors, "euclidean", 1.0, "test")
        near = by_product(anchors, anchors, "kernel", 1e3, "test")
        assert np.isfinite(far).all()
        assert far.max() <= 0
        assert near.max() <= 1
        assert not np.diag(far).any()
        np.testing.assert_allclose(np.diag(near), 1, atol=20 * np.finfo(kind).eps)


def test_short_distances_keep_their_digits(monkeypatch):
    """1e-9 beside rows of length 1: the product alone gives nothing but rounding."""
    monkeypatch.setattr(similarity_products, "_PAIRS", 7)
    rng = np.random.default_rng(6)
    anchors = rng.normal(size=(5, 4))
    x = np.concatenate([anchors + t * rng.normal(size=(5, 4)) for t in (1e-9, 1e-6, 1e-3)])
    found = by_product(x, anchors, "euclidean", 1.0, "test")
    np.testing.assert_allclose(found, naive(x, anchors, "euclidean", 1.0), rtol=1e-7)


@pytest.mark.parametrize("similarity", ["cosine", "angular"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_lengths_beyond_the_format_do_not_change_an_angle(similarity, kind):
    limits = np.finfo(kind)
    x, anchors = (side.astype(kind) for side in spaces(9, 4, 3, seed=4))
    x[8] = 0
    expected = naive(x, anchors, similarity, 1.0)
    scales = np.array([1, 1e-18, 1e18, limits.max / 8, limits.tiny * 8, 1, 1e-25, 1e25, 1], kind)
    found = by_product(x * scales[:, None], anchors * kind(1e20), similarity, 1.0, "test")
    np.testing.assert_allclose(found, expected, atol=1e-5 if kind is np.float32 else 1e-12)
    assert found[8].tolist() == [0, 0, 0]
    assert not by_product(x, np.zeros((2, 4), kind), similarity, 1.0, "test").any()


def test_angles_stay_between_the_ends():
    x = np.random.default_rng(5).normal(size=(100, 7)).astype(np.float32)
    found = by_product(np.concatenate([x, -x]), x, "angular", 1.0, "test")
    assert np.abs(found).max() <= 1
    np.testing.assert_allclose(np.diag(found[:100]), 1, atol=5e-4)
    np.testing.assert_allclose(np.diag(found[100:]), -1, atol=5e-4)


@pytest.mark.parametrize("similarity", BY_PRODUCT)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_named_whatever_block_they_lie_in(
    similarity, bad, monkeypatch
):
    monkeypatch.setattr(similarity_products, "_BLOCK", 8)
    x, anchors = spaces(20, 3, 4, seed=6)
    x[[9, 18], 1] = bad
    with pytest.raises(InputError, match="^test: got x with NaN .* 2 of 20 rows .*: 9, 18"):
        by_product(x, anchors, similarity, 1.0, "test")
