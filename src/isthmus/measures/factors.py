"""Factors: ground truth behind rows, checked, and how much single columns tell about each.

Shared by the measures of disentanglement; holds no method of its own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.core.arrays import is_numpy, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator

SHUFFLES = 199


def table(factors: Any, rows: int, *, operation: str) -> np.ndarray:
    """Factors as an array (rows, g) of numbers or names; every column takes 2 values or more."""
    known = is_numpy(factors) or hasattr(factors, "__array_namespace__")
    host = to_numpy(factors) if known or hasattr(factors, "detach") else np.asarray(factors)
    if host.ndim != 2 or len(host) != rows or not host.shape[1]:
        raise InputError(
            operation, f"factors of shape {host.shape} for {rows} rows", f"shape ({rows}, g)",
            "One column for each factor.",
        )  # fmt: skip
    if host.dtype.kind not in "iubUSf" or (host.dtype.kind == "f" and not np.isfinite(host).all()):
        raise InputError(
            operation, f"factors of dtype {host.dtype}", "integers, strings or finite numbers"
        )
    still = np.flatnonzero((host == host[0]).all(axis=0))
    if len(still):
        raise InputError(
            operation, f"factors that never vary: columns {', '.join(map(str, still[:5]))}",
            "factors of 2 values or more", "Leave them out.",
        )  # fmt: skip
    return host


def levels(column: np.ndarray, bins: int) -> np.ndarray:
    """Values of a column (n,) as numbers 0, 1, ...: their own, or bins of equal counts.

    More than ``bins`` distinct values are cut by rank into ``bins`` bins, so that no increasing map
    of the column changes them; equal values stay together.
    """
    from scipy.stats import rankdata

    _, place = np.unique(column, return_inverse=True)
    if place.max() < bins:
        return np.asarray(place)
    rank = rankdata(place, method="min") - 1
    return np.unique((rank * bins // len(column)).astype(int), return_inverse=True)[1]


class Information:
    """Mutual information of each column of x with each factor, for the rows as paired or shuffled.

    Plug-in, in nats, over ``bins`` bins of equal counts where a column has more values; x is
    (n, d), factors (n, g). ``entropy`` (g,) is that of the factors.
    """

    def __init__(self, x: np.ndarray, factors: np.ndarray, bins: int) -> None:
        from scipy.sparse import csr_array

        self.codes = np.column_stack([levels(column, bins) for column in x.T])
        self.factors = np.column_stack([levels(column, bins) for column in factors.T])
        n = len(x)
        self.sizes = self.codes.max(axis=0) + 1
        self.widths = self.factors.max(axis=0) + 1
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self._columns = np.concatenate([[0], np.cumsum(self.widths)[:-1]])
        ends = np.arange(0, n * x.shape[1] + 1, x.shape[1])
        cells = (self.codes + self._starts).ravel()
        member = csr_array((np.ones(cells.size), cells, ends), shape=(n, int(self.sizes.sum())))
        self._member = member.T.tocsr()
        self._known = np.zeros((n, int(self.widths.sum())))
        np.put_along_axis(self._known, self.factors + self._columns, 1.0, axis=1)
        self._p = np.asarray(self._member.sum(axis=1)).ravel() / n
        self._q = self._known.mean(axis=0)
        self.entropy = -np.add.reduceat(self._q * np.log(self._q), self._columns)

    def logs(self, order: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Joint shares and log p(z, v) / p(z) p(v) (bins of x, values of factors), 0 where none."""
        known = self._known if order is None else self._known[order]
        joint = (self._member @ known) / len(known)
        ratio = np.ones_like(joint)
        np.divide(joint, self._p[:, None] * self._q, out=ratio, where=joint > 0)
        return joint, np.log(ratio)

    def matrix(self, order: np.ndarray | None = None) -> np.ndarray:
        """Mutual information (d, g), the rows of the factors taken in ``order``."""
        joint, logs = self.logs(order)
        rows = np.add.reduceat(joint * logs, self._starts, axis=0)
        return np.asarray(np.add.reduceat(rows, self._columns, axis=1))

    def pointwise(self, column: int, factor: int) -> np.ndarray:
        """Pointwise log p(z, v) / p(z) p(v) of every row (n,), for one column and one factor."""
        z = self.codes[:, column] + self._starts[column]
        v = self.factors[:, factor] + self._columns[factor]
        return np.asarray(self.logs()[1][z, v])

    def surprise(self, factor: int) -> np.ndarray:
        """-log p(v) of every row (n,)."""
        return np.asarray(-np.log(self._q[self.factors[:, factor] + self._columns[factor]]))


def against_shuffles(
    value: float, of: Callable[[np.ndarray], float], keys: np.ndarray, rng: Seed
) -> tuple[float, float, float]:
    """Mean of a statistic over shuffles of the factors' rows, and z and p of the value found.

    ``of`` takes an order (n,) of the factors. ``keys`` (n, k) put the rows in an order of their
    own first, so that the shuffles do not depend on the order they came in.
    """
    first = np.lexsort(keys.T)
    back = np.argsort(first)
    draw = generator(rng)
    null = np.array([of(first[draw.permutation(len(keys))][back]) for _ in range(SHUFFLES)])
    mean, spread = float(null.mean()), float(null.std(ddof=1))
    z = (value - mean) / spread if spread > 1e-12 else 0.0
    return mean, z, (1 + int(np.sum(null >= value - 1e-12))) / (1 + SHUFFLES)
