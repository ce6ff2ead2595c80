import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import gram, rdm
from isthmus.measures.rdm import Dissimilarities


def u_centred(k):
    """Székely & Rizzo 2013, definition of the U-centred matrix."""
    n = len(k)
    k = k - np.diag(np.diag(k))
    rows = k.sum(0)
    u = k - rows[:, None] / (n - 2) - rows[None, :] / (n - 2) + k.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(u, 0)
    return u


def matrix(x, of=None, **options):
    """A matrix of dissimilarities, and the whole of it."""
    found = Dissimilarities("x", x, operation="test", **options)
    if of is not None:
        found = found.kernel(of)
    whole = np.zeros((len(x), len(x)))
    whole[np.triu_indices(len(x), 1)] = found.condensed()
    return found, whole + whole.T


def test_hsic_and_its_leave_one_out_are_products_of_u_centred_matrices(monkeypatch):
    monkeypatch.setattr(rdm, "_SIDE", 5)
    x = np.random.default_rng(0).normal(size=(23, 3))
    for (one, k), (two, l) in (  # noqa: E741
        (matrix(x), matrix(x**2, lambda squared: np.expm1(-squared))),
        (matrix(x, distance="squared_euclidean"), matrix(x**2, distance="squared_euclidean")),
    ):
        values, left_out = gram.hsic(one, two, operation="test")

        def expected(matrices):
            n = len(matrices[0])
            us = [u_centred(k) for k in matrices]
            return np.array([[np.sum(a * b) for b in us] for a in us]) / (n * (n - 3))

        np.testing.assert_allclose(values, expected([k, l]), rtol=1e-10)
        for m in (0, 11, 22):
            rest = [np.delete(np.delete(a, m, 0), m, 1) for a in (k, l)]
            np.testing.assert_allclose(left_out[m], expected(rest), rtol=1e-9)


def test_equidistant_rows_have_no_geometry():
    with pytest.raises(InputError, match="y whose rows are all equally far apart"):
        gram.hsic(matrix(np.diag(np.arange(8.0)))[0], matrix(np.eye(8))[0], operation="test")


def test_four_rows_leave_none_out():
    one = matrix(np.random.default_rng(0).normal(size=(4, 2)))[0]
    values, left_out = gram.hsic(one, one, operation="test")
    assert values.shape == (2, 2)
    assert left_out.shape == (0, 2, 2)


def test_chi_squared_tail():
    from scipy.stats import chi2

    for z in (-0.7, 0.0, 1.3, 6.0):
        assert gram.chi_squared_tail(z) == pytest.approx(chi2.sf(1 + 2**0.5 * z, 1), rel=1e-9)
    assert gram.chi_squared_tail(-3.0) == 1.0
