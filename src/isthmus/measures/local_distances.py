r"""Local distances: each distinct row's nearest neighbours, and what Gaussian rows would give.

Shared by the measures of local dimension; holds no method of its own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isthmus.core.arrays import Array, check_rows, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors

#: Points of the deterministic sample behind one Gaussian reading.
_POINTS = 1024


@dataclass(frozen=True, slots=True)
class Nearest:
    """The k nearest other rows of every distinct row.

    ``rows`` (m, d) float64, ``distances`` and ``indices`` (m, k), all positive and nearest first;
    ``inverse`` (n,) takes every row that came to its distinct one.
    """

    rows: np.ndarray
    distances: np.ndarray
    indices: np.ndarray
    inverse: np.ndarray

    @property
    def warnings(self) -> tuple[str, ...]:
        """How many duplicates were removed, if any."""
        removed = len(self.inverse) - len(self.rows)
        return (f"{removed} duplicate rows removed",) if removed else ()


def nearest(x: Array, k: int, *, operation: str, least: int) -> Nearest:
    """The k nearest distinct rows of every distinct row of x (n, d).

    Raises InputError on k below 1 or fewer than ``least`` distinct rows.
    """
    given = int(x.shape[0])
    if k < 1:
        raise InputError(operation, f"k={k}", "k >= 1")
    check_rows(least, operation=operation, x=x.shape)
    rows, inverse = to_numpy(x).astype(np.float64), np.arange(given)
    found, apart = (to_numpy(a) for a in neighbors(x, x, k, exclude_self=True))
    if not apart[:, 0].all():
        rows, inverse = np.unique(rows, axis=0, return_inverse=True)
        if len(rows) < least:
            raise InputError(
                operation, f"{len(rows)} distinct rows of {given}", f"at least {least} distinct",
                "Bring more rows that differ.",
            )  # fmt: skip
        found, apart = neighbors(rows, rows, k, exclude_self=True)
    return Nearest(rows, apart, found, inverse.reshape(-1))


def overlap_sum(influences: np.ndarray, indices: np.ndarray) -> float:
    """Sum of e_i e_j over rows i = j and over neighbours: the variance of Σ e_i where they share.

    Rows whose neighbourhoods overlap err together, so squares alone are too small. ``influences``
    (n,) have mean zero, ``indices`` (n, k) are the neighbours. Never below half the squares.
    """
    from scipy.sparse import csr_array

    n, k = indices.shape
    edges = csr_array((np.ones(n * k), indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    squares = float(influences @ influences)
    shared = float(influences @ (edges.maximum(edges.T) @ influences))
    return max(squares + shared, squares / 2)


def gaussian_logs(n: int, dim: float, near: int, far: int) -> np.ndarray:
    """A sample of log(r_far / r_near) of n Gaussian rows of dimension ``dim``.

    Computed, not drawn: given its own radius, the squared distances from a Gaussian row to the
    others are noncentral χ², and order statistics of n - 1 uniforms pick the ranks. A deterministic
    low-discrepancy sequence covers radius and ranks. With ``near`` = 0 the nearer rank is any of
    1 .. far - 1, all alike.
    """
    from scipy.special import betaincinv, chndtrix, gammaincinv

    # Additive recurrence by powers of the root of x⁴ = x + 1: even coverage of the cube.
    root = 1.2207440846057596
    u = (0.5 + np.outer(np.arange(1, _POINTS + 1), root ** -np.arange(1.0, 4.0))) % 1
    radius = 2 * gammaincinv(dim / 2, u[:, 0])
    outer = betaincinv(far, n - far, u[:, 1])
    inner = outer * (betaincinv(near, far - near, u[:, 2]) if near else u[:, 2])
    return np.asarray(np.log(chndtrix(outer, dim, radius) / chndtrix(inner, dim, radius)) / 2)


def low_reading(value: float, n: int, reading: Callable[[float], float]) -> tuple[str, ...]:
    """A warning that names the Gaussian dimension which reads ``value``, where 10 % above it.

    ``reading`` gives what n Gaussian rows of a dimension read, and rises with it.
    """
    low, high = max(value, 1.0), 4 * max(value, 1.0)
    if reading(1.1 * low) >= value:
        return ()
    corrected = math.inf
    if reading(high) >= value:
        for _ in range(7):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if reading(middle) < value else (low, middle)
        corrected = math.sqrt(low * high)
    return (
        f"reads low here: Gaussian rows of dimension {corrected:.3g} read {value:.3g} at n={n}",
    )
