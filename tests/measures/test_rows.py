"""Intervals from leaving rows out, and from the influence of rows."""

import numpy as np
import pytest
import torch

from isthmus.core.moments import Moments
from isthmus.core.registry import method
from isthmus.measures.rows import (
    Z95,
    Form,
    Spread,
    compact,
    fits_narrow,
    in_range,
    influence_interval,
    jackknife,
    root_interval,
    unit_rows,
)


def test_of_a_mean_both_give_the_standard_error():
    x = np.random.default_rng(0).normal(size=50)
    expected = Z95 * x.std(ddof=1) / np.sqrt(50)
    low, high = influence_interval(x.mean(), [x[:20] - x.mean(), x[20:] - x.mean()])
    assert (high - low) / 2 == pytest.approx(expected, rel=1e-12)
    left_out = (x.sum() - x) / 49
    low, high = jackknife(x.mean(), [left_out[:20], left_out[20:]])
    assert (high - low) / 2 == pytest.approx(expected, rel=1e-12)


def test_influences_need_not_be_centred():
    x = np.random.default_rng(1).normal(size=30)
    assert influence_interval(0.0, [x]) == pytest.approx(influence_interval(0.0, [x + 7]))


def test_no_interval_from_values_that_are_not_finite_or_from_one_row():
    assert influence_interval(1.0, [np.array([0.0, np.nan])]) is None
    assert influence_interval(1.0, [np.array([0.0])]) is None
    assert jackknife(1.0, [np.array([1.0, np.inf])]) is None


@pytest.mark.parametrize("width", [3, 200, 301])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_symmetric_form_is_the_plain_one(width, dtype):
    rng = np.random.default_rng(0)
    u = rng.normal(size=(40, width)).astype(dtype)
    c = rng.normal(size=(width, width)) * 1e30
    c = c + c.T
    before = c.copy()
    expected = np.einsum("ij,jk,ik->i", u, c, u, optimize=True)
    tolerance = (1e-12 if dtype is np.float64 else 1e-5) * np.abs(expected).max()
    for symmetric in (True, False):
        np.testing.assert_allclose(
            Form(c, symmetric=symmetric).of(u, u), expected, rtol=0, atol=tolerance
        )
    np.testing.assert_array_equal(c, before)


def test_unit_rows_of_any_size_and_zero():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [3e200, 4e200], [3e-200, 4e-200]])
    u, kept = unit_rows(x)
    np.testing.assert_allclose(u, [[0.6, 0.8], [0, 0], [0.6, 0.8], [0.6, 0.8]], rtol=1e-15)
    assert kept.tolist() == [True, False, True, True]
    np.testing.assert_allclose(unit_rows(x[:1])[0], [[0.6, 0.8]], rtol=1e-15)


def test_spread_is_that_of_moments():
    x, y = np.random.default_rng(0).normal(size=(2, 50, 4)) + 7
    spread, moments = Spread.of(x, y), Moments.of(x, y)
    np.testing.assert_allclose(spread.mean_y, moments.mean_y, rtol=1e-14)
    assert spread.variance_x == pytest.approx(moments.variance_x, rel=1e-12)


def test_rows_that_leave_float32_are_told_from_those_that_fit():
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    assert fits_narrow(Moments.of(x))
    assert not fits_narrow(Moments.of(x * np.float32(1e20)))
    assert not fits_narrow(Moments.of(x, x * np.float32(1e-15)))


@pytest.mark.parametrize(("dtype", "off"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_compact_rows_keep_all_their_products(dtype, off):
    x = (np.random.default_rng(0).normal(size=(12, 40)) + 3).astype(dtype)
    narrow = compact(x)
    assert narrow.shape == (12, 12)
    assert narrow.dtype == dtype
    np.testing.assert_allclose(narrow @ narrow.T, x @ x.T, rtol=off)
    # Without one of its dims they are others.
    assert np.abs(narrow[:, 1:] @ narrow[:, 1:].T - x @ x.T).max() > 1
    tall = np.ascontiguousarray(x.T)
    assert compact(tall) is tall


@pytest.mark.parametrize(
    "measure",
    ["procrustes_angular", "procrustes_distance", "bures_similarity", "shape_distance",
     "gaussian_wasserstein"],
)  # fmt: skip
def test_rows_of_more_columns_than_rows_read_as_in_few(measure):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 6)) + 2
    y = np.tanh(x @ rng.normal(size=(6, 6))) + 0.1 * rng.normal(size=(30, 6))
    call = method("measures", measure).call
    turn = np.linalg.qr(rng.normal(size=(90, 6)))[0].T
    narrow, wide = call(x, y), call(x @ turn, y @ turn)
    assert wide.value == pytest.approx(narrow.value, rel=1e-9)
    tensors = call(torch.asarray(x @ turn), torch.asarray(y @ turn))
    assert tensors.value == pytest.approx(narrow.value, rel=1e-9)
    if measure != "gaussian_wasserstein":  # of two samples, which has none where rows are few
        assert wide.chance == pytest.approx(narrow.chance, rel=0.05)
    assert abs(call(x @ turn, rng.normal(size=(30, 90))).value - narrow.value) > 1e-3


def test_the_interval_of_a_distance_is_that_of_its_square():
    influences = np.random.default_rng(0).normal(size=400)
    reach = influence_interval(0.0, [influences])[1]
    assert root_interval(5.0, influences) == pytest.approx((5 - reach / 10, 5 + reach / 10))
    # Where the square's error passes the square, the slope 1 / 2d of the root says nothing.
    assert root_interval(0.01, influences) == pytest.approx((0.0, np.sqrt(1e-4 + reach)))
    assert root_interval(0.0, influences * 1e-16)[1] < 1e-8
    assert root_interval(0.0, 0 * influences) == (0.0, 0.0)
    assert root_interval(1.0, influences * np.inf) is None


@pytest.mark.parametrize("kind", [np.asarray, torch.asarray])
def test_a_new_unit_loses_no_digit(kind):
    x = np.random.default_rng(0).normal(size=(5, 3))
    (same,) = in_range(kind(x))
    assert np.array_equal(same, x)
    (up,) = in_range(kind(x * 2.0**-900))
    assert np.array_equal(np.asarray(up) / x, np.full((5, 3), float(up[0, 0]) / x[0, 0]))
    assert 0.1 < np.abs(np.asarray(up)).max() < 10
