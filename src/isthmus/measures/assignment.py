"""Best one to one partners between columns of two spaces, and what chance partners would give."""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

from isthmus.core.arrays import Array, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.moments import Moments
from isthmus.core.random import Seed, generator


def assign(gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (min(dx, dy),) of a one to one assignment of the largest total gain.

    Every assignment takes one entry of each line of the narrower side, so a constant along such a
    line changes all totals alike. With each line's largest gain taken away first the solver starts
    near its end: two thirds of the time.
    """
    dx, dy = gain.shape
    cost = gain.max(axis=1, keepdims=True) - gain if dx <= dy else -gain
    if dx >= dy:
        cost -= cost.min(axis=0)
    return linear_sum_assignment(cost)


def deviations(
    x: Array, y: Array, moments: Moments, *, operation: str
) -> tuple[np.ndarray, np.ndarray]:
    """Root of the sum of squares of each centred column of x (dx,) and of y (dy,)."""
    found = []
    for name, array, scatter, mean in (
        ("x", x, moments.scatter_xx, moments.mean_x),
        ("y", y, moments.scatter_yy, moments.mean_y),
    ):
        squares = np.diag(scatter)
        eps = float(np.finfo(to_numpy(array[:1, :]).dtype).eps)
        flat = np.flatnonzero(squares <= moments.n * (8 * eps * np.abs(mean)) ** 2)
        if len(flat):
            raise InputError(
                operation,
                f"{name} {tuple(array.shape)} with {len(flat)} constant columns "
                f"(first: {', '.join(map(str, flat[:5]))})",
                "columns that vary",
                "Drop these columns first; one that never moves correlates with nothing.",
            )
        found.append(np.sqrt(squares))
    return found[0], found[1]


def against_shuffles(
    moments: Moments, statistic: Callable[[np.ndarray], float], value: float, rng: Seed
) -> tuple[float, float, float]:
    """Mean of a statistic of the cross-scatter over shuffled pairs, and z and p of its ``value``.

    Over shuffles the cross-scatter (dx, dy) has mean zero and covariance
    S_xx ⊗ S_yy / (n - 1), exactly; sums of n terms, it is drawn as the Gaussian R_x Z R_yᵀ /
    sqrt(n - 1), R Rᵀ = S, which costs no pass over rows and does not depend on their order.
    """
    draw = generator(rng)
    draws = 100 if max(moments.dims) <= 256 else 20
    roots = []
    for scatter in (moments.scatter_xx, moments.scatter_yy):
        values, vectors = symmetric_eigen(scatter)
        kept = values > 1e-12 * values[0]  # fewer than columns, where rows are few
        roots.append(vectors[:, kept] * np.sqrt(values[kept]))
    left, right = roots[0] / math.sqrt(moments.n - 1), roots[1].T
    ranks = left.shape[1], len(right)
    found = np.array([statistic(left @ draw.normal(size=ranks) @ right) for _ in range(draws)])
    mean, spread = float(found.mean()), float(found.std(ddof=1))
    if not spread > 0:
        return mean, 0.0, 1.0
    return mean, (value - mean) / spread, (1 + int(np.sum(found >= value))) / (1 + draws)
