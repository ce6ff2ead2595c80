import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import gram


def u_centred(k):
    """Székely & Rizzo 2013, definition of the U-centred matrix."""
    n = len(k)
    k = k - np.diag(np.diag(k))
    rows = k.sum(0)
    u = k - rows[:, None] / (n - 2) - rows[None, :] / (n - 2) + k.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(u, 0)
    return u


def full(rows, n):
    return np.vstack([rows(slice(i, min(i + 7, n))) for i in range(0, n, 7)])


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(23, 3))


def test_points_are_centred_and_of_size_one(x):
    for moved in (x, x * 1e200, (x + 1000).astype(np.float32)):
        found = gram.points("x", moved, operation="test")
        assert found.dtype == np.float64
        assert np.abs(found).max() == 1
        assert np.abs(found.mean(0)).max() < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rows_have_no_points(dtype):
    with pytest.raises(InputError, match="23 rows are all equal"):
        gram.points("x", np.full((23, 3), 0.1, dtype), operation="test")


def test_matrices_are_hollow_and_right(x):
    gaps = np.linalg.norm(x[:, None] - x[None], axis=2)
    off = 1 - np.eye(23)
    for rows, expected in (
        (gram.products(x), x @ x.T * off),
        (gram.squared_distances(x), gaps**2),
        (gram.distances(x), gaps),
        (gram.gaussian(x, 0.7), np.exp(-(gaps**2) / 0.98) * off),
    ):
        np.testing.assert_allclose(full(rows, 23), expected, atol=1e-12)


def test_distances_of_equal_rows_are_never_nan():
    x = np.repeat(np.random.default_rng(0).normal(size=(20, 5)), 2, axis=0)
    assert full(gram.distances(x), 40).min() >= 0


def test_hsic_and_its_leave_one_out_are_products_of_u_centred_matrices(x, monkeypatch):
    monkeypatch.setattr(gram, "_CELLS", 100)  # four rows a block
    three = [gram.products(x), gram.distances(x), gram.gaussian(x**2, 1.0)]
    whole = [full(rows, 23) for rows in three]
    values, left_out = gram.hsic(three, x, operation="test")

    def expected(matrices):
        n = len(matrices[0])
        us = [u_centred(k) for k in matrices]
        return np.array([[np.sum(a * b) for b in us] for a in us]) / (n * (n - 3))

    np.testing.assert_allclose(values, expected(whole), rtol=1e-10)
    for m in (0, 11, 22):
        rest = [np.delete(np.delete(k, m, 0), m, 1) for k in whole]
        np.testing.assert_allclose(left_out[m], expected(rest), rtol=1e-9)


def test_equidistant_rows_have_no_geometry():
    x = np.eye(8)
    with pytest.raises(InputError, match="equally far apart"):
        gram.hsic([gram.distances(x), gram.products(x)], x, operation="test")


def test_four_rows_leave_none_out():
    x = np.random.default_rng(0).normal(size=(4, 2))
    values, left_out = gram.hsic([gram.products(x)], x, operation="test")
    assert values.shape == (1, 1)
    assert left_out.shape == (0, 1, 1)


def test_chi_squared_tail():
    from scipy.stats import chi2

    for z in (-0.7, 0.0, 1.3, 6.0):
        assert gram.chi_squared_tail(z) == pytest.approx(chi2.sf(1 + 2**0.5 * z, 1), rel=1e-9)
    assert gram.chi_squared_tail(-3.0) == 1.0
