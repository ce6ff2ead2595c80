"""How an encoder joins a hub whose members stay as they are: from few pairs, by ridge maps."""

import numpy as np

from isthmus.core.linalg import procrustes
from isthmus.core.neighbors import partner_ranks
from isthmus.core.random import Seed, generator

_FOLDS = 5
#: Pairs beyond which prior knowledge of the target's scatter no longer helps, yet costs n^3.
_MANY = 1000
#: Penalties tried, relative to the mean eigenvalue of what is inverted.
_ALPHAS = (0.001, 0.01, 0.1, 1.0)


def scatter_of(x: np.ndarray) -> np.ndarray:
    """The covariance (d, d) of the rows x (n, d)."""
    centred = x - x.mean(axis=0)
    found: np.ndarray = centred.T @ centred / len(x)
    return found


def ridge(x: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """The map (d, k) of least |x W - y|² + α t |W|², from centred pairs; t the mean eigenvalue."""
    few = len(x) <= x.shape[1]
    gram = x @ x.T if few else x.T @ x
    gram[np.diag_indices_from(gram)] += alpha * (float(np.trace(gram)) / len(gram) or 1.0)
    solved: np.ndarray = x.T @ np.linalg.solve(gram, y) if few else np.linalg.solve(gram, x.T @ y)
    return solved


def relative_ridge(x: np.ndarray, y: np.ndarray, scatter: np.ndarray, alpha: float) -> np.ndarray:
    r"""The map xᵀ (y C yᵀ + α t 1)⁻¹ y C (d, k): relative codes, decoded as the target decodes its own.

    Similarities x_i·x to the pairs resemble the target's y_i·y; the best linear decoder of those,
    over target rows of scatter C (k, k), needs no pair, so it is known well where pairs are few.
    """  # noqa: E501
    spread = y @ scatter
    gram = spread @ y.T
    gram[np.diag_indices_from(gram)] += alpha * (float(np.trace(gram)) / len(gram) or 1.0)
    solved: np.ndarray = x.T @ np.linalg.solve(gram, spread)
    return solved


def joined(
    x: np.ndarray, y: np.ndarray, scatter: np.ndarray, *, others: np.ndarray, view: np.ndarray,
    orthogonal: bool, rng: Seed,
) -> tuple[np.ndarray, float, np.ndarray]:  # fmt: skip
    """The map (d, k) from x (n, d) to y (n, k), its penalty, and held-out 1/ranks (n,) of the pairs.

    Orthogonal, or the ridge map (direct, or by relative codes) that ranks held-out partners best in
    five folds: among all of y and ``others`` (m, k), by cosine after ``view`` (k, v), for what
    counts is how vectors come out in the end.
    """  # noqa: E501
    pool = np.concatenate([y, others]) @ view
    n = len(x)
    if orthogonal:
        options: list[tuple[str, float]] = [("orthogonal", 0.0)]
    else:
        # An orthogonal map does not shrink, yet ridge decoders were fitted on what shrinks.
        options = [("ridge", alpha) for alpha in _ALPHAS]
        options += [("relative", alpha) for alpha in _ALPHAS] if n <= _MANY else []
    folds = np.array_split(generator(rng).permutation(n), min(_FOLDS, n))
    tried = []
    for option in options:
        ranks = np.empty(n)
        for test in folds:
            train = np.setdiff1d(np.arange(n), test)
            mx, my = x[train].mean(axis=0), y[train].mean(axis=0)
            w = _solve(option, x[train] - mx, y[train] - my, scatter)
            ranks[test] = 1 / partner_ranks(((x[test] - mx) @ w + my) @ view, pool, own=test)
        tried.append(ranks)
    best = int(np.argmax([ranks.mean() for ranks in tried]))
    w = _solve(options[best], x - x.mean(axis=0), y - y.mean(axis=0), scatter)
    return w, options[best][1], tried[best]


def _solve(
    option: tuple[str, float], x: np.ndarray, y: np.ndarray, scatter: np.ndarray
) -> np.ndarray:
    kind, alpha = option
    if kind == "orthogonal":
        return procrustes(x.T @ y)[0]
    return ridge(x, y, alpha) if kind == "ridge" else relative_ridge(x, y, scatter, alpha)
