"""Gram: passes over kernels and distances between rows, never an n x n matrix in memory.

A ``Rows`` gives a slice of rows of a symmetric (n, n) matrix with a zero diagonal, in float64 and
of the kind of the points. ``hsic`` needs two passes over such matrices, whatever they hold.
Infrastructure; holds no method of its own.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from isthmus.core.arrays import Array, like, namespace, row_blocks, to_numpy
from isthmus.core.errors import InputError

Rows = Callable[[slice], Array]

#: Entries of one block of a matrix: 16 MiB of float64.
_CELLS = 1 << 21


def blocks(n: int) -> list[slice]:
    """Slices of 0..n small enough that so many rows of an (n, n) matrix fit a block."""
    return list(row_blocks(n, max(1, _CELLS // n)))


def points(name: str, x: Array, *, operation: str) -> Array:
    """Rows of x (n, d), centred, in float64, scaled to a largest entry of 1.

    Centring first is what keeps digits far from the origin; the scale keeps squares within range.
    Raises InputError when all rows are equal up to rounding.
    """
    xp = namespace(x)
    eps = float(xp.finfo(x.dtype).eps)
    x = xp.astype(x, xp.float64)
    x = x / (float(xp.max(xp.abs(x))) or 1.0)
    x = x - xp.mean(x, axis=0)
    peak = float(xp.max(xp.abs(x)))
    if not peak > 8 * eps:
        raise InputError(operation, f"{name} whose {x.shape[0]} rows are all equal", "varied rows")
    return x / peak


def products(x: Array) -> Rows:
    """Inner products of the rows of ``points``."""
    return lambda rows: _hollow(x[rows, :] @ x.T, rows)


def squared_distances(x: Array) -> Rows:
    """Squared Euclidean distances between the rows of ``points``."""
    xp = namespace(x)
    norms = xp.sum(x * x, axis=1)

    def rows_of(rows: slice) -> Array:
        gap = norms[rows][:, None] + norms[None, :] - 2.0 * (x[rows, :] @ x.T)
        return _hollow(xp.where(gap > 0, gap, 0.0 * gap), rows)

    return rows_of


def distances(x: Array) -> Rows:
    """Euclidean distances between the rows of ``points``; those of equal rows are below 1e-7."""
    xp, squared = namespace(x), squared_distances(x)
    return lambda rows: xp.sqrt(squared(rows))


def gaussian(x: Array, bandwidth: float) -> Rows:
    """exp(-|x_i - x_j|² / (2 bandwidth²)) between the rows of ``points``."""
    xp, squared = namespace(x), squared_distances(x)
    return lambda rows: _hollow(xp.exp(squared(rows) * (-0.5 / bandwidth**2)), rows)


def _hollow(block: Array, rows: slice) -> Array:
    """The block with the matrix's diagonal set to zero."""
    xp = namespace(block)
    place = getattr(block, "device", None)
    across = xp.arange(block.shape[1], device=place)[None, :]
    down = xp.arange(rows.start, rows.stop, device=place)[:, None]
    return xp.where(across == down, 0.0 * block, block)


def hsic(
    matrices: Sequence[Rows],
    reference: Array,
    *,
    operation: str,
    names: Sequence[str] = ("x", "y", "confound"),
    leave_out: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Unbiased HSIC of every pair of m matrices, and of every pair without row i, for each i.

    .. math:: \mathrm{HSIC}_u(K, L) = \frac{1}{n(n-3)} \Big[\sum_{ij} K_{ij} L_{ij} +
              \frac{\Sigma K \, \Sigma L}{(n-1)(n-2)} - \frac{2}{n-2} \sum_i k_i l_i\Big]

    with row sums k, l of matrices with a zero diagonal. Leaving row i out only needs t_i = Σ_j
    K_ij L_ij, (Kl)_i and (Lk)_i besides, so all n values cost one more pass.

    Parameters
    ----------
    matrices : m functions that give rows of an (n, n) matrix
    reference : (n, d) array, for the kind and the number of rows; n >= 4
    leave_out : whether to make the second pass

    Returns
    -------
    values : (m, m)
    left_out : (n, m, m); (0, m, m) without ``leave_out`` or with 4 rows

    Raises
    ------
    InputError
        Where all off-diagonal entries of a matrix are equal: then nothing is left of it.

    References
    ----------
    Song et al. 2012, "Feature Selection via Dependence Maximization", eq. 5.
    """
    n, m = reference.shape[0], len(matrices)
    xp = namespace(reference)
    sums = np.empty((n, m))
    shared = np.zeros((n, m, m))
    for rows in blocks(n):
        block = [matrix(rows) for matrix in matrices]
        for i, one in enumerate(block):
            sums[rows, i] = to_numpy(xp.sum(one, axis=1))
            for j, two in enumerate(block[: i + 1]):
                shared[rows, i, j] = shared[rows, j, i] = to_numpy(xp.sum(one * two, axis=1))
    values = all_rows(sums, shared, operation=operation, names=names)
    if not leave_out or n == 4:
        return values, np.empty((0, m, m))
    weights = like(sums, xp.astype(reference, xp.float64))
    through = np.empty((n, m, m))
    for rows in blocks(n):
        for i, matrix in enumerate(matrices):
            through[rows, i] = to_numpy(matrix(rows) @ weights)
    return values, one_left_out(sums, shared, through)


def all_rows(
    sums: np.ndarray, shared: np.ndarray, *, operation: str, names: Sequence[str] = ("x", "y")
) -> np.ndarray:
    """The values of ``hsic`` from row sums (n, m) and t (n, m, m); refuses what it refuses."""
    n, m = sums.shape
    trace, total = shared.sum(axis=0), sums.sum(axis=0)
    values = unbiased(n, trace, np.outer(total, total), sums.T @ sums)
    for i in range(m):
        # What rounding leaves of a matrix that centring empties.
        if not values[i, i] > 64 * np.finfo(float).eps * trace[i, i] / (n * (n - 3)):
            raise InputError(
                operation, f"{names[i]} whose rows are all equally far apart", "varied distances"
            )
    return values


def one_left_out(sums: np.ndarray, shared: np.ndarray, through: np.ndarray) -> np.ndarray:
    """Those without row i, from ``through``, (n, m, m): row i of each matrix with all row sums."""
    rest = sums.sum(axis=0) - 2 * sums
    cross = sums.T @ sums - sums[:, :, None] * sums[:, None, :] + shared
    cross -= through + through.transpose(0, 2, 1)
    totals = rest[:, :, None] * rest[:, None, :]
    return unbiased(len(sums) - 1, shared.sum(axis=0) - 2 * shared, totals, cross)


def unbiased(n: int, trace: np.ndarray, totals: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """HSIC_u of n rows from Σ K_ij L_ij, ΣK ΣL and Σ k_i l_i."""
    result: np.ndarray = trace + totals / ((n - 1) * (n - 2)) - 2 * cross / (n - 2)
    return result / (n * (n - 3))


def correlation(values: np.ndarray) -> np.ndarray:
    """HSICs (..., m, m) over the roots of their diagonals; NaN where those are not positive."""
    diagonal = np.einsum("...ii->...i", values)
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(diagonal)
        result: np.ndarray = values / root[..., :, None] / root[..., None, :]
    return result


def deviation(value: float, n: int) -> float:
    """A debiased correlation of two matrices in its own deviations under shuffled pairs, z.

    Over all permutations of the rows of one matrix its mean is 0 and its standard deviation
    sqrt(2 / (n (n - 3))), exactly and whatever the matrices hold: U-centred rows sum to zero.
    """
    return math.sqrt(n * (n - 3) / 2) * value


def chi_squared_tail(z: float) -> float:
    """P(Z > z) of a centred χ² with one degree of freedom and variance 1.

    The most skewed of all limits that a debiased correlation can have under independence (a
    weighted sum of centred χ²), so it holds for any kernel at the levels that are used, and is
    conservative where many directions share the variance (Shen, Panda & Vogelstein 2022).
    """
    return math.erfc(math.sqrt(max(1.0 + math.sqrt(2.0) * z, 0.0) / 2.0))
