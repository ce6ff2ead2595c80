"""k-means in float32 products: centres only, from k-means++ or from given ones."""

import numpy as np

from isthmus.anchors.clusters import lloyd

_ROUNDS = 50
#: Rows per cluster that the first rounds see, where there are twice as many, and rounds of all
#: rows after them: fewer leave centres that match those of another space less well.
_COARSE, _FINAL = 100, 30
#: Share of rows whose change of cluster no longer moves a centre much.
_SETTLED = 1e-3


def k_means(
    x: np.ndarray, k: int, *, rng: np.random.Generator, start: np.ndarray | None = None
) -> np.ndarray:
    """Centres (k, d) float32 of Lloyd's iteration on x (n, d) float32.

    It starts from ``start`` (k, d) or from greedy k-means++, and ends when a thousandth of the rows
    changes its cluster, or after 50 rounds.

    >>> x = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    >>> sorted(k_means(x, 2, rng=np.random.default_rng(0)).tolist())
    [[0.0, 1.0], [1.0, 0.0]]
    """
    rounds = _ROUNDS
    if start is not None:
        first = start.astype(np.float32)
    elif len(x) > 2 * _COARSE * k:
        # Most rounds, and the seeds, on few rows: all of them only settle what those found.
        few = rng.choice(len(x), _COARSE * k, replace=False)
        first, rounds = k_means(x[np.sort(few)], k, rng=rng), _FINAL
    else:
        first = _spread(x, k, rng)
    return lloyd(x, first, rounds=rounds, settled=_SETTLED)


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
