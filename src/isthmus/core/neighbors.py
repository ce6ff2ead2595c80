"""Exact nearest neighbours, blocked, the same answer for every kind of array.

A fast search proposes a few more candidates than asked for (FAISS for NumPy, a matrix product and
top-k for other kinds); their distances are then computed anew from differences in float64 and
sorted, ties by lower row. So the answer does not depend on the library, on batching, or on the
digits that |x|² - 2xy + |y|² loses.
"""

from typing import Any, Literal

import numpy as np

from isthmus.core.arrays import Array, is_numpy, like, matrix, namespace, row_blocks, to_numpy
from isthmus.core.errors import InputError

Metric = Literal["euclidean", "cosine", "inner"]
METRICS = ("euclidean", "cosine", "inner")

_QUERY_BLOCK = 1024
#: Candidates beyond k, so that float32 rounding in the proposal cannot push a true neighbour out.
_SPARE = 8


def neighbors(
    queries: Array, base: Array, k: int, *, metric: Metric = "euclidean", exclude_self: bool = False
) -> tuple[Array, Array]:
    """The k nearest rows of ``base`` for every row of ``queries``, exactly.

    Parameters
    ----------
    queries : (n, d) array
    base : (m, d) array of the same kind
    k : how many neighbours, at most m (m - 1 with ``exclude_self``)
    metric : ``euclidean`` gives distances |q - b|, ``cosine`` gives 1 - cos (a zero vector has
        cosine 0 to everything), ``inner`` gives inner products, largest first
    exclude_self : row i of ``queries`` is row i of ``base`` and is not its own neighbour

    Returns
    -------
    indices : (n, k) int64, nearest first, ties by lower row
    distances : (n, k) float64

    Raises
    ------
    InputError
        On unequal dims, k out of range, an unknown metric or non-finite values.

    >>> import numpy as np
    >>> base = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    >>> neighbors(base, base, 1, exclude_self=True)[0].ravel().tolist()
    [1, 0, 1]
    """
    q = matrix("queries", queries, operation="neighbors")
    b = q if base is queries else matrix("base", base, operation="neighbors")
    _check(q, b, k, metric, exclude_self)
    wanted = min(k + exclude_self + _SPARE, b.shape[0])
    if is_numpy(q) and is_numpy(b):
        found = _exact_numpy(q, b, k, wanted, metric, exclude_self)
    else:
        found = _exact_any(q, b, k, wanted, metric, exclude_self)
    if is_numpy(q):
        return found
    xp = namespace(q)
    place = getattr(q, "device", None)
    return xp.asarray(found[0], device=place), xp.asarray(found[1], device=place)


def _check(q: Array, b: Array, k: int, metric: str, exclude_self: bool) -> None:
    namespace(q, b)
    if q.shape[1] != b.shape[1]:
        raise InputError(
            "neighbors", f"queries {tuple(q.shape)} and base {tuple(b.shape)}", "equal dims"
        )
    if metric not in METRICS:
        raise InputError("neighbors", f"metric {metric!r}", f"one of {', '.join(METRICS)}")
    if exclude_self and q.shape[0] != b.shape[0]:
        raise InputError(
            "neighbors", f"{q.shape[0]} queries, {b.shape[0]} base rows", "the same rows twice"
        )
    limit = b.shape[0] - exclude_self
    if not 1 <= k <= limit:
        raise InputError("neighbors", f"k={k}", f"1 <= k <= {limit} ({b.shape[0]} base rows)")


def _exact_numpy(
    q: np.ndarray, b: np.ndarray, k: int, wanted: int, metric: str, exclude_self: bool
) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    coarse_q, coarse_b = _coarse(q, b, metric)
    index = (faiss.IndexFlatL2 if metric == "euclidean" else faiss.IndexFlatIP)(b.shape[1])
    index.add(coarse_b)
    indices = np.empty((len(q), k), np.int64)
    distances = np.empty((len(q), k))
    for rows in row_blocks(len(q), _QUERY_BLOCK):
        _, candidates = index.search(coarse_q[rows], wanted)
        own = np.arange(rows.start, rows.stop) if exclude_self else None
        indices[rows], distances[rows] = _refine(q[rows], b, candidates, k, metric, own)
    return indices, distances


def _exact_any(
    q: Array, b: Array, k: int, wanted: int, metric: str, exclude_self: bool
) -> tuple[np.ndarray, np.ndarray]:
    xp = namespace(q, b)
    coarse_q, coarse_b = (like(side, q) for side in _coarse(to_numpy(q), to_numpy(b), metric))
    half = xp.sum(coarse_b * coarse_b, axis=1) / 2 if metric == "euclidean" else 0.0
    host_q, host_b = to_numpy(q), to_numpy(b)
    indices = np.empty((q.shape[0], k), np.int64)
    distances = np.empty((q.shape[0], k))
    for rows in row_blocks(q.shape[0], _QUERY_BLOCK):
        candidates = to_numpy(_top(xp, coarse_q[rows, :] @ coarse_b.T - half, wanted))
        own = np.arange(rows.start, rows.stop) if exclude_self else None
        indices[rows], distances[rows] = _refine(host_q[rows], host_b, candidates, k, metric, own)
    return indices, distances


def _coarse(q: np.ndarray, b: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Float32 copies to propose candidates with: centred or normalised, and of moderate scale."""
    if metric == "euclidean":
        middle = b.mean(axis=0, dtype=np.float64)
        sides = [q - middle, b - middle]
    elif metric == "cosine":
        sides = [unit(q), unit(b)]
    else:
        sides = [q.astype(np.float64), b.astype(np.float64)]
    scale = max(float(np.abs(side).max()) for side in sides) or 1.0
    return tuple(np.ascontiguousarray(side / scale, dtype=np.float32) for side in sides)  # type: ignore[return-value]


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of x (n, d) at length one, in float64; zero rows stay zero; no overflow at 1e300."""
    wide = x.astype(np.float64)
    peak = np.abs(wide).max(axis=1, keepdims=True)
    wide /= np.where(peak == 0, 1.0, peak)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(norms == 0, 1.0, norms)


def _top(xp: Any, scores: Array, k: int) -> Array:
    if hasattr(scores, "topk"):  # torch: a selection, where the standard only has a full sort
        return scores.topk(k, dim=1).indices
    return xp.argsort(scores, axis=1, descending=True)[:, :k]


def _refine(
    q: np.ndarray,
    b: np.ndarray,
    candidates: np.ndarray,
    k: int,
    metric: str,
    own: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of each row's candidates by float64 distance, ties by lower row."""
    candidates = np.sort(candidates, axis=1).astype(np.int64)
    near = b[candidates].astype(np.float64)
    if metric == "euclidean":
        near -= q[:, None, :]
        # Scaling by the peak keeps squares of 1e200 finite.
        peak = np.abs(near).max(initial=0.0) or 1.0
        near /= peak
        cost = np.sqrt(np.einsum("ijk,ijk->ij", near, near)) * peak
    elif metric == "cosine":
        near = unit(near.reshape(-1, near.shape[2])).reshape(near.shape)
        cost = 1.0 - np.einsum("ijk,ik->ij", near, unit(q))
    else:
        cost = -np.einsum("ijk,ik->ij", near, q.astype(np.float64))
    if own is not None:
        cost = np.where(candidates == own[:, None], np.inf, cost)
    order = np.argsort(cost, axis=1, kind="stable")[:, :k]
    cost = np.take_along_axis(cost, order, axis=1)
    return np.take_along_axis(candidates, order, axis=1), -cost if metric == "inner" else cost
