"""Rows: passes over centred rows, an order no one chose, and what leaving rows out says.

Shared by the measures of this room; holds no method of its own.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from isthmus.core.arrays import Array, all_equal, is_numpy, namespace, row_blocks, to_numpy
from isthmus.core.card import Card
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.neighbors import directions
from isthmus.core.random import Seed, generator
from isthmus.core.registry import Method, caution
from isthmus.core.score import Score

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
        if wide:
            block = block.astype(np.float64)
            block -= mean
            yield block
        else:
            yield block - mean.astype(block.dtype)


def fits_narrow(moments: Moments) -> bool:
    """Whether squares and products of centred rows, of either side, stay within float32's range."""
    n = moments.n
    sides = zip((moments.variance_x, moments.variance_y), moments.dims, strict=True)
    return all(1e-24 < total / (n * width) < 1e24 for total, width in sides if width)


class Form:
    """uᵀ C v of rows u (r, p) and v (r, q), in the precision of the rows.

    For errors of intervals: there float32's digits are enough, at half of float64's cost. A
    ``symmetric`` C with u = v is halved first, which saves two fifths of the products.
    """

    def __init__(self, c: np.ndarray, *, symmetric: bool = False) -> None:
        # In units of the largest entry, so that float32's range is never left.
        self._unit = float(np.abs(c).max()) or 1.0
        width = c.shape[1]
        edges = np.linspace(0, width, 7 if symmetric and width >= 192 else 2).astype(int)
        strips = [slice(low, high) for low, high in pairwise(edges)]
        self._parts: list[tuple[slice, slice, np.ndarray]] = []
        for strip in strips:
            above = slice(0, strip.stop if len(strips) > 1 else None)
            part = c[above, strip] / self._unit
            if len(strips) > 1:
                part[: strip.start] *= 2
            self._parts.append((above, strip, part))

    def of(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The value of every row, (r,) float64."""
        if u.dtype != self._parts[0][2].dtype:
            self._parts = [(a, b, part.astype(u.dtype)) for a, b, part in self._parts]
        total = np.zeros(len(u))
        for above, strip, part in self._parts:
            total += np.einsum("ij,ij->i", u[:, above] @ part, v[:, strip])
        return total * self._unit


def along(u: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Products (r,) float64 of rows u (r, d) with one vector (d,), in the precision of the rows."""
    unit = float(np.abs(direction).max()) or 1.0
    return (u @ (direction / unit).astype(u.dtype)).astype(np.float64) * unit


def squares(u: np.ndarray) -> np.ndarray:
    """|u|² of rows u (r, d), (r,) float64."""
    return np.vecdot(u, u).astype(np.float64)


def weighted_squares(u: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Σ_j w_j u_ij² of rows u (r, d), (r,) float64, in the precision of the rows."""
    return np.concatenate([along(u[rows] ** 2, weights) for rows in row_blocks(len(u), BLOCK)])


def in_range(*sides: Array) -> tuple[Array, ...]:
    """The sides in one unit, a power of two, where their fourth powers would vanish; else as given.

    For measures that scale does not change: an underflow, unlike an overflow, is never reported.
    """
    xp = namespace(*sides)
    size = max(float(xp.max(xp.abs(x))) for x in sides)
    if not 0 < size < 1e-30:
        return sides
    unit = 2.0 ** -(math.frexp(size)[1] // 2)  # twice, for its square may be out of range
    return tuple(xp.astype(xp.astype(x, xp.float64) * unit * unit, x.dtype) for x in sides)


def unit_rows(x: Array) -> tuple[Array, np.ndarray]:
    """Rows of x (r, d) at length one, of x's own kind and precision, and which are not zero."""
    if is_numpy(x):
        with np.errstate(over="ignore"):
            size = np.einsum("ij,ij->i", x, x)
        if size.min() > 1e-30 and size.max() < 1e30:
            return x / np.sqrt(size)[:, None], np.ones(len(size), bool)
    # Zero rows, or squares that may leave the range.
    u, xp = directions(x), namespace(x)
    return u, to_numpy(xp.any(u != 0, axis=1))


def compact(x: Array) -> Array:
    """Of fewer rows than columns, x (n, d) in an orthonormal basis of its rows, (n, n); else x.

    No product of two rows changes, and what costs d³ costs n³.
    """
    if x.shape[0] >= x.shape[1]:
        return x
    xp = namespace(x)
    return xp.astype(xp.linalg.qr(xp.astype(x, xp.float64).T)[1].T, x.dtype)


def sees_products(card: Card) -> bool:
    """Whether a measure is of inner products of rows, and not of spans, which few rows fill."""
    blind = all(card.declares("orthogonal", target=target) for target in (False, True))
    return blind and not card.jointly and not card.declares("invertible_linear")


def compacted(
    one: Method, spaces: list[Array]
) -> tuple[Callable[..., Score], list[Array], set[str]]:
    """A measure of two spaces to call on many pairs of ``spaces``, those, and its card's warnings.

    Compact where the measure sees no more, so that each of many pairs costs what its rows cost;
    what the card says of few rows is about the columns that came.
    """
    if not sees_products(one.card):
        return one.call, spaces, set()
    n, widest = spaces[0].shape[0], max(int(space.shape[1]) for space in spaces)
    # Without the warning of ``register``, which would be of the columns left.
    call = one.call if one.card.rough is None else one.call.__wrapped__
    return call, [compact(x) for x in spaces], set(caution(one.card, n, widest))


def check_varied(
    name: str, array: Array, scatter: np.ndarray, mean: np.ndarray, *, operation: str
) -> None:
    """Raise InputError when all rows of ``array`` are equal up to rounding."""
    n, d = array.shape
    eps = float(np.finfo(to_numpy(array[:1, :]).dtype).eps)
    noise = n * d * (8 * eps * float(np.abs(mean).max())) ** 2
    if not float(np.trace(scatter)) > noise:
        raise all_equal(name, (n, d), operation=operation)


@contextmanager
def called(operation: str) -> Iterator[None]:
    """Within, what a measure refuses is refused in the name of ``operation``, that builds on it."""
    try:
        yield
    except InputError as error:
        raise InputError(operation, error.given, error.expected, error.cure) from error


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
    error = influence_error(n, first, second)
    return value - Z95 * error, value + Z95 * error


def root_interval(value: float, influences: np.ndarray) -> tuple[float, float] | None:
    """``influence_interval`` around a distance ``value`` >= 0, from influences on its square.

    A square known to ± w puts the distance at ± w / 2d; where w passes d² that slope says nothing
    and all squares up to d² + w are meant: equal spaces, whose influences are rounding, stay at 0.
    """
    square = value**2
    ends = influence_interval(square, [influences])
    if ends is None:
        return None
    reach = ends[1] - square
    if reach > square:
        return 0.0, math.sqrt(square + reach)
    half = reach / (2 * value) if value > 0 else 0.0
    return value - half, value + half


def pairs_influence(
    x: Array,
    y: Array,
    moments: Moments,
    pairs: tuple[np.ndarray, np.ndarray],
    found: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Influence (n,) of each row on Σ w ρ over ``pairs`` of columns, ``found`` their correlations.

    Σ w (a b - ρ (a² + b²) / 2) of standardised columns a of x and b of y.
    """
    (rows, columns), (dx, dy), n = pairs, moments.dims, moments.n
    units = [np.sqrt(np.diag(scatter) / n) for scatter in (moments.scatter_xx, moments.scatter_yy)]
    halves = [
        np.bincount(taken, weights * found / 2, width)
        for taken, width in ((rows, dx), (columns, dy))
    ]
    wide, parts = not fits_narrow(moments), []
    sides = (centred(x, moments.mean_x, wide=wide), centred(y, moments.mean_y, wide=wide))
    for u, v in zip(*sides, strict=True):
        a, b = u / units[0].astype(u.dtype), v / units[1].astype(v.dtype)
        # Of assignments, ``rows`` counts all columns of x where none is left over.
        left = a if np.array_equal(rows, np.arange(dx)) else a[:, rows]
        total = along(left * b[:, columns], weights)
        a *= a
        b *= b
        parts.append(total - along(a, halves[0]) - along(b, halves[1]))
    return np.concatenate(parts)


def influence_error(n: int, first: float, second: float) -> float:
    """The error of ``influence_interval`` from the sums of n influences and of their squares."""
    return math.sqrt(max(second - first * first / n, 0.0) / (n * (n - 1)))


@dataclass(frozen=True)
class Spread:
    """Means of two sides and how far their rows lie from them, where no ``Moments`` are needed."""

    mean_x: np.ndarray
    mean_y: np.ndarray
    #: Squared distance of every row from the mean, (n,).
    apart_x: np.ndarray
    apart_y: np.ndarray

    @classmethod
    def of(cls, x: Array, y: Array) -> Self:
        """Of the rows of x (n, dx) and y (n, dy), in two passes."""
        means, apart = [], []
        for side in (x, y):
            xp = namespace(side)
            means.append(to_numpy(xp.sum(side, axis=0, dtype=xp.float64)) / side.shape[0])
            apart.append(np.concatenate([squares(u) for u in centred(side, means[-1])]))
        return cls(*means, *apart)

    @property
    def variance_x(self) -> float:
        """Sum over rows of |x - mean|²."""
        return float(self.apart_x.sum())

    @property
    def variance_y(self) -> float:
        """Sum over rows of |y - mean|²."""
        return float(self.apart_y.sum())

    def shuffled(self, rng: Seed) -> np.ndarray:
        """Row numbers (n,) in a random order that does not depend on the order rows came in.

        Rows are first put in the order of |x_i - x̄|²/tr S_xx + |y_i - ȳ|²/tr S_yy, which no
        rotation, shift or scaling of either space changes, then shuffled by ``rng``.
        """
        keys = self.apart_x / self.variance_x + self.apart_y / self.variance_y
        order = np.argsort(keys, kind="stable")
        return order[generator(rng).permutation(len(order))]
