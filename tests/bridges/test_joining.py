"""Maps by which an encoder joins a hub: against augmented least squares and loops over folds."""

import numpy as np
import pytest

from isthmus.bridges import joining
from isthmus.bridges.joining import joined, relative_ridge, ridge, scatter_of
from isthmus.core.errors import InputError


def penalised(x, y, penalty):
    """Least squares with the penalty as further rows, by a solver of its own."""
    rows, d = np.vstack([x, np.sqrt(penalty) * np.eye(x.shape[1])]), x.shape[1]
    return np.linalg.lstsq(rows, np.vstack([y, np.zeros((d, y.shape[1]))]), rcond=None)[0]


def naive_ridge(x, y, alpha, scatter):
    return penalised(x, y, alpha * np.sum(x * x) / min(x.shape))


def naive_relative(x, y, alpha, scatter):
    """Target rows of that scatter, their similarities to y, and the ridge decoder of these."""
    rows = np.linalg.cholesky(scatter).T
    codes = rows @ y.T
    return x.T @ penalised(codes, rows, alpha * np.sum(codes * codes) / len(y))


def polar(x, y, alpha, scatter):
    """The orthogonal factor by (C C')^(-1/2) C, of a square C without a null space."""
    values, vectors = np.linalg.eigh(x.T @ y @ y.T @ x)
    return vectors @ np.diag(values**-0.5) @ vectors.T @ (x.T @ y)


def naive_joined(x, y, scatter, others, view, kinds, seed):
    n, pool = len(x), [row @ view for row in (*y, *others)]
    folds = np.array_split(np.random.default_rng(seed).permutation(n), min(5, n))
    best = None
    for kind, alpha in kinds:
        found = np.empty(n)
        for fold in folds:
            train = [i for i in range(n) if i not in fold]
            mx, my = x[train].mean(axis=0), y[train].mean(axis=0)
            w = kind(x[train] - mx, y[train] - my, alpha, scatter)
            for i in fold:
                guess = ((x[i] - mx) @ w + my) @ view
                cosines = [guess @ p / np.linalg.norm(guess) / np.linalg.norm(p) for p in pool]
                found[i] = 1 / (1 + sum(c > cosines[i] + 1e-12 for c in cosines))
        if best is None or found.mean() > best[2].mean():
            best = kind(x - x.mean(axis=0), y - y.mean(axis=0), alpha, scatter), alpha, found
    return best


def noisy(seed, n, d=5):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n + 25, 4)) * np.geomspace(2, 0.3, 4) + 0.5
    x = y[:n] @ rng.normal(size=(4, d)) + 0.5 * rng.normal(size=(n, d)) + 3.0
    view = rng.normal(size=(4, 6)) * np.geomspace(3, 0.1, 6)
    return x, y[:n], y[n:], view, scatter_of(y)


def test_the_scatter_is_the_mean_outer_product_about_the_mean():
    x = np.random.default_rng(0).normal(size=(7, 3)) + 5
    expected = sum(np.outer(row - sum(x) / 7, row - sum(x) / 7) for row in x) / 7
    np.testing.assert_allclose(scatter_of(x), expected, atol=1e-12)
    np.testing.assert_array_equal(scatter_of(x[:1]), np.zeros((3, 3)))


@pytest.mark.parametrize("shape", [(20, 4, 3), (4, 4, 2), (3, 6, 2), (1, 5, 3), (6, 1, 1)])
@pytest.mark.parametrize("alpha", [0.001, 1.0])
def test_ridge_is_penalised_least_squares_with_few_rows_and_with_many(shape, alpha):
    n, d, k = shape
    x, y = np.split(np.random.default_rng(1).normal(size=(n, d + k)), [d], axis=1)
    np.testing.assert_allclose(ridge(x, y, alpha), naive_ridge(x, y, alpha, None), atol=1e-9)
    narrow = ridge(x.astype(np.float32), y.astype(np.float32), alpha)
    np.testing.assert_allclose(narrow, naive_ridge(x, y, alpha, None), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("n", "d"), [(3, 6), (12, 2), (1, 1)])
@pytest.mark.parametrize("alpha", [0.001, 1.0])
def test_relative_ridge_decodes_similarities_by_a_penalised_decoder_of_the_target(n, d, alpha):
    rng = np.random.default_rng(2)
    x, y, spread = rng.normal(size=(n, d)), rng.normal(size=(n, 4)), rng.normal(size=(9, 4))
    given = spread.T @ spread, alpha
    expected = naive_relative(x, y, alpha, given[0])
    np.testing.assert_allclose(relative_ridge(x, y, *given), expected, atol=1e-8)


def test_pairs_that_do_not_vary_give_the_map_to_zero():
    for found in (
        ridge(np.zeros((3, 4)), np.zeros((3, 4)) + 1, 0.1),
        relative_ridge(np.zeros((3, 4)), np.zeros((3, 4)), np.eye(4), 0.1),
    ):
        np.testing.assert_array_equal(found, np.zeros((4, 4)))


@pytest.mark.parametrize(("seed", "n", "most"), [(3, 30, 30), (4, 8, 8), (4, 8, 7), (6, 2, 9)])
def test_the_map_is_the_one_that_ranks_held_out_partners_best(seed, n, most, monkeypatch):
    monkeypatch.setattr(joining, "_MANY", most)
    x, y, others, view, scatter = noisy(seed, n)
    w, alpha, ranks = joined(x, y, scatter, others=others, view=view, orthogonal=False, rng=seed)
    forms = (naive_ridge, naive_relative) if n <= most else (naive_ridge,)
    kinds = [(form, alpha) for form in forms for alpha in (0.001, 0.01, 0.1, 1.0)]
    expected = naive_joined(x, y, scatter, others, view, kinds, seed)
    assert alpha == expected[1]
    np.testing.assert_allclose(ranks, expected[2], atol=1e-12)
    np.testing.assert_allclose(w, expected[0], atol=1e-8)


def test_an_orthogonal_map_is_a_polar_factor_and_others_are_told_apart_too():
    x, y, others, view, scatter = noisy(7, 30, d=4)
    given = {"view": view, "orthogonal": True}
    w, alpha, ranks = joined(x, y, scatter, others=others, rng=1, **given)
    expected = naive_joined(x, y, scatter, others, view, [(polar, 0.0)], 1)
    assert alpha == 0.0
    np.testing.assert_allclose(w, expected[0], atol=1e-9)
    np.testing.assert_allclose(ranks, expected[2], atol=1e-12)
    assert joined(x, y, scatter, others=others[:0], rng=1, **given)[2].mean() > ranks.mean()
    with pytest.raises(InputError, match="rng: got -1"):
        joined(x, y, scatter, others=others, rng=-1, **given)
