"""k-means clusters of rows, for the samplers that choose anchors by them."""

import numpy as np

from isthmus.anchors.d2_sampling import d2_rows

#: Rounds of k-means at most; the anchors hardly change after fewer.
_ROUNDS = 10
#: Seedings, of which the best is taken, and the clusters up to which they differ enough for that.
_STARTS, _FEW = 4, 200
#: Cells of one block of distances.
_CELLS = 1 << 22


def cluster_centres(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Centres (count, d) of k-means on rows (n, d), min_c Σ_i min_j |x_i - c_j|².

    From the best of four D² seedings (one beyond 200 clusters, whose costs hardly differ), by at
    most 10 of Lloyd's rounds in float32.
    """
    middle = rows.mean(axis=0)
    x = rows - middle
    chosen = [d2_rows(x, count, rng) for _ in range(_STARTS if 1 < count <= _FEW else 1)]
    # In float32, whose digits tell all clusters apart at half the time, at a size it can square.
    size = float(np.abs(x).max()) or 1.0
    x = (x / size).astype(np.float32)
    starts = [x[these] for these in chosen]
    centres = min(starts, key=lambda these: _cost(x, these)) if len(starts) > 1 else starts[0]
    moved: np.ndarray = lloyd(x, centres, rounds=_ROUNDS) * np.float64(size) + middle
    return moved


def lloyd(x: np.ndarray, centres: np.ndarray, *, rounds: int, settled: float = 0.0) -> np.ndarray:
    """Centres (k, d) after Lloyd's rounds on x (n, d), until a share ``settled`` of rows moves.

    A centre that loses all its rows stays where it was.
    """
    from scipy.sparse import csr_array

    centres, n = centres.copy(), len(x)
    ones, before = np.ones(n, x.dtype), np.full(n, -1)
    for _ in range(rounds):
        own = nearest_centre(x, centres)
        if np.count_nonzero(own != before) <= settled * n:
            break
        before = own
        members = csr_array((ones, (own, np.arange(n))), shape=(len(centres), n))
        sizes = np.bincount(own, minlength=len(centres)).astype(x.dtype)
        kept = sizes > 0
        centres[kept] = (members @ x)[kept] / sizes[kept, None]
    return centres


def _cost(x: np.ndarray, centres: np.ndarray) -> float:
    gaps = x - centres[nearest_centre(x, centres)]
    return float(np.vdot(gaps, gaps))


def nearest_centre(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The number (n,) of the centre nearest to each row of x (n, d)."""
    half = np.einsum("ij,ij->i", centres, centres) / 2
    own = np.empty(len(x), np.int64)
    step = max(1, _CELLS // len(centres))
    for start in range(0, len(x), step):
        own[start : start + step] = np.argmax(x[start : start + step] @ centres.T - half, axis=1)
    return own
