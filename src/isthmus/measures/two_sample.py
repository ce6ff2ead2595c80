r"""Two samples: whether unpaired rows of two spaces come from one distribution.

Energy distance and MMD are one statistic of a symmetric matrix D of dissimilarities between all
rows (D = -K for a kernel K), taken here in one pass over the tiles above its diagonal.
Infrastructure; holds no method of its own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from isthmus.core.arrays import matrix, row_blocks, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.score import Score
from isthmus.measures.gram import chi_squared_tail
from isthmus.measures.mantel import Sums, permutation_moments
from isthmus.measures.rows import Z95, jackknife_error, upper_tail

#: Entries of one tile of the matrix: at most 2 MiB, which stay in cache.
_CELLS = 1 << 18
#: Entries of differences computed at once.
_ENTRIES = 1 << 20
#: Squared distances below these shares of |x|² + |y|² lose too many digits as products, by dtype.
_NEAR = {np.dtype(np.float32): 1e-2, np.dtype(np.float64): 1e-5}
#: Blocks from which the mean of their values is normal enough for its interval.
_BLOCKS = 30


@dataclass(frozen=True, slots=True)
class Comparison:
    """The statistic of two samples: ``unbiased`` (U) and ``biased`` (V, never below 0) form.

    ``ci`` belongs to the unbiased form; ``z`` and ``p`` test it against one common distribution.
    """

    unbiased: float
    biased: float
    ci: tuple[float, float] | None
    z: float | None
    p: float | None


def samples(x: Any, y: Any, *, operation: str) -> tuple[np.ndarray, int]:
    """Both samples in one matrix (nx + ny, d), centred together, and nx.

    In their own precision; in float64 where squares of float32 might leave its range.

    Raises
    ------
    InputError
        On unequal widths, fewer than 2 rows on a side, or rows that are all equal.
    """
    x, y = matrix("x", x, operation=operation), matrix("y", y, operation=operation)
    if x.shape[1] != y.shape[1] or min(x.shape[0], y.shape[0]) < 2:
        raise InputError(
            operation,
            f"x {tuple(x.shape)} and y {tuple(y.shape)}",
            "two samples of one space: equal widths and at least 2 rows each",
            "Translate one side with a bridge first.",
        )
    given = np.concatenate([to_numpy(side) for side in (x, y)])
    both = given - given.mean(axis=0, dtype=np.float64)
    peak = float(np.abs(both).max())
    if not np.ptp(both, axis=0).any():
        raise InputError(
            operation,
            f"x {tuple(x.shape)} and y {tuple(y.shape)} whose rows are all equal",
            "rows that vary",
            "Look at how these vectors were made: the encoder may have collapsed.",
        )
    return both.astype(given.dtype, copy=False) if 1e-12 < peak < 1e12 else both, x.shape[0]


class SquaredDistances:
    """Squared distances between rows (n, d), tile by tile.

    |x|² - 2xy + |y|² in the precision of the rows; where rows are so close that this loses digits,
    in float64, and from differences where it loses them there too.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows
        self._sizes = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)

    def tile(self, down: slice, across: slice) -> np.ndarray:
        """Those between the rows of two slices, which are one or have no row in common."""
        gap, near = self._products(down, across, self._rows.dtype)
        if near.any() and gap.dtype != np.float64:
            gap, near = self._products(down, across, np.dtype(np.float64))
        if near.any():
            rows, columns = np.nonzero(near)
            for part in row_blocks(len(rows), max(1, _ENTRIES // self._rows.shape[1])):
                i, j = rows[part], columns[part]
                rest = self._rows[down][i].astype(np.float64) - self._rows[across][j]
                gap[i, j] = np.einsum("ij,ij->i", rest, rest)
        if down == across:
            np.fill_diagonal(gap, 0.0)
        return gap

    def _products(
        self, down: slice, across: slice, dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tile computed in ``dtype``, and which of its pairs lie too close for that, if any."""
        left, right = (self._rows[rows].astype(dtype, copy=False) for rows in (down, across))
        high, wide = (self._sizes[rows].astype(dtype) for rows in (down, across))
        gap = (-2 * left) @ right.T
        gap += high[:, None]
        gap += wide
        if down == across:
            np.fill_diagonal(gap, np.inf)
        # One pass says that none does, nearly always.
        if gap.min() >= _NEAR[dtype] * (high.max() + wide.max()):
            return gap, np.zeros(0, bool)
        return gap, gap < _NEAR[dtype] * (high[:, None] + wide)


def compared(
    both: np.ndarray, first: int, dissimilarity: Callable[[np.ndarray], np.ndarray]
) -> Comparison:
    r"""2 mean D_xy - mean D_xx - mean D_yy with its interval, and z over all relabellings.

    The interval is the two-sample delete-one jackknife, less the variance that belongs to pairs of
    rows and not to rows, which a jackknife counts twice (Efron & Stein 1981). Mean (0) and variance
    of the statistic over all ways to call ``first`` of the rows x are exact; its null limit is a
    weighted sum of centred χ², so p is the tail of the most skewed of these, which is conservative.

    Parameters
    ----------
    both : (n, d) rows of x, then of y
    first : how many of them are x's
    dissimilarity : of squared distances, entry by entry; 0 of 0
    """
    n, m = len(both), len(both) - first
    x, y = slice(0, first), slice(first, n)
    squared, side = SquaredDistances(both), math.isqrt(_CELLS)
    # No tile holds rows of both samples, so that each belongs to xx, xy or yy.
    strips = [(rows, 0) for rows in row_blocks(first, side)]
    strips += [(slice(first + r.start, first + r.stop), 1) for r in row_blocks(m, side)]
    to, parts = np.zeros((2, n)), np.zeros(3)  # Σ D to x and to y; Σ D² in xx, xy and yy
    for i, (down, mine) in enumerate(strips):
        for across, theirs in strips[i:]:
            tile = dissimilarity(squared.tile(down, across))
            to[theirs, down] += tile.sum(axis=1)
            if across != down:
                to[mine, across] += tile.sum(axis=0)
            times = 2 if across != down and mine == theirs else 1
            parts[mine + theirs] += times * float(np.vdot(tile, tile))
    own, other = np.concatenate([to[0, x], to[1, y]]), np.concatenate([to[1, x], to[0, y]])
    squares = float(parts[0] + 2 * parts[1] + parts[2])
    sums = [float(one.sum()) for one in (own[x], own[y], other[x])]  # xx, yy, xy
    value = _value(first, m, *sums)
    biased = 2 * sums[2] / (first * m) - sums[0] / first**2 - sums[1] / m**2
    z = p = None
    if n >= 4:
        line = own + other
        through = float(line @ line)
        distances = Sums(n, float(line.sum()), squares, squares, through, through, through)
        spread = permutation_moments(distances, _labels(first, m))[1]
        if spread > 0:
            z = float(value / spread)
            p = chi_squared_tail(z)
    ci = None
    if min(first, m) > 3:
        half = [
            jackknife_error(value, [left])
            for left in (
                _value(first - 1, m, sums[0] - 2 * own[x], sums[1], sums[2] - other[x]),
                _value(first, m - 1, sums[0], sums[1] - 2 * own[y], sums[2] - other[y]),
            )
        ]
        if half[0] is not None and half[1] is not None:
            twice = _pairwise(own[x], sums[0], parts[0]) + _pairwise(own[y], sums[1], parts[2])
            twice += 4 * _across(other[x], other[y], parts[1])
            variance = half[0] ** 2 + half[1] ** 2
            width = Z95 * float(np.sqrt(max(variance - twice, twice)))
            ci = value - width, value + width
    return Comparison(float(value), max(float(biased), 0.0), ci, z, p)


def _value(nx: int, ny: int, xx: Any, yy: Any, xy: Any) -> Any:
    return 2 * xy / (nx * ny) - xx / (nx * (nx - 1)) - yy / (ny * (ny - 1))


def _pairwise(sums: np.ndarray, total: float, squares: float) -> float:
    """Variance of the mean of D within a sample that its rows alone do not explain."""
    n = len(sums)
    centred = squares - 2 / (n - 2) * float(sums @ sums) + total**2 / ((n - 1) * (n - 2))
    return max(2 * centred / (n * (n - 3)) / (n * (n - 1)), 0.0)


def _across(rows: np.ndarray, columns: np.ndarray, squares: float) -> float:
    """The same of the mean of D between two samples, from its row and column sums."""
    n, m = len(rows), len(columns)
    total = float(rows.sum())
    centred = squares - float(rows @ rows) / m - float(columns @ columns) / n + total**2 / (n * m)
    return max(centred / ((n - 1) * (m - 1)) / (n * m), 0.0)


def _labels(nx: int, ny: int) -> Sums:
    """``Sums`` of the weights that turn D into the unbiased statistic; all rows of it sum to 0."""
    within, across = [1 / (nx * (nx - 1)), 1 / (ny * (ny - 1))], 1 / (nx * ny)
    squares = within[0] + within[1] + 2 * across
    return Sums(nx + ny, 0.0, squares, squares, 0.0, 0.0, 0.0)


def blockwise(
    both: np.ndarray,
    first: int,
    dissimilarity: Callable[[np.ndarray], np.ndarray],
    size: int,
    rng: Seed,
    *,
    operation: str,
) -> Score:
    """2 mean D_xy - mean D_xx - mean D_yy of ``compared``, averaged over blocks of rows.

    A block takes ``size`` rows of either side and no row twice, so that values of blocks are
    independent; rows of the larger side that are left over are not read. Raises InputError on
    fewer than 2 rows or 30 blocks.
    """
    sides, draws = (both[:first], both[first:]), generator(rng)
    fewest = min(map(len, sides))
    if not 2 <= size <= fewest // _BLOCKS:
        raise InputError(
            operation, f"approximate={size} of {fewest} rows",
            f"blocks of at least 2 rows, and at least {_BLOCKS} blocks",
            "Take smaller blocks, or leave approximate out.",
        )  # fmt: skip
    count = fewest // size
    x, y = (
        side[draws.permutation(len(side))[: count * size]].reshape(size, count, -1)
        for side in sides
    )

    def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        rest = a - b
        return dissimilarity(np.einsum("ij,ij->i", rest, rest, dtype=np.float64))

    values = np.zeros(count)
    for i, j in product(range(size), repeat=2):
        values += 2 / size**2 * between(x[i], y[j])
        if i < j:
            values -= 2 / (size * (size - 1)) * (between(x[i], x[j]) + between(y[i], y[j]))
    value, error = float(values.mean()), float(values.std(ddof=1)) / count**0.5
    z = value / error if error > 0 else None
    return Score(
        value=value, method=operation, n=first, ci=(value - Z95 * error, value + Z95 * error),
        chance=0.0, z=z, p=None if z is None else upper_tail(z),
        warnings=(f"approximated by {count} blocks of {size} rows a side",),
    )  # fmt: skip
