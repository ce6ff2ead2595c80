r"""Two samples: whether unpaired rows of two spaces come from one distribution.

Energy distance and MMD are one statistic of a symmetric matrix D of dissimilarities between all
rows (D = -K for a kernel K), taken here in one blocked pass. Infrastructure; holds no method of its
own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.arrays import matrix, row_blocks, to_numpy
from isthmus.core.errors import InputError
from isthmus.measures.gram import chi_squared_tail
from isthmus.measures.mantel import Sums, permutation_moments
from isthmus.measures.rows import Z95, jackknife_error

#: Entries of one block of the matrix: 16 MiB of float64.
_CELLS = 1 << 21


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
    """Both samples in one float64 matrix (nx + ny, d), centred together, and nx.

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
    both = np.concatenate([to_numpy(side).astype(np.float64) for side in (x, y)])
    both -= both.mean(axis=0)
    if not np.ptp(both, axis=0).any():
        raise InputError(operation, f"{len(both)} rows that are all equal", "rows that vary")
    return both, x.shape[0]


def compared(both: np.ndarray, first: int, dissimilarity: Callable[..., np.ndarray]) -> Comparison:
    r"""2 mean D_xy - mean D_xx - mean D_yy with its interval, and z over all relabellings.

    The interval is the two-sample delete-one jackknife, less the variance that belongs to pairs of
    rows and not to rows, which a jackknife counts twice (Efron & Stein 1981). Mean (0) and variance
    of the statistic over all ways to call ``first`` of the rows x are exact; its null limit is a
    weighted sum of centred χ², so p is the tail of the most skewed of these, which is conservative.

    Parameters
    ----------
    both : (n, d) rows of x, then of y
    first : how many of them are x's
    dissimilarity : of a block of rows (b, d) to all rows (n, d), (b, n); 0 between equal rows, or
        any constant
    """
    n, m = len(both), len(both) - first
    x, y = slice(0, first), slice(first, n)
    own, other, parts = np.empty(n), np.empty(n), np.zeros(3)  # parts: Σ D² in xx, yy and xy
    for rows in row_blocks(n, max(1, _CELLS // n)):
        block = dissimilarity(both[rows], both)
        # The diagonal of a kernel is not zero; subtracting a constant everywhere changes nothing.
        block = block - block[0, rows.start]
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = 0.0
        mine = np.arange(rows.start, rows.stop) < first
        to_x, to_y = block[:, :first].sum(axis=1), block[:, first:].sum(axis=1)
        own[rows], other[rows] = np.where(mine, to_x, to_y), np.where(mine, to_y, to_x)
        for part, (down, across) in enumerate(((mine, x), (~mine, y), (mine, y))):
            parts[part] += float(np.sum(block[down, across] ** 2))
    squares = float(parts[0] + parts[1] + 2 * parts[2])
    sums = own[:first].sum(), own[first:].sum(), other[:first].sum()  # xx, yy, xy
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
            twice = _pairwise(own[x], sums[0], parts[0]) + _pairwise(own[y], sums[1], parts[1])
            twice += 4 * _across(other[x], other[y], parts[2])
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
