"""Factors: ground truth behind rows, checked, and how much single columns tell about each.

Shared by the measures of disentanglement; holds no method of its own.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from isthmus.core.arrays import is_numpy, row_blocks, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator

SHUFFLES = 199

#: Entries of the factors, and of the indicators of columns, that are multiplied at once.
_ENTRIES = 1 << 24


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
            operation,
            f"factors of shape {host.shape} and dtype {host.dtype}",
            "integers, strings or finite numbers",
            "Name the levels of each factor, and drop rows without.",
        )
    still = np.flatnonzero((host == host[0]).all(axis=0))
    if len(still):
        raise InputError(
            operation,
            f"factors {host.shape} that never vary: columns {', '.join(map(str, still[:5]))}",
            "factors of 2 values or more", "Leave them out.",
        )  # fmt: skip
    return host


def levels(column: np.ndarray, bins: int) -> np.ndarray:
    """Values of a column (n,) as numbers 0, 1, ...: their own, or bins of equal counts.

    More than ``bins`` distinct values are cut by rank into ``bins`` bins, so that no increasing map
    of the column changes them; equal values stay together.
    """
    _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    if len(counts) <= bins:
        return np.asarray(place)
    below = np.cumsum(counts) - counts  # rows of lower values
    return np.asarray(np.unique(below * bins // len(column), return_inverse=True)[1][place])


class Information:
    """Mutual information of each column of x with each factor, for the rows as paired or shuffled.

    Plug-in, in nats, over ``bins`` bins of equal counts where a column has more values; x is
    (n, d), factors (n, g). ``entropy`` (g,) is that of the factors.
    """

    def __init__(self, x: np.ndarray, factors: np.ndarray, bins: int) -> None:
        self.codes = np.column_stack([levels(column, bins) for column in x.T])
        self.factors = np.column_stack([levels(column, bins) for column in factors.T])
        n = len(x)
        self.sizes = self.codes.max(axis=0) + 1
        self.widths = self.factors.max(axis=0) + 1
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self._columns = np.concatenate([[0], np.cumsum(self.widths)[:-1]])
        self._known = np.zeros((n, int(self.widths.sum())))
        np.put_along_axis(self._known, self.factors + self._columns, 1.0, axis=1)
        self._p = np.bincount((self.codes + self._starts).ravel()) / n
        self._q = self._known.mean(axis=0)
        self.entropy = -np.add.reduceat(self._q * np.log(self._q), self._columns)
        self._own_entropy = -np.add.reduceat(self._p * np.log(self._p), self._starts)

    def matrix(self, order: np.ndarray | None = None) -> np.ndarray:
        """Mutual information (d, g), the rows of the factors taken in ``order``."""
        every = np.arange(len(self.codes)) if order is None else order
        return next(self.matrices(iter([every])))

    def matrices(self, orders: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """``matrix`` of every order: counts of many shuffles are one product with indicators."""
        n = len(self.codes)
        # The last value of a factor has what the others leave.
        last = self._columns + self.widths - 1
        known = np.delete(self._known, last, axis=1).astype(np.float32 if n < 1 << 24 else float)
        firsts = self._columns - np.arange(len(last))
        counts = np.arange(n + 1.0)
        terms = counts * np.log(np.maximum(counts, 1.0))
        at_once = max(1, _ENTRIES // known.size)
        together = max(1, _ENTRIES // (n * int(self.sizes.max())))
        while batch := list(islice(orders, at_once)):
            shuffled = np.stack([known[order] for order in batch], axis=1)
            found = [
                self._joint_terms(columns, shuffled, firsts, terms)
                for columns in row_blocks(self.codes.shape[1], together)
            ]
            rows = np.concatenate(found).transpose(1, 0, 2) / n
            yield from rows + self._own_entropy[:, None] + self.entropy - math.log(n)

    def _joint_terms(
        self, columns: slice, shuffled: np.ndarray, firsts: np.ndarray, terms: np.ndarray
    ) -> np.ndarray:
        """Σ c log c over the counts of some columns with each factor, (columns, shuffles, g)."""
        (n, count, width), codes = shuffled.shape, self.codes[:, columns]
        starts = self._starts[columns] - self._starts[columns.start]
        member = np.zeros((n, int(self.sizes[columns].sum())), shuffled.dtype)
        np.put_along_axis(member, codes + starts, 1.0, axis=1)
        joint = (member.T @ shuffled.reshape(n, -1)).reshape(-1, count, width).astype(np.intp)
        rest = member.sum(axis=0).astype(np.intp)[:, None, None]
        rest = rest - np.add.reduceat(joint, firsts, axis=2)
        whole = np.add.reduceat(terms[joint], firsts, axis=2) + terms[rest]
        return np.asarray(np.add.reduceat(whole, starts, axis=0))

    def pointwise(self, column: int, factor: int) -> np.ndarray:
        """Pointwise log p(z, v) / p(z) p(v) of every row (n,), for one column and one factor."""
        z, v = self.codes[:, column], self.factors[:, factor]
        cell = z * self.widths[factor] + v
        joint = np.bincount(cell)[cell] / len(cell)
        alone = self._p[z + self._starts[column]] * self._q[v + self._columns[factor]]
        return np.asarray(np.log(joint / alone))

    def surprise(self, factor: int) -> np.ndarray:
        """-log p(v) of every row (n,)."""
        return np.asarray(-np.log(self._q[self.factors[:, factor] + self._columns[factor]]))


def against_shuffles(
    value: float,
    of: Callable[[Iterator[np.ndarray]], Iterable[float]],
    keys: np.ndarray,
    rng: Seed,
) -> tuple[float, float, float]:
    """Mean of a statistic over shuffles of the factors' rows, and z and p of the value found.

    ``of`` takes orders (n,) of the factors and gives one value each. ``keys`` (n, k) put the rows
    in an order of their own first, so that the shuffles do not depend on the order they came in.
    """
    first = np.lexsort(keys.T)
    back = np.argsort(first)
    draw = generator(rng)
    orders = (first[draw.permutation(len(keys))][back] for _ in range(SHUFFLES))
    null = np.array(list(of(orders)))
    mean, spread = float(null.mean()), float(null.std(ddof=1))
    z = (value - mean) / spread if spread > 1e-12 else 0.0
    return mean, z, (1 + int(np.sum(null >= value - 1e-12))) / (1 + SHUFFLES)
