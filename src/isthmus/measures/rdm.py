"""Dissimilarity matrices: made block by block, compared through their row sums alone.

Shared by the measures that compare such matrices (RDMs); holds no method of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np

from isthmus.core.arrays import Array, all_equal, is_numpy, namespace, row_blocks, take, to_numpy
from isthmus.core.engine import map_on_cores
from isthmus.core.errors import InputError
from isthmus.measures.mantel import Sums, permutation_moments
from isthmus.measures.rows import jackknife

Distance = Literal["euclidean", "squared_euclidean", "cosine", "correlation"]
DISTANCES = ("euclidean", "squared_euclidean", "cosine", "correlation")

#: Distances held at a time where whole rows of the matrix are needed.
_CELLS = 1 << 22
#: Rows and columns of a block elsewhere: it stays in a core's cache between its passes.
_SIDE = 512
#: Beside the sizes of the rows, squared distances below this keep too few of float32's digits.
_NEAR = 1e-3


class Dissimilarities:
    """The distances between the rows of x (n, d), computed in blocks when asked for.

    ``cosine`` is 1 - cos, ``correlation`` 1 - Pearson's r over the columns. All are divided by one
    number of the space's size, which no comparison of such matrices sees.

    Raises InputError on an unknown distance, on rows that are all equal, and on rows without a
    direction where the distance needs one.

    >>> Dissimilarities("x", np.array([[0.0], [1.0], [3.0]]), operation="demo").condensed().shape
    (3,)
    """

    def __init__(
        self, name: str, x: Array, *, operation: str, distance: Distance = "euclidean"
    ) -> None:
        if distance not in DISTANCES:
            raise InputError(operation, f"distance {distance!r}", f"one of {', '.join(DISTANCES)}")
        xp = namespace(x)
        eps = float(xp.finfo(x.dtype).eps)
        narrow = x.dtype == xp.float32 and is_numpy(x)  # elsewhere it may mean still fewer digits
        x = xp.astype(x, xp.float64)
        self.rooted = distance == "euclidean"
        if distance in ("cosine", "correlation"):
            x = _directions(name, x, eps, operation, centre=distance == "correlation")
        # A point amid the rows loses no digits of a float32 space that lies far from the origin.
        x /= _largest(x) or 1.0
        x -= xp.mean(x, axis=0, keepdims=True)
        spread = _largest(x)
        if not spread > 16 * eps:
            raise all_equal(name, x.shape, operation=operation)
        # Their products are the 2 x·y of |x - y|² = |x|² + |y|² - 2 x·y.
        x *= 2**0.5 / spread
        self.rows, self.squares = x, xp.vecdot(x, x) / 2.0
        self._narrow = xp.astype(self.rows, xp.float32) if narrow else None
        self._kernel: Callable[[Array], Array] | None = None

    @property
    def plain(self) -> bool:
        """Whether the entries are the squared distances themselves."""
        return not self.rooted and self._kernel is None

    def entries(self, squared: Array) -> Array:
        """The entries of the matrix where it has these squared distances."""
        if self._kernel is not None:
            return self._kernel(squared)
        return namespace(squared).sqrt(squared) if self.rooted else squared

    def kernel(self, of: Callable[[Array], Array]) -> "Dissimilarities":
        """The same rows with ``of`` their squared distances as entries; ``of`` keeps 0."""
        found = copy(self)
        found._kernel, found.rooted = of, False
        return found

    def among(self, rows: np.ndarray) -> "Dissimilarities":
        """Those between these rows alone, in the same units."""
        found = copy(self)
        found.rows, found.squares = take(self.rows, rows), take(self.squares, rows)
        found._narrow = None if self._narrow is None else take(self._narrow, rows)
        return found

    def block(self, rows: slice, columns: slice) -> Array:
        """Squared distances from ``rows`` to ``columns``, (b, c) float64.

        Of float32 rows their products are in float32, unless some of these are near one another.
        """
        down, across = self.squares[rows], self.squares[columns]
        xp = namespace(down)
        most = float(xp.max(down) + xp.max(across))
        if self._narrow is not None and rows.stop <= columns.start:
            products = self._narrow[rows, :] @ self._narrow[columns, :].T
            squared = down[:, None] - xp.astype(products, xp.float64)
            squared += across[None, :]
            if float(xp.min(squared)) > _NEAR * most:
                return squared
        squared = down[:, None] - self.rows[rows, :] @ self.rows[columns, :].T
        squared += across[None, :]
        if float(xp.min(squared)) > 1e-14 * most:
            return squared
        # Below this a difference of equal numbers is rounding: duplicates are at distance zero.
        far = squared > 1e-14 * (down[:, None] + across[None, :])
        return xp.where(far, squared, xp.zeros_like(squared))

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of blocks that hold every pair of rows once, and the diagonal."""
        # Small ones would keep a GPU waiting.
        parts = list(row_blocks(self.rows.shape[0], _SIDE if is_numpy(self.rows) else 8 * _SIDE))
        for i, rows in enumerate(parts):
            for columns in parts[i:]:
                yield rows, columns

    def order_statistics(self, ranks: Sequence[int]) -> np.ndarray:
        """The distances of these ranks among all pairs of rows, from 0, never held whole.

        Positive float64s are in the order of their bits. A pass counts the next 21 of them among
        the distances that begin like one sought, until so few are left that they can be sorted.
        """
        n, shift = self.rows.shape[0], 63
        sought = [(0, rank) for rank in ranks]  # first bits, and rank among those that begin so
        inside = {0: n * (n - 1) // 2}
        while shift and sum(inside.values()) > _CELLS:
            shift -= 21
            counts = {begin: np.zeros(1 << 21, np.int64) for begin in inside}
            for bits in self._bits():
                for begin, count in counts.items():
                    near = bits[bits >> shift + 21 == begin]
                    np.add.at(count, (near >> shift) - (begin << 21), 1)
            inside, wider = {}, sought
            sought = []
            for begin, rank in wider:
                upto = np.cumsum(counts[begin])
                digit = int(np.searchsorted(upto, rank, side="right"))
                here = int(counts[begin][digit])
                sought.append((begin << 21 | digit, rank - int(upto[digit]) + here))
                inside[sought[-1][0]] = here
        if shift:
            parts: dict[int, list[np.ndarray]] = {begin: [] for begin in inside}
            for bits in self._bits():
                for begin, part in parts.items():
                    part.append(bits[bits >> shift == begin])
            held = {begin: np.sort(np.concatenate(part)) for begin, part in parts.items()}
            sought = [(int(held[begin][rank]), 0) for begin, rank in sought]
        return self.entries(np.array([bits for bits, _ in sought]).view(np.float64))

    def _bits(self) -> Iterator[np.ndarray]:
        """Bits of the squared distances between all pairs of rows, int64, a block at a time."""

        def work(place: tuple[slice, slice]) -> np.ndarray:
            held = to_numpy(self.block(*place))
            once = held[np.triu_indices(len(held), 1)] if place[0] == place[1] else held.ravel()
            return np.ascontiguousarray(once).view(np.int64)

        return map_on_cores(work, list(self.blocks()), self.rows)

    def condensed(self) -> np.ndarray:
        """The n (n - 1) / 2 distances above the diagonal, row by row."""
        n = self.rows.shape[0]
        parts = []
        for rows in row_blocks(n, max(1, _CELLS // n)):
            held = to_numpy(self.block(rows, slice(0, n)))
            parts += [held[i - rows.start, i + 1 :] for i in range(rows.start, rows.stop)]
        return self.entries(np.concatenate(parts) if n > 1 else np.zeros(0))


def _largest(x: Array) -> float:
    """The largest size of an entry."""
    xp = namespace(x)
    return max(float(xp.max(x)), -float(xp.min(x)))


def _directions(name: str, x: Array, eps: float, operation: str, *, centre: bool) -> Array:
    xp = namespace(x)
    peak = xp.max(xp.abs(x), axis=1, keepdims=True)
    x = x / xp.where(peak > 0, peak, xp.ones_like(peak))
    if centre:
        x = x - xp.mean(x, axis=1, keepdims=True)
    length = xp.sqrt(xp.sum(x * x, axis=1, keepdims=True))
    flat = np.flatnonzero(~(to_numpy(length)[:, 0] > 16 * eps))
    if len(flat):
        what = "constant" if centre else "zero"
        raise InputError(
            operation,
            f"{name} with {len(flat)} {what} rows (first: {', '.join(map(str, flat[:5]))})",
            "rows that have a direction",
            "Drop these rows, or use distance='euclidean'.",
        )
    return x / length


def fold(values: np.ndarray, n: int) -> np.ndarray:
    """For each row the sum of ``values`` (n (n - 1) / 2,) over the pairs that hold it, (n,)."""
    sums, start = np.zeros(n), 0
    for i in range(n - 1):
        stop = start + n - 1 - i
        sums[i] += values[start:stop].sum()
        sums[i + 1 :] += values[start:stop]
        start = stop
    return sums


def over_pairs(
    sides: Sequence[Dissimilarities],
    sums: Callable[[Sequence[Array], slice, slice], tuple[np.ndarray, np.ndarray]],
    found: np.ndarray,
) -> np.ndarray:
    """``found`` (k, n, ...) with what ``sums`` makes of each block of squared distances added.

    ``sums`` takes the blocks of all sides, rows and columns, and gives what belongs to the rows,
    (k, b, ...), and what the mirrored block adds to the rows that are its columns, (k, c, ...).
    Blocks run in as many threads as a product may take, which keeps their other passes in step.
    """

    def work(place: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        return sums([side.block(*place) for side in sides], *place)

    places = list(sides[0].blocks())
    parts = map_on_cores(work, places, sides[0].rows)
    for (rows, columns), (down, across) in zip(places, parts, strict=True):
        found[:, rows] += down
        if rows != columns:
            found[:, columns] += across
    return found


def _squares_product(a: Dissimilarities, b: Dissimilarities) -> np.ndarray:
    r"""Σ_j A_ij B_ij of squared distances for every row i, (n,), without looking at any pair.

    .. math:: n a_i b_i + a_i Σb + b_i Σa + Σab - 2 x_i·Σ_j b_j x_j - 2 y_i·Σ_j a_j y_j
              + 4 x_i^⊤ (Σ_j x_j y_j^⊤) y_i

    with a_i = |x_i|², b_i = |y_i|² of centred rows: O(n d²).
    """
    xp, n = namespace(a.rows, b.rows), a.rows.shape[0]
    x, y, sizes, others = a.rows, b.rows, a.squares, b.squares  # rows have the factor sqrt(2)
    found = n * sizes * others + sizes * xp.sum(others) + others * xp.sum(sizes)
    found += xp.sum(sizes * others) - x @ (others @ x) - y @ (sizes @ y)
    found += xp.vecdot(x @ (x.T @ y), y)
    return to_numpy(found)


@dataclass(frozen=True, slots=True)
class RowSums:
    """Σ_j A_ij, Σ_j A_ij², the same of B, and Σ_j A_ij B_ij for every row i: five (n,) arrays.

    All that the correlation of two symmetric matrices without their diagonals needs, together with
    its leave-one-out values and its permutation moments.
    """

    a: np.ndarray
    aa: np.ndarray
    b: np.ndarray
    bb: np.ndarray
    ab: np.ndarray

    @classmethod
    def of_rows(cls, a: Dissimilarities, b: Dissimilarities) -> "RowSums":
        """One pass over half of both matrices, never held whole; none where products do."""
        xp, n = namespace(a.rows, b.rows), a.rows.shape[0]
        if a.plain and b.plain and n > 4 * max(a.rows.shape[1], b.rows.shape[1]):
            products = _squares_product(a, a), _squares_product(b, b), _squares_product(a, b)
            single = [n * to_numpy(one.squares) + float(xp.sum(one.squares)) for one in (a, b)]
            return cls(single[0], products[0], single[1], products[1], products[2])

        def sums(
            squared: Sequence[Array], rows: slice, columns: slice
        ) -> tuple[np.ndarray, np.ndarray]:
            one, two = a.entries(squared[0]), b.entries(squared[1])
            square_one = squared[0] if a.rooted else one * one
            square_two = squared[1] if b.rooted else two * two
            blocks = (one, square_one, two, square_two, one * two)
            down, across = ([to_numpy(xp.sum(m, axis=i)) for m in blocks] for i in (1, 0))
            return np.stack(down), np.stack(across)

        return cls(*over_pairs((a, b), sums, np.zeros((5, n))))

    @classmethod
    def of_condensed(cls, a: np.ndarray, b: np.ndarray, n: int) -> "RowSums":
        """From the entries above the diagonals."""
        return cls(*(fold(product, n) for product in (a, a * a, b, b * b, a * b)))

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.a)

    def correlation(self, *, centre: bool = True) -> float:
        """Pearson's correlation of the off-diagonal entries; their cosine without ``centre``."""
        totals = [np.array([side.sum()]) for side in self._sides()]
        return float(_correlation(totals, self.n, centre=centre)[0])

    def interval(self, value: float, *, centre: bool = True) -> tuple[float, float] | None:
        """The exact delete-one jackknife: row i takes its row and column out of every sum."""
        return bounded_jackknife(value, self.left_out(centre=centre))

    def left_out(self, *, centre: bool = True) -> np.ndarray:
        """The correlation without each of the n rows, (n,)."""
        kept = [side.sum() - 2 * side for side in self._sides()]
        return _correlation(kept, self.n - 1, centre=centre)

    def standardised(self) -> float | None:
        """Deviations of Σ A_ij B_ij from its mean over all permutations of the rows of one side."""
        n, pairs = self.n, self.n * (self.n - 1)
        sums = []
        for side, squares in ((self.a, self.aa), (self.b, self.bb)):
            # About its mean, where the products below do not cancel.
            mean = side.sum() / pairs
            rows = float(np.sum((side - (n - 1) * mean) ** 2))
            square = float(squares.sum() - pairs * mean**2)
            sums.append(Sums(n, 0.0, square, square, rows, rows, rows))
        _, spread = permutation_moments(*sums)
        covered = float(self.ab.sum() - self.a.sum() * self.b.sum() / pairs)
        return (
            covered / spread if spread > 1e-9 * np.sqrt(sums[0].squares * sums[1].squares) else None
        )

    def chance(self) -> float:
        """Mean of the cosine over all permutations: that of two constants at the mean entries."""
        pairs = self.n * (self.n - 1)
        size = float(np.sqrt(self.aa.sum()) * np.sqrt(self.bb.sum()))
        return float(self.a.sum() * self.b.sum() / pairs) / size

    def _sides(self) -> tuple[np.ndarray, ...]:
        return self.a, self.aa, self.b, self.bb, self.ab


def _correlation(sides: list[np.ndarray], n: int, *, centre: bool) -> np.ndarray:
    """Correlations of ``n`` rows' entries from the totals of a, a², b, b² and ab, (m,) each."""
    a, aa, b, bb, ab = sides
    pairs = n * (n - 1) if centre else np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.sqrt(aa - a * a / pairs) * np.sqrt(bb - b * b / pairs)
        return np.asarray(np.clip((ab - a * b / pairs) / size, -1.0, 1.0))


def bounded_jackknife(value: float, left: np.ndarray) -> tuple[float, float] | None:
    """The 95 % interval of a correlation from its leave-one-out values, of 5 rows or more."""
    found = jackknife(value, [left]) if len(left) > 4 else None
    return None if found is None else (max(found[0], -1.0), min(found[1], 1.0))


def check_spread(name: str, sums: np.ndarray, squares: np.ndarray, *, operation: str) -> None:
    """Raise InputError when all off-diagonal entries of a matrix are equal up to rounding."""
    n = len(sums)
    mean = float(sums.sum()) / (n * (n - 1))
    if not float(squares.sum()) - n * (n - 1) * mean**2 > 1e-13 * float(squares.sum()):
        raise InputError(
            operation, f"{name} whose rows are all equally far apart: {(n, n)} equal distances",
            "distances that vary", "Bring more rows, or another distance.",
        )  # fmt: skip
