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
_RANK_CELLS = 1 << 22
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
    return np.asarray(directions(x.astype(np.float64)))


def directions(x: Array) -> Array:
    """Rows of x (n, d) at length one, of x's own kind and precision; zero rows stay zero."""
    xp = namespace(x)
    # Dividing by the largest entry first keeps squares of 1e200 finite, and those of 1e-200.
    peak = xp.max(xp.abs(x), axis=1, keepdims=True)
    x = x / xp.where(peak > 0, peak, xp.ones_like(peak))
    length = xp.sqrt(xp.sum(x * x, axis=1, keepdims=True))
    return x / xp.where(length > 0, length, xp.ones_like(length))


def partner_ranks(
    x: Array, y: Array, *, own: np.ndarray | None = None, metric: Metric = "cosine"
) -> Array:
    """The rank of each row's partner among all rows of y, closest first, (n,) float64.

    With t = own(i): rank_i = 1 + |{j : s_ij > s_it}| + |{j != t : s_ij = s_it}| / 2. Ties share
    their middle rank, so a map that sends everything to one point ranks at chance and not first.

    Parameters
    ----------
    x : (n, d) array
    y : (m, d) array of the same kind
    own : (n,) row numbers of the partners in y; row i of y for row i of x when None
    metric : ``cosine``, ``inner`` or ``euclidean``

    Raises
    ------
    InputError
        On unequal dims or an unknown metric.

    >>> partner_ranks(np.eye(3), np.eye(3)[[1, 0, 2]])
    array([2.5, 2.5, 1. ])
    """
    xp = namespace(x, y)
    if x.shape[1] != y.shape[1] or metric not in METRICS:
        raise InputError(
            "partner ranks",
            f"x {tuple(x.shape)}, y {tuple(y.shape)}, metric {metric!r}",
            f"equal dims and one of {', '.join(METRICS)}",
            "Translate one side with a bridge first.",
        )
    x, y = xp.astype(x, xp.float64), xp.astype(y, xp.float64)
    if metric == "cosine":
        x, y = directions(x), directions(y)
    squares = xp.sum(y * y, axis=1)
    partners = np.arange(x.shape[0]) if own is None else own
    ranks = []
    for rows in row_blocks(x.shape[0], max(1, _RANK_CELLS // y.shape[0])):
        true = xp.asarray(partners[rows], device=getattr(x, "device", None))
        asked, found = x[rows, :], xp.take(y, true, axis=0)
        scores = asked @ y.T
        mine = xp.sum(asked * found, axis=1)[:, None]
        if metric == "euclidean":
            # |x|² is the same for all partners of one x: leaving it out changes no rank.
            scores = 2.0 * scores - squares[None, :]
            mine = 2.0 * mine - xp.take(squares, true, axis=0)[:, None]
        # Equal partners give products that differ in the last bits: those are ties, not ranks.
        slack = 1e-12 * xp.max(xp.abs(scores), axis=1, keepdims=True)
        above = xp.sum(xp.astype(scores > mine + slack, xp.float64), axis=1)
        tied = xp.sum(xp.astype(xp.abs(scores - mine) <= slack, xp.float64), axis=1)
        ranks.append(1.0 + above + (tied - 1.0) / 2.0)
    return xp.concat(ranks)


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
