"""k-means in float32 products: centres only, from k-means++ or from given ones."""

import numpy as np

from isthmus.core.arrays import row_blocks

_BLOCK = 8192
_STEPS = 50


def k_means(
    x: np.ndarray, k: int, *, rng: np.random.Generator, start: np.ndarray | None = None
) -> np.ndarray:
    """Centres (k, d) float32 of Lloyd's iteration on x (n, d) float32.

    It starts from ``start`` (k, d) or from greedy k-means++, and ends when no row changes its
    centre or after 50 steps. A centre without rows stays where it was.

    >>> x = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    >>> sorted(k_means(x, 2, rng=np.random.default_rng(0)).tolist())
    [[0.0, 1.0], [1.0, 0.0]]
    """
    centres = _spread(x, k, rng) if start is None else start.astype(np.float32)
    labels = np.full(len(x), -1)
    for _ in range(_STEPS):
        new = _nearest(x, centres)
        if np.array_equal(new, labels):
            break
        labels = new
        order = np.argsort(labels, kind="stable")
        present, first = np.unique(labels[order], return_index=True)
        sums = np.add.reduceat(x[order], first, axis=0)
        centres = centres.copy()
        centres[present] = sums / np.diff(np.r_[first, len(x)])[:, None]
    return centres


def _nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    half = np.sum(centres * centres, axis=1) / 2
    labels = np.empty(len(x), np.int64)
    for rows in row_blocks(len(x), _BLOCK):
        labels[rows] = (x[rows] @ centres.T - half).argmax(axis=1)
    return labels


def _spread(x: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """K rows of x by k-means++: each, of a few candidates drawn by distance, the best."""
    tries = 2 + int(np.log(k))
    squares = np.einsum("ij,ij->i", x, x)
    chosen = [int(rng.integers(len(x)))]
    far = np.maximum(squares + squares[chosen[0]] - 2 * (x @ x[chosen[0]]), 0)
    for _ in range(k - 1):
        total = np.cumsum(far, dtype=np.float64)
        picks = np.searchsorted(total, rng.random(tries) * total[-1]).clip(0, len(x) - 1)
        gaps = squares + squares[picks, None] - 2 * (x[picks] @ x.T)
        gaps = np.minimum(np.maximum(gaps, 0), far)
        best = int(gaps.sum(axis=1).argmin())
        chosen.append(int(picks[best]))
        far = gaps[best]
    return x[chosen]
