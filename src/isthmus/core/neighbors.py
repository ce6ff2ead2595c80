"""Exact nearest neighbours, blocked, the same answer for every kind of array.

The answer does not depend on the library, on batching, or on the digits that |x|² - 2xy + |y|²
loses: ``nearest`` proves it row by row. Here are its front door, and ranks of partners.
"""

from typing import Literal

import numpy as np

from isthmus.core.arrays import Array, is_numpy, matrix, namespace, row_blocks, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.nearest import search

Metric = Literal["euclidean", "cosine", "inner"]
METRICS = ("euclidean", "cosine", "inner")

_RANK_CELLS = 1 << 22
#: Entries of a strip of rows whose lengths are taken at once.
_STRIP = 1 << 16
#: Entries beyond this (or below its inverse) are scaled before they are squared.
_LARGE = 1e100


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
    host = to_numpy(q)
    host_q, host_b, back = _moderate(host, host if b is q else to_numpy(b), metric)
    indices, distances = search(host_q, host_b, k, kind=q, metric=metric, exclude_self=exclude_self)
    found = indices, distances * back
    if is_numpy(q):
        return found
    xp = namespace(q)
    place = getattr(q, "device", None)
    return xp.asarray(found[0], device=place), xp.asarray(found[1], device=place)


def _check(q: Array, b: Array, k: int, metric: str, exclude_self: bool) -> None:
    namespace(q, b)
    if q.shape[1] != b.shape[1]:
        raise InputError(
            "neighbors", f"queries {tuple(q.shape)} and base {tuple(b.shape)}", "equal dims",
            "Translate one side with a bridge first.",
        )  # fmt: skip
    if metric not in METRICS:
        raise InputError("neighbors", f"metric {metric!r}", f"one of {', '.join(METRICS)}")
    if exclude_self and q.shape[0] != b.shape[0]:
        raise InputError(
            "neighbors", f"{q.shape[0]} queries, {b.shape[0]} base rows", "the same rows twice",
            "Leave exclude_self out.",
        )  # fmt: skip
    limit = b.shape[0] - exclude_self
    if not 1 <= k <= limit:
        raise InputError(
            "neighbors", f"k={k}", f"1 <= k <= {limit} ({b.shape[0]} base rows)",
            "Ask for fewer neighbours, or bring more rows.",
        )  # fmt: skip


def _moderate(q: np.ndarray, b: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Both sides at a size whose squares stay within float64, and the factor back to their own."""
    if np.float64 not in (q.dtype, b.dtype) or metric == "inner":
        return q, b, 1.0
    # In float64, for the base may be narrower than the queries and not hold the limits.
    peaks = [
        np.maximum(x.max(axis=1), -x.min(axis=1)).astype(np.float64)
        for x in ((q,) if b is q else (q, b))
    ]
    if metric == "cosine":
        if any(((p > _LARGE) | ((p > 0) & (p < 1 / _LARGE))).any() for p in peaks):
            unit_q = unit(q)
            return unit_q, unit_q if b is q else unit(b), 1.0
        return q, b, 1.0
    peak = max(float(p.max()) for p in peaks)
    if peak == 0 or 1 / _LARGE <= peak <= _LARGE:
        return q, b, 1.0
    exponent = int(np.frexp(peak)[1])
    scaled = np.ldexp(q, -exponent)
    return scaled, scaled if b is q else np.ldexp(b, -exponent), float(np.ldexp(1.0, exponent))


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of x (n, d) at length one, in float64; zero rows stay zero; no overflow at 1e300."""
    return _by_strips(x, np.dtype(np.float64))


def directions(x: Array) -> Array:
    """Rows of x (n, d) at length one, of x's own kind and precision; zero rows stay zero."""
    return _by_strips(x, (x[:0] / 1).dtype) if is_numpy(x) else _directions(x)


def _by_strips(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """``_directions`` of so few rows at once that the passes stay in a core's own cache."""
    found = np.empty(x.shape, dtype)
    for rows in row_blocks(len(x), max(1, _STRIP // max(1, x.shape[1]))):
        found[rows] = _directions(x[rows].astype(dtype, copy=False))
    return found


def _directions(x: Array) -> Array:
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
    # Equal partners give scores that differ in the last bits: those are ties, not ranks.
    bits = (x.shape[1] + 8) * float(np.finfo(np.float64).eps)
    if metric == "inner":
        x, y = x / _power(_largest(x)), y / _power(_largest(y))
    elif metric == "euclidean":
        # Squares of 1e200 stay finite, and those of 1e-200; of x, those of 1e150 times y.
        scale = _power(max(_largest(y), 1e-150 * _largest(x)))
        x, y = x / scale, y / scale
    else:
        x, y = directions(x), directions(y)
    noise_x, noise_y = bits * _lengths(x), bits * _lengths(y)
    squares = xp.zeros_like(noise_y)
    if metric == "cosine":
        # 1 - cos is half the squared distance of unit rows. A zero vector has cosine 0 to all of
        # them, as if it lay at a squared distance of 2 and not of 1.
        squares = xp.astype(noise_y == 0, xp.float64)
        noise_x, noise_y = xp.full_like(noise_x, bits), xp.full_like(noise_y, bits)
    beyond = squares
    if metric != "inner":
        # |x|² - 2xy + |y|² loses its digits where the rows lie far from 0 for their spread.
        origin = _middle(y)
        x, y = x - origin, y - origin
        squares = beyond + xp.sum(y * y, axis=1)
    size_x, size_y = _lengths(x), _lengths(y)
    partners = np.arange(x.shape[0]) if own is None else own
    ranks = []
    for rows in row_blocks(x.shape[0], max(1, _RANK_CELLS // y.shape[0])):
        true = xp.asarray(partners[rows], device=getattr(x, "device", None))
        asked, found = x[rows, :], xp.take(y, true, axis=0)
        mine = xp.sum(asked * found, axis=1)
        if metric == "inner":
            scores = asked @ y.T
            slack = bits * size_x[rows] * xp.take(size_y, true)
        else:
            # |x|² is the same for all partners of one x: leaving it out changes no rank.
            scores = (2.0 * asked) @ y.T - squares[None, :]
            mine = 2.0 * mine - xp.take(squares, true)
            # What tied rows can be apart: by the last bits of this row and of its partner as they
            # came, and by the rounding of the product, in which no row further off than the
            # partner counts, so that a far one blurs no other's rank.
            gap = xp.sqrt(xp.sum((asked - found) ** 2, axis=1) + xp.take(beyond, true))
            noise = noise_x[rows] + xp.take(noise_y, true)
            reach = xp.minimum(size_x[rows] + gap, xp.max(size_y))
            slack = noise * (2.0 * gap + noise) + bits * reach * (size_x[rows] + reach)
        above, level = (
            xp.astype(xp.sum(xp.astype(better, xp.int8), axis=1), xp.float64)
            for better in (scores > (mine + slack)[:, None], scores >= (mine - slack)[:, None])
        )
        ranks.append(1.0 + above + (level - above - 1.0) / 2.0)
    return xp.concat(ranks)


def _largest(x: Array) -> float:
    """The largest |entry| of x (n, d)."""
    xp = namespace(x)
    return float(xp.max(xp.abs(x)))


def _power(size: float) -> float:
    """A power of two near ``size``, by which dividing loses no digit; 1 for 0."""
    return float(np.ldexp(1.0, int(np.frexp(size)[1]) - 1)) if size else 1.0


def _lengths(x: Array) -> Array:
    """Lengths of the rows of x (n, d), (n,)."""
    xp = namespace(x)
    return xp.sqrt(xp.sum(x * x, axis=1))


def _middle(x: Array) -> Array:
    """A point amid the rows of x (n, d): the mean of the half nearest to the mean of all, (d,).

    A few far rows pull the mean of all away from the rest, but not this one.
    """
    xp = namespace(x)
    near = xp.argsort(_lengths(x - xp.mean(x, axis=0)))[: (x.shape[0] + 1) // 2]
    return xp.mean(xp.take(x, near, axis=0), axis=0)
