r"""Moments: everything linear that two paired spaces say about each other, in one pass.

With rows shifted by fixed origins, x_i := row_i - p and y_i := row_i - q, and squared norms
a_i = |x_i|², b_i = |y_i|², a ``Moments`` holds

    n,  Σx, Σy,  Σxxᵀ, Σxyᵀ, Σyyᵀ,  Σa, Σb, Σa², Σab, Σb²,  Σax, Σay, Σbx, Σby.

The second line of sums is what the unbiased HSIC of linear kernels needs beyond covariances (Song
et al. 2012, eq. 5, with the Gram matrices multiplied out), so debiased CKA streams like the rest.
The set is closed under a change of origin, hence ``merge`` is exact and associative: a billion
rows cost one pass and O(d²) memory, and a distributed fit is a tree of merges.
"""

from collections.abc import Iterable
from typing import Literal, Self

import numpy as np

from isthmus.core.arrays import (
    Array,
    all_equal,
    check_finite,
    is_numpy,
    like,
    matrix,
    namespace,
    one_precision,
    row_blocks,
    to_numpy,
)
from isthmus.core.errors import InputError
from isthmus.core.sums import Sums

Keeps = Literal["all", "source", "cross"]

#: The scatters of each, by the numbers of their sides.
_KEPT = {"all": ((0, 0), (0, 1), (1, 1)), "source": ((0, 0), (0, 1)), "cross": ((0, 1),)}

#: Rows per block: large enough for the matrix product to run at full rate and for adding its result
#: up to cost little beside it.
BLOCK = 8192
#: Rows whose norms and sums are taken at once: they stay in a core's own cache.
_STRIP = 512

#: Rows that say whether a shift is needed, and by how much.
_PILOT = 256

#: Below this mean squared entry, float32 squares come near their least number and lose digits.
_FAINT = 1e-30

#: A column whose squared mean exceeds its variance by this factor loses too many digits in an
#: unshifted float32 product; below it the shift would only cost a pass over the data.
_OFFSET = 1.0


class Moments:
    """Mergeable first and second moments of one space, or of two with paired rows.

    ``scatter_xx`` (dx, dx), ``scatter_xy`` (dx, dy), ``scatter_yy`` (dy, dy) are sums over rows of
    outer products of centred rows; all statistics are float64 NumPy whatever the input kind.
    Products run in the input's own precision per block and are accumulated in float64.
    ``keeps`` says which scatters: ``"all"``; ``"source"``, not y's own, at three quarters of the
    cost, which is enough for regression; ``"cross"``, that of x with y alone, at half the cost,
    which is enough for Procrustes. Means and total variances are always kept.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> whole, parts = Moments.of(x), Moments.of(x[:40]) + Moments.of(x[40:])
    >>> bool(np.allclose(whole.scatter_xx, parts.scatter_xx))
    True
    """

    __slots__ = ("_known", "_origin", "_sums", "dims", "keeps", "n")

    def __init__(self, *, keeps: Keeps = "all") -> None:
        self.n = 0
        self.keeps = keeps
        self.dims: tuple[int, int] = (0, 0)  # (dx, dy); dy = 0 for a single space
        self._sums = Sums(self.dims)
        self._origin = np.zeros(0)
        # What was asked for since the last row came, read-only: measures ask several times.
        self._known: dict[tuple[int, int] | None, np.ndarray] = {}

    @classmethod
    def of(cls, x: Array, y: Array | None = None, *, keeps: Keeps = "all") -> Self:
        """Moments of the rows of x (n, dx), paired with those of y (n, dy) when given."""
        return cls(keeps=keeps).update(x, y)

    @classmethod
    def from_blocks(
        cls, blocks: Iterable[tuple[Array, Array | None]], *, keeps: Keeps = "all"
    ) -> Self:
        """Moments of a stream of (x, y) blocks, y None for a single space."""
        moments = cls(keeps=keeps)
        for x, y in blocks:
            moments.update(x, y)
        return moments

    def update(self, x: Array, y: Array | None = None) -> Self:
        """Add the rows of x (n, dx), paired with y (n, dy); raises InputError on bad rows."""
        x = matrix("x", x, operation="moments", finite=False)
        if y is not None:
            y = matrix("y", y, operation="moments", finite=False)
            x, y = one_precision(x, y)
            if x.shape[0] != y.shape[0]:
                raise InputError(
                    "moments",
                    f"x {tuple(x.shape)} and y {tuple(y.shape)}",
                    "equally many rows, paired by position",
                    "Join them on their ids first: isthmus.pair(a, b).",
                )
        dims = (x.shape[1], 0 if y is None else y.shape[1])
        if self.n == 0:
            self._start(x, y, dims)
        elif dims != self.dims:
            raise InputError(
                "moments", f"dims {dims}", f"dims {self.dims} as in earlier rows",
                "Start new moments for another space.",
            )  # fmt: skip
        # Only complete updates count: an error in here leaves the moments as they were.
        sums = _products(x, y, self._origin, keeps=self.keeps)
        self._sums = sums.plus(self._sums, out=sums) if self.n else sums
        self.n += x.shape[0]
        self._known.clear()
        return self

    def merge(self, *others: "Moments") -> "Moments":
        """The moments of all sets of rows together; no operand changes."""
        first, *rest = [one for one in (self, *others) if one.n] or [self]
        result = Moments(keeps=first.keeps)
        result.n, result.dims, result._origin = first.n, first.dims, first._origin
        result._sums = first._sums
        for other in rest:
            if first.dims != other.dims or first.keeps != other.keeps:
                raise InputError(
                    "merge moments",
                    f"dims {first.dims} (keeps={first.keeps!r}) and {other.dims} "
                    f"(keeps={other.keeps!r})",
                    "equal dims and contents",
                    "Take all of them of the same two spaces, with the same keeps.",
                )
            moved = other._sums.moved(other._origin - first._origin)
            # The first sum is new, and the others go on top of it.
            own = None if result._sums is first._sums else result._sums
            result._sums = result._sums.plus(moved, out=own)
            result.n += other.n
        return result

    __add__ = merge

    @property
    def mean_x(self) -> np.ndarray:
        """Mean of x, (dx,)."""
        return self._mean()[: self.dims[0]]

    @property
    def mean_y(self) -> np.ndarray:
        """Mean of y, (dy,)."""
        return self._mean()[self.dims[0] :]

    @property
    def scatter_xx(self) -> np.ndarray:
        """Centred scatter of x, (dx, dx), read-only."""
        return self._scatter(0, 0)

    @property
    def scatter_xy(self) -> np.ndarray:
        """Centred cross-scatter, (dx, dy), read-only."""
        return self._scatter(0, 1)

    @property
    def scatter_yy(self) -> np.ndarray:
        """Centred scatter of y, (dy, dy), read-only."""
        return self._scatter(1, 1)

    @property
    def variance_x(self) -> float:
        """Sum over rows of |x - mean|², the trace of ``scatter_xx``."""
        return self._variance(0)

    @property
    def variance_y(self) -> float:
        """Sum over rows of |y - mean|², the trace of ``scatter_yy``."""
        return self._variance(1)

    def check_varied(self, *, operation: str, sides: int = 2) -> None:
        """Raise InputError unless each side is there and its rows differ by more than rounding."""
        for side, name in enumerate("xy"[:sides]):
            mean = self._mean()[self._sums.sides[side]]
            digits = 8 * np.finfo(float).eps * np.abs(mean).max(initial=0.0)
            if not self._variance(side) > self.n * mean.size * digits**2:
                if mean.size:
                    raise all_equal(name, (self.n, mean.size), operation=operation)
                raise InputError(
                    operation, "moments of a single space", "rows that vary on two sides",
                    "Update them with the rows of both: Moments.of(x, y).",
                )  # fmt: skip

    def hsic_xx(self) -> float:
        """Unbiased HSIC of x with itself, linear kernel; needs n >= 4."""
        return self._hsic(self.scatter_xx, 0, 0)

    def hsic_xy(self) -> float:
        """Unbiased HSIC of x and y, linear kernels; needs n >= 4; may be negative."""
        return self._hsic(self.scatter_xy, 0, 1)

    def hsic_yy(self) -> float:
        """Unbiased HSIC of y with itself, linear kernel; needs n >= 4."""
        return self._hsic(self.scatter_yy, 1, 1)

    def _hsic(self, scatter: np.ndarray, a: int, b: int) -> float:
        self._need(4)
        n, d, thin = self.n, sum(self.dims), self.norm_sums()
        # At the mean rows of either Gram matrix sum to zero, so that without their diagonals
        # 1ᵀK1 = -Σa and 1ᵀKL1 = Σab.
        ab = thin[a, d + b]
        total = float(np.vdot(scatter, scatter)) - ab
        total += thin[2, d + a] * thin[2, d + b] / ((n - 1) * (n - 2)) - 2 * ab / (n - 2)
        return float(total / (n * (n - 3)))

    def norm_sums(self) -> np.ndarray:
        """Σa w, Σb w and Σw about the mean, (3, dx + dy + 3), of rows w = [x, y, a, b, 1]."""
        self._need(1)
        if None not in self._known:
            self._known[None] = self._sums.moved_thin(self._origin - self._mean())
            self._known[None].flags.writeable = False
        return self._known[None]

    def _start(self, x: Array, y: Array | None, dims: tuple[int, int]) -> None:
        self.dims = dims
        self._origin = np.concatenate([origin_for(side) for side in (x, y) if side is not None])

    def _mean(self) -> np.ndarray:
        self._need(1)
        return self._origin + self._sums.total / self.n

    def _variance(self, side: int) -> float:
        self._need(1)
        total = self._sums.total[self._sums.sides[side]]
        return float(self._sums.thin[-1, sum(self.dims) + side] - total @ total / self.n)

    def _scatter(self, i: int, j: int) -> np.ndarray:
        self._need(1)
        if (i, j) not in self._sums.scatters:
            raise self._lacking()
        if (i, j) not in self._known:
            total, sides = self._sums.total, self._sums.sides
            found = np.outer(total[sides[i]] / -self.n, total[sides[j]])
            found += self._sums.scatters[i, j]
            found.flags.writeable = False
            self._known[i, j] = found
        return self._known[i, j]

    def _lacking(self) -> InputError:
        return InputError(
            "moments", f"keeps={self.keeps!r}", "moments that keep this scatter",
            "Take them with keeps='all'.",
        )  # fmt: skip

    def _need(self, rows: int) -> None:
        if self.n < rows:
            raise InputError(
                "moments", f"{self.n} rows of dims {self.dims}", f"at least {rows}",
                "Update them with more rows.",
            )  # fmt: skip


def origin_for(x: Array) -> np.ndarray:
    """The origin to shift rows of x (n, d) by, (d,): their first rows' mean, or 0 where that does.

    Rows that lie far from 0 for their spread lose digits in products of their own precision.
    """
    head = to_numpy(x[: min(_PILOT, x.shape[0]), :]).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = head.mean(axis=0), head.var(axis=0)
        # max over columns of mean²/variance, free of 0/0 where a column is constant at zero.
        needed = np.any(mean**2 > _OFFSET * variance)
    return mean if needed and np.isfinite(mean).all() else np.zeros_like(mean)


def _products(x: Array, y: Array | None, origin: np.ndarray, *, keeps: Keeps) -> Sums:
    """Sums over all rows less ``origin``, products in the input's precision, added in float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = _accumulate(x, y, origin, keeps=keeps)
        if sums.finite():
            faint = _underflown(x, y, sums)
            return _accumulate(x, y, origin, keeps=keeps, wide=True) if faint else sums
    # Either the rows are not finite, which is the caller's to know, or float32 squares overflowed.
    check_finite("x", x, operation="moments")
    if y is not None:
        check_finite("y", y, operation="moments")
    with np.errstate(over="ignore", invalid="ignore"):
        sums = _accumulate(x, y, origin, keeps=keeps, wide=True)
    if not sums.finite():
        raise InputError(
            "moments",
            "entries so large that sums of their fourth powers leave float64",
            "entries below about 1e75",
            "Rescale the space first.",
        )
    return sums


def _underflown(x: Array, y: Array | None, sums: Sums) -> bool:
    """Whether squares of float32 entries fell so low that the sums lost digits, or all of them."""
    for i, side in enumerate((x,) if y is None else (x, y)):
        xp = namespace(side)
        square = sums.thin[-1, sum(sums.dims) + i] / (side.shape[0] * side.shape[1])
        if side.dtype == xp.float32 and square < _FAINT and bool(xp.any(side != 0)):
            return True
    return False


def _accumulate(
    x: Array, y: Array | None, origin: np.ndarray, *, keeps: Keeps, wide: bool = False
) -> Sums:
    given = [x] if y is None else [x, y]
    sums = Sums((x.shape[1], 0 if y is None else y.shape[1]))
    d = len(origin)
    # A single space leaves the sums of b at zero.
    thin_rows = slice(0, None) if y is not None else slice(0, None, 2)
    corner_columns = slice(d, None) if y is not None else slice(d, None, 2)
    buffers: dict[int, np.ndarray] = {}
    for rows in row_blocks(x.shape[0], BLOCK):
        sides = []
        for i, side in enumerate(given):
            block = side[rows, :]
            if wide:
                block = to_numpy(block).astype(np.float64)
            sides.append(_shifted(block, origin[sums.sides[i]], buffers, i))
        for i, j in _KEPT[keeps]:
            if j >= len(sides):
                sums.scatters[i, j] = np.zeros((0 if i else d, 0))
                continue
            product = to_numpy(sides[i].T @ sides[j])
            if (i, j) in sums.scatters:
                sums.scatters[i, j] += product
            else:
                sums.scatters[i, j] = product.astype(np.float64, copy=False)
        # Norms and the constant 1 ride along as three thin rows, strip by strip while in cache.
        count = sides[0].shape[0]
        for strip in row_blocks(count, _STRIP if is_numpy(x) else count):
            parts = [side[strip, :] for side in sides]
            thin = _thin(parts)
            for side, part in zip(sums.sides, parts, strict=False):
                sums.thin[thin_rows, side] += to_numpy(_thin_products(thin, part))
            # Fourth powers are summed in float64: |x|⁴ leaves float32's range long before |x|².
            corner = to_numpy(thin).astype(np.float64)
            sums.thin[thin_rows, corner_columns] += corner @ corner.T
    return sums


def _shifted(block: Array, origin: np.ndarray, buffers: dict[int, np.ndarray], key: int) -> Array:
    """``block`` minus ``origin``; NumPy reuses one buffer, for fresh pages cost as much as math."""
    if not origin.any():
        return block
    if not is_numpy(block):
        return block - like(origin, block)
    if key not in buffers:
        buffers[key] = np.empty((BLOCK, block.shape[1]), dtype=block.dtype)
    return np.subtract(block, origin.astype(block.dtype), out=buffers[key][: len(block)])


def _thin_products(thin: Array, block: Array) -> Array:
    """``thin`` (2 or 3, rows) times ``block`` (rows, d): NumPy is faster row by row."""
    return np.stack([row @ block for row in thin]) if is_numpy(block) else thin @ block


def _thin(sides: list[Array]) -> Array:
    """The rows a, b and 1 of one block, (3, rows), of a single space a and 1."""
    xp = namespace(*sides)
    if is_numpy(sides[0]):
        norms = [np.vecdot(side, side) for side in sides]
    else:
        norms = [xp.sum(side * side, axis=1) for side in sides]
    return xp.stack([*norms, norms[0] * 0 + 1])
