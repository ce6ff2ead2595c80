"""Rows: passes over centred rows, an order no one chose, and what leaving rows out says.

Shared by the measures of this room; holds no method of its own.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from isthmus.core.arrays import Array, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.random import Seed, generator

#: Rows per block of a pass: few enough that one block's memory serves the next.
BLOCK = 2048

#: Half-width of a 95 % normal interval, in standard errors.
Z95 = 1.959963984540054


def centred(
    x: Array, mean: np.ndarray, *, rows: int = BLOCK, wide: bool = True
) -> Iterator[np.ndarray]:
    """Blocks of x (n, d) minus ``mean`` (d,), as NumPy of at most ``rows`` rows.

    In float64, or unless ``wide`` in the precision of x: twice as fast, and enough for sums over
    rows of what is not itself a small difference.
    """
    for start in range(0, x.shape[0], rows):
        # Ends past the last row are not part of the array standard.
        block = to_numpy(x[start : min(start + rows, x.shape[0]), :])
        yield block.astype(np.float64) - mean if wide else block - mean.astype(block.dtype)


def check_varied(
    name: str, array: Array, scatter: np.ndarray, mean: np.ndarray, *, operation: str
) -> None:
    """Raise InputError when all rows of ``array`` are equal up to rounding."""
    n, d = array.shape
    eps = float(np.finfo(to_numpy(array[:1, :]).dtype).eps)
    noise = n * d * (8 * eps * float(np.abs(mean).max())) ** 2
    if not float(np.trace(scatter)) > noise:
        raise InputError(operation, f"{name} whose {n} rows are all equal", "rows that vary")


def upper_tail(z: float) -> float:
    """P(Z > z) of a standard normal."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def jackknife_error(value: float, left_out: Iterable[np.ndarray]) -> float | None:
    """The standard error of ``value`` from its n leave-one-out values, given in blocks.

    se² = (n - 1)/n Σ (θ₋ₘ - θ̄)² (Efron 1982). None where a left-out value is not finite.
    """
    n, first, second = 0, 0.0, 0.0
    for block in left_out:
        if not np.isfinite(block).all():
            return None
        # Differences from the value itself: the spread is tiny beside the value.
        shift = block - value
        n, first, second = n + len(shift), first + float(shift.sum()), second + float(shift @ shift)
    return math.sqrt(max((n - 1) / n * (second - first * first / n), 0.0))


def jackknife(value: float, left_out: Iterable[np.ndarray]) -> tuple[float, float] | None:
    """The 95 % interval around ``value`` from its n leave-one-out values, given in blocks.

    ``value`` ± 1.96 of ``jackknife_error``. Student's quantile would be too much of a good thing:
    that error is already a little large at few rows. None where a left-out value is not finite.
    """
    error = jackknife_error(value, left_out)
    return None if error is None else (value - Z95 * error, value + Z95 * error)


def influence_interval(
    value: float, influences: Iterable[np.ndarray]
) -> tuple[float, float] | None:
    """The 95 % interval around ``value`` from the influence of each of n rows, given in blocks.

    ψ_i is n times the derivative of the value in the weight of row i, and
    se² = Σ (ψ_i - ψ̄)² / (n (n - 1)): the infinitesimal jackknife (Jaeckel 1972), one pass where
    leaving rows out would cost a factorisation each. None where an influence is not finite.
    """
    n, first, second = 0, 0.0, 0.0
    for block in influences:
        if not np.isfinite(block).all():
            return None
        n, first, second = n + len(block), first + float(block.sum()), second + float(block @ block)
    if n < 2:
        return None
    error = math.sqrt(max(second - first * first / n, 0.0) / (n * (n - 1)))
    return value - Z95 * error, value + Z95 * error


def shuffled(x: Array, y: Array, moments: Moments, rng: Seed) -> np.ndarray:
    """Row numbers (n,) in a random order that does not depend on the order rows came in.

    Rows are first put in the order of |x_i - x̄|²/tr S_xx + |y_i - ȳ|²/tr S_yy, which no rotation,
    shift or scaling of either space changes, then shuffled by ``rng``.
    """
    totals = moments.variance_x, moments.variance_y
    blocks = zip(centred(x, moments.mean_x), centred(y, moments.mean_y), strict=True)
    keys = [
        np.einsum("ij,ij->i", xb, xb) / totals[0] + np.einsum("ij,ij->i", yb, yb) / totals[1]
        for xb, yb in blocks
    ]
    order = np.argsort(np.concatenate(keys), kind="stable")
    return order[generator(rng).permutation(len(order))]
