r"""Gram: unbiased HSIC of kernels or distances between rows, from their row sums alone.

Infrastructure; holds no method of its own.
"""

import math
from collections.abc import Sequence

import numpy as np

from isthmus.core.arrays import Array, like, to_numpy
from isthmus.core.errors import InputError
from isthmus.measures.rdm import Dissimilarities, RowSums, over_pairs


def hsic(
    x: Dissimilarities, y: Dissimilarities, *, operation: str, leave_out: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    r"""Unbiased HSIC of two matrices, each with itself and the other, and the same without row i.

    .. math:: \mathrm{HSIC}_u(K, L) = \frac{1}{n(n-3)} \Big[\sum_{ij} K_{ij} L_{ij} +
              \frac{\Sigma K \, \Sigma L}{(n-1)(n-2)} - \frac{2}{n-2} \sum_i k_i l_i\Big]

    with row sums k, l of matrices with a zero diagonal. Leaving row i out only needs t_i = Σ_j
    K_ij L_ij, (Kl)_i and (Lk)_i besides, so all n values cost one more pass over half of the pairs.

    Parameters
    ----------
    x, y : matrices of the same n >= 4 rows
    leave_out : whether to make the second pass

    Returns
    -------
    values : (2, 2)
    left_out : (n, 2, 2); (0, 2, 2) without ``leave_out`` or with 4 rows

    Raises
    ------
    InputError
        Where all off-diagonal entries of a matrix are equal: then nothing is left of it.

    References
    ----------
    Song et al. 2012, "Feature Selection via Dependence Maximization", eq. 5.
    """
    found = RowSums.of_rows(x, y)
    sums = np.stack([found.a, found.b], axis=1)
    shared = np.stack([found.aa, found.ab, found.ab, found.bb], axis=1).reshape(-1, 2, 2)
    values = _all_rows(sums, shared, operation=operation)
    if not leave_out or found.n == 4:
        return values, np.empty((0, 2, 2))
    return values, _one_left_out(sums, shared, _through((x, y), sums))


def _through(sides: tuple[Dissimilarities, ...], weights: np.ndarray) -> np.ndarray:
    """Products (n, m, m) of the entries of each of m sides with the row sums (n, m) of all."""
    weights_here = like(weights, sides[0].rows)

    def sums(
        squared: Sequence[Array], rows: slice, columns: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        blocks = [side.entries(one) for side, one in zip(sides, squared, strict=True)]
        down = [to_numpy(one @ weights_here[columns, :]) for one in blocks]
        return np.stack(down), np.stack([to_numpy(one.T @ weights_here[rows, :]) for one in blocks])

    found = over_pairs(sides, sums, np.zeros((len(sides), *weights.shape)))
    return found.transpose(1, 0, 2)


def _all_rows(sums: np.ndarray, shared: np.ndarray, *, operation: str) -> np.ndarray:
    """The values of ``hsic`` from row sums (n, m) and t (n, m, m); refuses what it refuses."""
    n = len(sums)
    trace, total = shared.sum(axis=0), sums.sum(axis=0)
    values = unbiased(n, trace, np.outer(total, total), sums.T @ sums)
    for i, name in enumerate(("x", "y")):
        # What rounding leaves of a matrix that centring empties.
        if not values[i, i] > 64 * np.finfo(float).eps * trace[i, i] / (n * (n - 3)):
            raise InputError(
                operation,
                f"{name} whose rows are all equally far apart, {n} of them",
                "varied distances",
                "Bring more rows than dimensions, or other ones.",
            )
    return values


def _one_left_out(sums: np.ndarray, shared: np.ndarray, through: np.ndarray) -> np.ndarray:
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
