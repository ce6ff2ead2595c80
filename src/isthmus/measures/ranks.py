r"""Ranks: how many rows lie closer, for blocks of rows, and the null of statistics of ranks.

Shared by the measures of this room; holds no method of its own.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from isthmus.core.arrays import Array, namespace, row_blocks, take, to_numpy
from isthmus.core.engine import map_on_cores
from isthmus.measures.mantel import Sums

T = TypeVar("T")

#: Entries of one block of distances: larger ones feed products better, smaller ones stay in cache.
_ENTRIES = 2**21
#: Entries that are sorted at once.
_CACHED = 2**15

#: Rows whose full ranking the null variance is taken from.
RANKED = 512


def centred_points(x: Array) -> tuple[Array, np.ndarray]:
    """Rows of x (n, d) centred and of moderate size, in float64, and their squared norms (n,)."""
    xp = namespace(x)
    points = xp.astype(x, xp.float64, copy=True)
    points -= xp.mean(points, axis=0)
    # Squares of 1e200 would overflow; ranks do not change with scale.
    peak = max(float(xp.max(points)), -float(xp.min(points)))
    if peak > 0:
        points /= peak
    return points, to_numpy(xp.vecdot(points, points))


def offsets(points: Array, norms: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared distances of ``rows`` to all, less |row|², (r, n); infinite to themselves."""
    asked = take(points, rows)
    d = to_numpy(asked @ points.T)
    d *= -2
    d += norms
    d[np.arange(len(rows)), rows] = np.inf
    return d


def over_rows(work: Callable[[np.ndarray], T], points: Array) -> Iterator[T]:
    """``work`` of consecutive row numbers, so many that (rows, n) distances stay in cache."""
    n = int(points.shape[0])
    blocks = [np.arange(n)[rows] for rows in row_blocks(n, max(1, _ENTRIES // n))]
    return map_on_cores(work, blocks, points)


def rank_rows(points: Array, norms: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """``by_rank`` of ``rows``, and the share of neighbouring ranks at one distance up to rounding.

    The row itself comes last.
    """
    d = offsets(points, norms, rows)
    few = slice(0, len(d), max(1, len(d) // 4))
    return by_rank(d), tied(d[few], rounding(norms, rows[few])[:, None])


def by_rank(d: np.ndarray) -> np.ndarray:
    """Columns of each row of d (r, n), the least first and ties by column.

    Values and columns are sorted as one integer each, several times faster than ``argsort``: the
    lowest bits of a value make room for its column. A row in which that told two values wrong is
    sorted again; only values that look equal then need a second look.
    """
    n = d.shape[1]
    room = np.int64((1 << (n - 1).bit_length()) - 1)
    columns, keys = np.arange(n), np.empty(d.shape, np.int64)
    # So few at once that a core's own cache holds them.
    for rows in row_blocks(len(d), max(1, _CACHED // n)):
        some, bits = keys[rows], d[rows].view(np.int64)
        # Of two negative floats the larger in bits is the smaller: flipped, they order as integers.
        np.right_shift(bits, 63, out=some)
        some &= np.int64(2**63 - 1)
        some ^= bits
        some &= ~room
        some |= columns
        some.sort(axis=1)
        alike = ((some[:, 1:] ^ some[:, :-1]) <= room).any()
        some &= room
        if alike:
            found = np.take_along_axis(d[rows], some, axis=1)
            wrong = (found[:, 1:] < found[:, :-1]).any(axis=1)
            some[wrong] = np.argsort(d[rows][wrong], axis=1, kind="stable")
    return keys


def rounding(norms: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Below this much, ``offsets`` of ``rows`` are equal up to rounding, (r,)."""
    slack: np.ndarray = 16 * np.finfo(np.float64).eps * (norms[rows] + norms.max())
    return slack


def tied(d: np.ndarray, slack: np.ndarray) -> float:
    """The share of neighbouring ranks at one distance up to ``slack`` (r, 1)."""
    return float((np.diff(np.sort(d)[:, :-1], axis=1) <= slack).mean())


def tied_share(points: Array, norms: np.ndarray) -> float:
    """``tied`` of up to 64 rows."""
    some = spread_rows(len(norms), 64)
    return tied(offsets(points, norms, some), rounding(norms, some)[:, None])


def spread_rows(n: int, most: int) -> np.ndarray:
    """Up to ``most`` numbers of n rows, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def rank_sums(points: Array, norms: np.ndarray, *, beyond: int = 0) -> Sums:
    """``Sums`` of max(rank - beyond, 0): exact where rows alone decide, the rest from some rows."""
    n = len(norms)
    top = n - 1.0 - beyond
    row, squares = top * (top + 1) / 2, top * (top + 1) * (2 * top + 1) / 6
    some = spread_rows(n, RANKED)
    m = len(some)
    numbers = np.maximum(np.arange(1, n + 1) - beyond, 0).astype(np.float64)[None, :]

    def work(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        order = by_rank(offsets(points, norms, rows))
        ranks = np.empty(order.shape)
        np.put_along_axis(ranks, order, numbers, axis=1)
        ranks[np.arange(len(rows)), rows] = 0.0
        return ranks.sum(axis=0), ranks[:, some], float(np.sum(ranks * ranks))

    blocks = [some[part] for part in row_blocks(m, max(1, _ENTRIES // n))]
    columns, among, squared = zip(*map_on_cores(work, blocks, points), strict=True)
    inner, column = np.concatenate(among), np.sum(columns, axis=0)
    mutual = float(np.sum(inner * inner.T)) / (m * (m - 1))
    seen = np.full(n, float(m))
    seen[some] -= 1
    shared = (float(column @ column) - sum(squared)) / float(np.sum(seen * (seen - 1)))
    return Sums(
        n=n, total=n * row, squares=n * squares, mutual=mutual * n * (n - 1), rows=n * row**2,
        columns=shared * n * (n - 1) * (n - 2) + n * squares, through=n * row**2,
    )  # fmt: skip
