"""Codes against a naive oracle, their invariances, and sparsity as in ASIF."""

import numpy as np
import pytest
import torch

from isthmus.bridges import similarity_products
from isthmus.bridges.similarities import (
    SIMILARITIES,
    frame,
    framed,
    median_distance,
    relative,
    strongest,
    unframed,
)
from isthmus.core.errors import InputError


def oracle(x, anchors, similarity, width):
    codes = np.empty((len(x), len(anchors)))
    for i, row in enumerate(x):
        for j, anchor in enumerate(anchors):
            gap = row - anchor
            cosine = row @ anchor / (np.linalg.norm(row) * np.linalg.norm(anchor))
            codes[i, j] = {
                "cosine": cosine,
                "angular": 1 - 2 * np.arccos(np.clip(cosine, -1, 1)) / np.pi,
                "euclidean": -np.linalg.norm(gap),
                "l1": -np.abs(gap).sum(),
                "linf": -np.abs(gap).max(),
                "kernel": np.exp(-(gap @ gap) / (2 * width**2)),
            }[similarity]
    return codes


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_codes_equal_the_oracle(similarity):
    rng = np.random.default_rng(0)
    x, anchors = rng.normal(size=(30, 5)) + 1, rng.normal(size=(7, 5))
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(anchors) for b in anchors[:i]]
    expected = oracle(x, anchors, similarity, np.median(gaps))
    np.testing.assert_allclose(relative(x, anchors, similarity=similarity), expected, atol=1e-12)
    tensor = relative(torch.asarray(x), torch.asarray(anchors), similarity=similarity)
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-12)
    narrow = relative(x.astype(np.float32), anchors.astype(np.float32), similarity=similarity)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, expected, atol=2e-5)


def test_rotation_and_rescaling_do_not_change_cosine_codes(turned):
    x, _, q = turned
    codes = relative(x, x[:50])
    np.testing.assert_allclose(relative(3.7 * x @ q, 3.7 * x[:50] @ q), codes, atol=1e-12)
    assert np.abs(relative(x + 1, x[:50] + 1) - codes).max() > 1e-3


@pytest.mark.parametrize("similarity", ["euclidean", "l1", "linf", "kernel"])
def test_distances_ignore_a_shift_instead(turned, similarity):
    x, _, _ = turned
    codes = relative(x, x[:20], similarity=similarity)
    moved = relative(x + 1, x[:20] + 1, similarity=similarity)
    np.testing.assert_allclose(moved, codes, atol=1e-7)


def test_the_kernels_width_follows_the_space_unless_given(turned):
    x, _, _ = turned
    codes = relative(x, x[:20], similarity="kernel")
    np.testing.assert_allclose(relative(9 * x, 9 * x[:20], similarity="kernel"), codes, atol=1e-12)
    wide = relative(x, x[:20], similarity="kernel", width=1e6)
    np.testing.assert_allclose(wide, 1, atol=1e-9)


def test_median_distance_looks_past_copies():
    line = np.array([[0.0], [0.0], [1.0], [3.0]])
    assert median_distance(line) == pytest.approx(2)  # of 1, 1, 2, 3, 3
    assert median_distance(np.full((4, 2), 1e6)) == 1.0
    assert median_distance(np.ones((1, 3))) == 1.0


@pytest.mark.parametrize("scale", [1e-160, 1e160])
@pytest.mark.parametrize("kind", [np.asarray, torch.asarray])
def test_extreme_norms_have_a_direction(scale, kind):
    x = np.random.default_rng(1).normal(size=(6, 4))
    expected = relative(x, x[:3])
    x[2:] *= scale
    found = relative(kind(x), kind(x[:3]))
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-12)


def test_a_zero_vector_is_at_right_angles_to_everything():
    x = np.array([[0.0, 0.0], [1.0, 2.0]])
    for similarity in ("cosine", "angular"):
        assert relative(x, np.eye(2), similarity=similarity)[0].tolist() == [0, 0]
    assert relative(x, np.eye(2), top=1)[0].tolist() == [0, 0]


@pytest.mark.parametrize("kind", [np.asarray, torch.asarray])
def test_zero_anchors_are_named_where_they_say_nothing(kind):
    x, anchors = kind(np.ones((2, 3))), kind(np.eye(3)[[0, 0, 1]] * [[1.0], [0.0], [1e-300]])
    for similarity in ("cosine", "angular"):
        with pytest.raises(InputError, match=rf"rows \[1\] \(1 in all\).*for {similarity}"):
            relative(x, anchors, similarity=similarity)
    # The origin lies as far from a row as anything else does.
    np.testing.assert_allclose(
        np.asarray(relative(x, anchors, similarity="euclidean"))[:, 1], -(3**0.5)
    )


def asif(x, anchors, top, power):
    codes = np.zeros((len(x), len(anchors)))
    cosines = oracle(x, anchors, "cosine", 1)
    for row, values in zip(codes, cosines, strict=True):
        for j in sorted(range(len(anchors)), key=lambda j: -abs(values[j]))[:top]:
            row[j] = np.sign(values[j]) * abs(values[j]) ** power
        row /= np.linalg.norm(row)
    return codes


@pytest.mark.parametrize(("top", "power"), [(3, 1), (4, 2.5), (1, 8), (12, 3), (99, 1)])
def test_sparse_codes_are_asifs(top, power):
    rng = np.random.default_rng(2)
    x, anchors = rng.normal(size=(20, 6)), rng.normal(size=(12, 6))
    expected = asif(x, anchors, top, power)
    np.testing.assert_allclose(relative(x, anchors, top=top, power=power), expected, atol=1e-12)
    tensor = relative(torch.asarray(x), torch.asarray(anchors), top=top, power=power)
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-12)


def test_equals_of_the_last_one_stay():
    values = np.array([[3.0, -2.0, 2.0, 1.0]])
    assert strongest(values, 2).tolist() == [[3, -2, 2, 0]]
    assert strongest(values, None) is values
    assert strongest(torch.asarray(values), 1).tolist() == [[3, 0, 0, 0]]


def test_frames():
    rows = np.c_[np.arange(5.0), np.full(5, 0.1), np.arange(5.0) ** 2]
    origin, units = frame(rows, centre=False, standardise=False)
    assert framed(rows, origin, units) is rows
    origin, units = frame(rows, centre=True, standardise=False)
    np.testing.assert_allclose(framed(rows, origin, units).mean(axis=0), 0, atol=1e-15)
    origin, units = frame(rows, centre=False, standardise=True)
    inside = framed(rows, origin, units)
    np.testing.assert_allclose(inside.std(axis=0), [1, 0, 1], atol=1e-15)
    np.testing.assert_allclose(unframed(inside, origin, units), rows, atol=1e-14)


def test_refusals(turned):
    x, _, _ = turned
    for given, says in (
        ({"similarity": "dot"}, "one of cosine, angular, euclidean, l1, linf, kernel"),
        ({"similarity": "l1", "top": 3}, "farthest anchors"),
        ({"similarity": "linf", "power": 2.0}, "farthest anchors"),
        ({"top": 0}, "at least 1"),
        ({"top": 2.5}, "at least 1"),
        ({"power": 0.0}, "positive"),
        ({"similarity": "kernel", "width": 0.0}, "positive"),
    ):
        with pytest.raises(InputError, match=says):
            relative(x, x[:3], **given)
    with pytest.raises(InputError, match="equal dims"):
        relative(x, x[:3, :2])
    with pytest.raises(InputError, match="NaN"):
        relative(x, np.full((2, 6), np.nan))
    with pytest.raises(InputError, match="one kind"):
        relative(x, torch.asarray(x[:3]))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_rows_that_are_not_finite_are_named(similarity):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 3))
    for bad in (np.nan, np.inf):
        x[290, 1] = bad
        with pytest.raises(InputError, match="1 of 300 rows .first rows: 290"):
            relative(x, rng.normal(size=(4, 3)), similarity=similarity)


@pytest.mark.parametrize("similarity", ["cosine", "angular", "euclidean", "kernel"])
def test_blocks_of_rows_do_not_change_a_code(similarity, monkeypatch):
    monkeypatch.setattr(similarity_products, "_BLOCK", 1000)
    rng = np.random.default_rng(4)
    x, anchors = rng.normal(size=(2500, 4)), rng.normal(size=(5, 4))
    x[[5, 2200]] = 0
    whole = relative(x, anchors, similarity=similarity, width=1.0)
    tensor = relative(torch.asarray(x), torch.asarray(anchors), similarity=similarity, width=1.0)
    np.testing.assert_allclose(whole, tensor.numpy(), atol=1e-12)


def test_an_angle_of_zero_and_of_a_half_turn_are_the_ends():
    x = np.random.default_rng(5).normal(size=(200, 7)).astype(np.float32)
    found = relative(np.concatenate([x, -x]), x, similarity="angular")
    ends = np.concatenate([np.diag(found[:200]), np.diag(found[200:])])
    np.testing.assert_allclose(np.abs(ends), 1, atol=5e-4)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 1


@pytest.mark.parametrize("similarity", ["euclidean", "kernel"])
@pytest.mark.parametrize(("kind", "far"), [(np.float32, 1e20), (np.float64, 1e160)])
@pytest.mark.parametrize("module", [np, torch])
def test_rows_whose_squares_overflow_are_refused(similarity, kind, far, module):
    x = module.asarray(np.eye(2, dtype=kind))
    assert np.isfinite(np.asarray(relative(x, x, similarity=similarity, width=1.0))).all()
    with pytest.raises(InputError, match=f"squares leave {np.dtype(kind)}"):
        relative(x * far, x, similarity=similarity, width=1.0)
    with pytest.raises(InputError, match=f"squares leave {np.dtype(kind)}"):
        relative(x, x * far, similarity=similarity, width=1.0)
    assert np.isfinite(np.asarray(relative(x * far, x * far, similarity="cosine"))).all()
