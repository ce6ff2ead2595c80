"""Procrustes on every rank, and the ridge path against refitting."""

import numpy as np
import pytest

from isthmus.core import linalg
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath, procrustes, symmetric_eigen, triangular_inverse
from isthmus.core.moments import Moments


@pytest.mark.parametrize("shape", [(5, 5), (5, 3), (3, 5)])
def test_procrustes_is_orthogonal_and_optimal(shape):
    rng = np.random.default_rng(0)
    cross = rng.normal(size=shape)
    w, singular = procrustes(cross)
    inner = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(inner, np.eye(min(shape)), atol=1e-12)
    assert np.sum(w * cross) == pytest.approx(singular.sum())
    for _ in range(50):
        other = np.linalg.qr(rng.normal(size=(max(shape), max(shape))))[0][: shape[0], : shape[1]]
        assert np.sum(other * cross) <= singular.sum() + 1e-9


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_completion_on_deficient_rank_is_orthogonal_and_nearest_to_identity(rank):
    rng = np.random.default_rng(1)
    cross = rng.normal(size=(5, rank)) @ rng.normal(size=(rank, 5))
    w, _ = procrustes(cross)
    np.testing.assert_allclose(w.T @ w, np.eye(5), atol=1e-12)
    if rank == 0:
        np.testing.assert_allclose(w, np.eye(5), atol=1e-12)
    # Any other orthogonal map that agrees on the data is farther from the identity.
    u, _, vt = np.linalg.svd(cross)
    for _ in range(50):
        inner = np.linalg.qr(rng.normal(size=(5 - rank, 5 - rank)))[0]
        other = u[:, :rank] @ vt[:rank] + u[:, rank:] @ inner @ vt[rank:]
        assert np.trace(other) <= np.trace(w) + 1e-9


def test_completion_does_not_depend_on_signs_of_singular_vectors(monkeypatch):
    from isthmus.core import linalg

    cross = np.outer(np.arange(1.0, 5.0), np.arange(2.0, 6.0))
    plain, _ = procrustes(cross)
    real = np.linalg.svd

    def flipped(a, **options):
        u, s, vt = real(a, **options)
        return (-u, s, -vt) if a is cross else (u, s, vt)

    monkeypatch.setattr(linalg.np.linalg, "svd", flipped)
    np.testing.assert_allclose(procrustes(cross)[0], plain, atol=1e-12)


def test_eigenvalues_descend_and_refuse_nan():
    values, vectors = symmetric_eigen(np.diag([1.0, 3.0, 2.0]))
    assert values.tolist() == [3.0, 2.0, 1.0]
    assert abs(vectors[1, 0]) == pytest.approx(1.0)
    with pytest.raises(InputError, match="NaN"):
        symmetric_eigen(np.full((2, 2), np.nan))


def ridge_data(n=40, d=6):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(n, d)) * np.geomspace(3, 0.1, d) + 2
    return x, x @ rng.normal(size=(d, 3)) + rng.normal(size=(n, 3))


def refit(x, y, alpha):
    centred, target = x - x.mean(axis=0), y - y.mean(axis=0)
    scatter = centred.T @ centred
    unit = np.trace(scatter) / len(scatter)
    coef = np.linalg.solve(scatter + alpha * unit * np.eye(len(scatter)), centred.T @ target)
    return coef, y.mean(axis=0) - x.mean(axis=0) @ coef


@pytest.mark.parametrize("alpha", [1e-8, 1e-2, 10.0])
def test_ridge_coefficients_equal_solving(alpha):
    x, y = ridge_data()
    np.testing.assert_allclose(
        RidgePath(Moments.of(x, y)).coef(alpha), refit(x, y, alpha)[0], atol=1e-8
    )


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
def test_leave_one_out_equals_refitting_without_each_row(alpha):
    x, y = ridge_data()
    path = RidgePath(Moments.of(x, y))
    fast = path.leave_one_out(x, y, alpha)
    # The penalty is relative to the scatter of all rows, so it is held fixed while refitting.
    centred = x - x.mean(axis=0)
    penalty = alpha * np.trace(centred.T @ centred) / x.shape[1]
    for i in (0, 7, 39):
        kept = np.arange(len(x)) != i
        a, b = x[kept], y[kept]
        ac, bc = a - a.mean(axis=0), b - b.mean(axis=0)
        coef = np.linalg.solve(ac.T @ ac + penalty * np.eye(6), ac.T @ bc)
        error = y[i] - b.mean(axis=0) - (x[i] - a.mean(axis=0)) @ coef
        np.testing.assert_allclose(fast[i], error, rtol=1e-9)
    plain = (y - y.mean(axis=0)) - (x - x.mean(axis=0)) @ path.coef(alpha)
    assert np.abs(fast - plain).max() > 1e-3  # the check can fail: residuals are not it


def test_penalties_are_chosen_by_error():
    x, y = ridge_data(n=400)
    path = RidgePath(Moments.of(x, y))
    errors = [np.mean(path.leave_one_out(x, y, a) ** 2) for a in path.ALPHAS]
    assert path.best_alpha(x, y) == path.ALPHAS[int(np.argmin(errors))]
    far = RidgePath(Moments.of(x, y))
    far.best_alpha_gcv = lambda: far.ALPHAS[-1]  # a poor start leads to the same minimum
    assert far.best_alpha(x, y) == path.best_alpha(x, y)
    assert path.best_alpha_gcv() == pytest.approx(path.best_alpha(x, y), rel=10)
    noise = np.random.default_rng(3).normal(size=y.shape)
    assert RidgePath(Moments.of(x, noise)).best_alpha(x, noise) >= 1.0


@pytest.mark.parametrize("n", [4, 40])
def test_cosines_are_those_of_predictions(n):
    x, y = ridge_data(n=n)
    path = RidgePath(Moments.of(x, y))
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    for cosine, alpha in zip(path.cosines(x, y), path.ALPHAS, strict=True):
        guess = (x - path.mean_x) @ path.coef(alpha) + path.mean_y
        np.testing.assert_allclose(
            cosine, np.sum(guess * y, axis=1) / np.linalg.norm(guess, axis=1), atol=1e-9
        )
    still = RidgePath(Moments.of(np.ones((5, 3)), np.zeros((5, 2))))
    assert not still.cosines(np.ones((5, 3)), np.ones((5, 2))).any()


def test_constant_source_and_fewer_rows_than_columns():
    assert not RidgePath(Moments.of(np.ones((5, 3)), np.random.rand(5, 2))).coef(0.1).any()
    x, y = ridge_data(n=4)
    path = RidgePath(Moments.of(x, y))
    assert np.isfinite(path.coef(path.best_alpha(x, y))).all()
    assert np.isfinite(path.coef(path.best_alpha_gcv())).all()


def test_fitted_scatter_is_that_of_the_predictions():
    x, y = ridge_data()
    moments = Moments.of(x, y)
    path = RidgePath(moments)
    b = path.coef(0.1)
    expected = b.T @ moments.scatter_xx @ b
    np.testing.assert_allclose(path.fitted_scatter(0.1), expected, atol=1e-9 * expected.max())


def test_a_sample_of_rows_is_thinned_for_the_choice_of_a_penalty(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 5))
    y = x @ rng.normal(size=(5, 3)) + rng.normal(size=(4000, 3))
    path, seen = RidgePath(Moments.of(x, y)), []
    left_out = RidgePath._left_out

    def watched(self, projected, *given):
        seen.append(len(projected))
        return left_out(self, projected, *given)

    monkeypatch.setattr(RidgePath, "_left_out", watched)
    sampled = path.best_alpha(x[:1024], y[:1024])
    assert set(seen) == {512}
    best = path.best_alpha(x, y)
    assert seen[-1] == 4000  # all fitted rows are all looked at
    errors = [np.mean(path.leave_one_out(x, y, alpha) ** 2) for alpha in (sampled, best, 100.0)]
    assert errors[0] < 1.001 * errors[1] < errors[2]


@pytest.mark.parametrize("d", [1, 64, 65, 300])
def test_triangular_inverse_equals_substitution(d):
    from scipy.linalg import solve_triangular

    x = np.random.default_rng(d).normal(size=(2 * d, d)) / np.sqrt(np.arange(1, d + 1))
    lower = np.linalg.cholesky(x.T @ x)
    found = triangular_inverse(lower)
    np.testing.assert_allclose(
        found, solve_triangular(lower, np.eye(d), lower=True), rtol=1e-9, atol=1e-12
    )
    assert not np.triu(found, 1).any()


@pytest.mark.parametrize("entries", [1, 40, 1 << 16])
def test_products_of_pairs_of_rows_are_those_of_the_whole(entries, monkeypatch):
    monkeypatch.setattr(linalg, "_ENTRIES", entries)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(9, 5)), rng.normal(size=(6, 5))
    i, j = rng.integers(0, 9, 30), rng.integers(0, 6, 30)
    np.testing.assert_allclose(linalg.pair_products(x, i, y, j), (x @ y.T)[i, j], atol=1e-15)
    assert linalg.pair_products(x, i[:0], y, j[:0]).shape == (0,)
